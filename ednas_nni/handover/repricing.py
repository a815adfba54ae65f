"""A front for any device and any limit from a supernet: scores that exist are priced again.

A quality that is inherited does not depend on the device, and costs are exact and known at once. So a front for another
device is a sum over tables for all networks that anybody has scored, and then a search of the default strategy, in this
process, that scores some more where this device's front has gaps, as a trial of the study does it.

Example: a search for an Edge TPU has scored 200 networks. On a CPU, 9 of them are a front below 10 ms; 32 further ones,
half a second each, are proposed around these nine and bring it to 14.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ednas_nni.errors import EdnasError, StudyError
from ednas_nni.handover.search import SearchedArchitecture
from ednas_nni.record.front import front_keys
from ednas_nni.record.journal import load
from ednas_nni.record.locate import journals
from ednas_nni.search.assembled import Assembled, device, trained
from ednas_nni.search.shell import AskTellStrategy
from ednas_nni.search.taking_over import difference
from ednas_nni.space.dimensions import Sample
from ednas_nni.study import parse
from ednas_nni.study.objectives import parse_constraint
from ednas_nni.training.supernet.inherited import InheritedEvaluator
from ednas_nni.training.supernet.made import Supernet
from ednas_nni.training.supernet.scores import InheritedScore, add, read


class Inheritance:
    """The supernet of a study, and what its networks score as trials score them.

    Args:
        assembled: The study.

    Raises:
        StudyError: Its evaluator inherits from no supernet.
    """

    def __init__(self, assembled: Assembled) -> None:
        study = assembled.study
        if not isinstance(assembled.evaluator_against(None), InheritedEvaluator):
            raise StudyError(
                f"evaluator {study.evaluator.name!r} makes no supernet. Write `evaluator: {{name: inherited}}`."
            )
        self.assembled = assembled.of(study.model_copy(update={"reference": None}))
        judge = self.assembled.evaluator_against(None)
        assert isinstance(judge, InheritedEvaluator), "looked at above"
        self.evaluator: InheritedEvaluator = judge
        self.supernet: Supernet = judge.supernet(assembled.space)
        self.split = judge.recipe.scored_on

    @property
    def images(self) -> int:
        """How many a network is scored on."""
        return self.assembled.source.info.counts[self.split]

    def scores(self) -> dict[str, InheritedScore]:
        """Architecture id -> score, of whoever made one: beside the supernet, and in journals of this machine."""
        every = read(self.supernet, self.split, self.evaluator.recipe.trained_on)
        for path in journals().values():
            with contextlib.suppress(EdnasError, OSError):
                for score in self._journalled(path):
                    every.setdefault(score.architecture, score)
        return every

    def _journalled(self, path: Path) -> Iterator[InheritedScore]:
        """The results of a search whose trials inherited from this very supernet."""
        history = load(path)
        if history.head is None or difference(self.assembled, history.head):
            return
        for key, record in history.results.items():
            metrics = {**record.metrics, "default": record.metrics.get("quality", record.metrics["default"])}
            yield InheritedScore(key, self.split, record.sample, metrics, self.evaluator.recipe.trained_on)

    def score(self, sample: Sample) -> InheritedScore:
        """Score one network, and write that down beside the supernet."""
        with contextlib.redirect_stdout(io.StringIO()):
            _, metrics = trained(self.assembled.space, sample, self.evaluator)
        metrics.pop("train_s", None)
        key, trained_on = self.assembled.domains.architecture_id(sample), self.evaluator.recipe.trained_on
        score = InheritedScore(key, self.split, sample, metrics, trained_on)
        add(self.supernet, score)
        return score


def score_of(assembled: Assembled, architecture: str) -> InheritedScore | None:
    """The score of a network by its id; None where it has none, or nothing inherits."""
    with contextlib.suppress(StudyError):
        return Inheritance(assembled).scores().get(architecture)
    return None


@dataclass(frozen=True)
class RepricedFront:
    """A front by inherited scores.

    Attributes:
        assembled: The study with the device and the limits that were asked for.
        members: Cheapest first; their values are searched ones, of one supernet.
        reused: Networks within the limits that had a score already.
        scored: Those that were scored for this front.
        split: The images of the scores.
        images: How many.
    """

    assembled: Assembled
    members: tuple[SearchedArchitecture, ...]
    reused: int
    scored: int
    split: str
    images: int


def asked(assembled: Assembled, devices: Sequence[str] = (), limits: Sequence[str] = ()) -> Assembled:
    """The study for other devices or limits: of quality against one cost, searched by the default strategy.

    With other devices the study's own limits are left out: they were meant for its own.
    """
    study = assembled.study
    plain = {
        **study.dump(),
        **({"device": list(devices)} if devices else {}),
        "constraints": list(limits) if devices or limits else list(study.constraints),
        "strategy": study.strategy.dump() if study.strategy.name == "ednas" else "ednas",
        "objectives": ["quality"],
        "reference": None,
        "start": [],
    }
    plain.pop("hardware_aware", None)
    names = [column.name for entry in parse(plain).device for column in device(entry).columns] + ["macs", "params"]
    wished = [parse_constraint(limit).name for limit in limits] + [o.name for o in assembled.objectives]
    costs = [name for name in (*wished, *names) if name in names]
    return assembled.of(parse({**plain, "objectives": ["quality", costs[0]]}))


def repriced(
    assembled: Assembled,
    devices: Sequence[str] = (),
    limits: Sequence[str] = (),
    networks: int = 32,
    progress: bool = True,
) -> RepricedFront:
    """The front of a study's supernet for devices and limits.

    Args:
        assembled: A study whose evaluator inherits.
        devices: Names or profiles instead of the study's.
        limits: Such as "latency_ms<=10", instead of the study's.
        networks: How many to score beside those that have a score.
        progress: Show a bar on standard error.

    Raises:
        StudyError: The evaluator inherits from no supernet, or it is not made; a limit is wrong.
        InfeasibleError: Nothing meets the limits; the message says what can be reached.
    """
    inheritance = Inheritance(assembled)
    if inheritance.supernet.made is None:
        raise StudyError(f"{assembled.file}: its supernet is not made yet. Make it first: ednas supernet FILE.yml")
    wanted = asked(assembled, devices, limits)
    wanted.check_reachable()
    problem = wanted.problem
    every = list(inheritance.scores().values())
    fits = problem.feasible([score.sample for score in every])
    inside = {score.architecture: score for score, ok in zip(every, fits, strict=True) if ok}
    reused = len(inside)
    strategy = wanted.strategy
    assert isinstance(strategy, AskTellStrategy), "the default strategy"
    core = strategy.make_core(problem)

    def tell(score: InheritedScore) -> None:
        costs = problem.cost_dict(score.sample)
        core.tell(score.sample, *problem.values(score.metrics, costs))

    for score in inside.values():
        tell(score)
    for _ in tqdm(range(networks), desc="scoring", unit="network", disable=not progress or not networks):
        sample = core.ask()
        if sample is None:
            break
        score = inheritance.score(sample)
        tell(score)
        inside[score.architecture] = score
    costs = {key: problem.cost_dict(score.sample) for key, score in inside.items()}
    front = front_keys({key: (inside[key].metrics, costs[key]) for key in inside}, problem.objectives)
    names = {architecture: name for name, architecture in wanted.members.items()}
    axis = problem.objectives[1].name
    members = [
        SearchedArchitecture(key, names.get(key, ""), inside[key].sample, costs[key], inside[key].metrics)
        for key in sorted(front, key=lambda key: costs[key][axis])
    ]
    return RepricedFront(wanted, tuple(members), reused, len(inside) - reused, inheritance.split, inheritance.images)
