"""Train one architecture in full: several seeds side by side, resumable, scored on images that nobody has seen.

Every seed is a training by the study's own evaluator, and so by the one training loop there is; what differs from a
trial is the length, an average of the weights over the last twentieth of it, a start from the weights that the trial
left where there are some, and checkpoints. What is trained lies in a folder named by everything that decides the
result: the same call goes on where an earlier one was killed, and does nothing twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from ednas_nni.baselines.identity import single_task
from ednas_nni.data.cache import LOCK, beside, cache_root, locked
from ednas_nni.errors import EdnasError, JournalError, StudyError, TrialError
from ednas_nni.handover.choosing import ChosenArchitecture, Opened, chosen, opened
from ednas_nni.handover.describing import described
from ednas_nni.handover.scoring import Runs, scored
from ednas_nni.handover.search import SearchedArchitecture, SearchRecord
from ednas_nni.networks.network import Network
from ednas_nni.nn.blocks.base import own_code
from ednas_nni.nn.checkpoint import write_tensors
from ednas_nni.nn.tree import build
from ednas_nni.record.events import Note
from ednas_nni.record.journal import Journal
from ednas_nni.record.kept_weights import SUFFIX
from ednas_nni.record.whole_file import file_digest, write_whole
from ednas_nni.search.assembled import Assembled, by_recipe
from ednas_nni.study import Study, parse
from ednas_nni.training.checkpoints import Checkpoints
from ednas_nni.training.jared import JaredEvaluator
from ednas_nni.training.pool import results

if TYPE_CHECKING:
    from torch import Tensor

    from ednas_nni.networks.description import Score
    from ednas_nni.space.domains import Sample

FIRST_SEED = 3000  # searches count from the study's, baselines from 1000, confirmations from 2000
LONGER = 10  # times the steps of a trial
AVERAGED = 20  # steps of the training / steps that the average of the weights reaches back
Metrics = dict[str, float]
WEIGHTS, FINAL, CHECKPOINT = "weights.safetensors", "final.json", "checkpoint.safetensors"


@dataclass(frozen=True)
class FullTraining:
    """What is to be trained, before anything is.

    Attributes:
        assembled: The study with the recipe of the full training.
        sample: Canonical.
        name: Of the network.
        seeds: Of the trainings.
        search: That the architecture comes from; None without one.
        weights: File that every training starts from; None = at random.
        kept_steps: Of the training that left these weights, where they are taken as they are; None = it is trained.
    """

    assembled: Assembled
    sample: Sample
    name: str
    seeds: tuple[int, ...]
    search: SearchRecord | None = None
    weights: Path | None = None
    kept_steps: int | None = None

    @property
    def study(self) -> Study:
        """With the recipe of the full training."""
        return self.assembled.study

    @cached_property
    def steps(self) -> int:
        """Of each training."""
        return evaluator_of(self.assembled).recipe.steps if self.kept_steps is None else self.kept_steps

    @cached_property
    def folder(self) -> Path:
        """Where the trainings lie until the network is written; named by what decides their result."""
        tasks = evaluator_of(self.assembled).module.data.unmeasured
        deciding = {
            "study": self.study.digest,
            "sample": self.sample,
            "data": self.assembled.source.info.identity,
            "weights": self.assembled.weights,
            "tasks": {t.name: t.settings() for t in tasks},
        }
        if code := own_code(self.study.space, type(self.assembled.space), *map(type, tasks)):
            deciding["code"] = code
        digest = hashlib.sha256(json.dumps(deciding, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return cache_root(self.study.data.options.get("cache")) / "trainings" / digest

    def place(self, seed: int) -> Path:
        """Where the training with a seed lies."""
        return self.folder / f"seed-{seed}"

    def result(self, seed: int) -> Path:
        """File of its weights."""
        return self.place(seed) / WEIGHTS if self.kept_steps is None or self.weights is None else self.weights


def planned(
    source: Opened | SearchRecord | Assembled | str | Path,
    choice: ChosenArchitecture | SearchedArchitecture | Mapping[str, Any] | str,
    steps: int | None = None,
    seeds: int = 1,
    size: str | Sequence[int] = "train",
    name: str = "",
    fresh: bool = False,
    **options: Any,
) -> FullTraining:
    """Settle what a training is; arguments are those of `train`.

    Raises:
        EdnasError: The search, the study, the architecture or an option is wrong.
    """
    if not seeds >= 1:
        raise StudyError(f"seeds is {seeds}; at least 1 training is needed, 3 to know the spread.")
    search, assembled = source if isinstance(source, tuple) else opened(source)
    of = chosen(search, assembled, choice)
    assembled = by_recipe(assembled)
    study = assembled.study
    weights = None if fresh else of.weights
    sizes = {"train": study.train_size, "deploy": study.deploy_size}
    if isinstance(size, str) and size not in sizes:
        raise StudyError(f"size is {size!r}; it is train, deploy, or height and width such as 256,512.")
    train_size = tuple(sizes[size] if isinstance(size, str) else size)
    first, kept_steps = FIRST_SEED, None
    if steps == 0:
        other_size = search is not None and train_size != search.assembled.study.train_size
        if weights is None or search is None or seeds > 1 or other_size:
            asked = "several seeds are asked for" if seeds > 1 else "another size is asked for" if other_size else ""
            raise StudyError(
                "steps is 0: that takes the one network whose weights a search has kept, as it was trained, here "
                f"{asked or 'there are none'}. Train it, with 1 step or more."
            )
        first, kept_steps = _left_by(search, weights)
    steps = steps or LONGER * evaluator_of(assembled).recipe.steps
    usual_options: dict[str, Any] = {"average": round(1 - AVERAGED / max(steps, AVERAGED), 6), "reports": 5}
    if "threads" not in study.evaluator.options:
        usual_options["threads"] = 1  # to the bit the same after a kill; more only pay for large images
    if "precision" not in study.evaluator.options and torch.cuda.is_available():
        usual_options["precision"] = "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    given = {**usual_options, **study.evaluator.options, **options, "steps": steps, "scored_on": "select"}
    plain = {
        **study.dump(),
        "evaluator": {"name": study.evaluator.name, **given},
        "train_size": list(train_size),
        "seed": first,
        "reference": None,  # trainings of another length: delta_t needs baselines of this recipe
        "objectives": ["quality", *(o for o in study.objectives if o not in ("quality", "delta_t"))],
        **({"init_from": str(weights.resolve())} if weights is not None else {}),
    }
    full = assembled.of(parse(plain))
    full.checked_evaluator  # noqa: B018  (its options are looked at before anything is trained)
    return FullTraining(
        full, of.sample, name or of.name, tuple(range(first, first + seeds)), search, weights, kept_steps
    )


def train(
    source: SearchRecord | Assembled | str | Path,
    choice: SearchedArchitecture | Mapping[str, Any] | str,
    *,
    steps: int | None = None,
    seeds: int = 1,
    size: str | Sequence[int] = "train",
    name: str = "",
    fresh: bool = False,
    baselines: bool = False,
    test: bool = True,
    workers: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Network:
    """Train an architecture in full.

    Killed and called again, it goes on from its last checkpoint. The weights are those of the seed with the best
    quality on `select`; `test` has no part in that, so its metrics, of all seeds, are not flattered.

    Args:
        source: A search, its id, or an experiment's YAML; or an assembled study.
        choice: What was picked of the search, an architecture id, a member's name, or a sample.
        steps: Of each training; ten times those of a trial by default. 0 = nothing is trained: the network has the
            weights that were kept of it, of the training that finished it or of its trial.
        seeds: How many trainings; with several, metrics have intervals.
        size: Height and width of the training images: "train", "deploy" (as in the study), or two numbers.
        name: Of the network; by default the member's, or the architecture id.
        fresh: Start at random also where the trial's weights were kept.
        baselines: Also train the architecture on each task alone, with as many seeds: delta_t and its interval.
        test: Open the split `test` for the final scores; each opening is written down.
        workers: Trainings at a time; one per core by default, one on a GPU.
        progress: Show a bar with the time left on standard error.
        **options: Of the evaluator, instead of the study's, such as `learning_rate`.

    Returns:
        The network, not yet saved.

    Raises:
        EdnasError: The search, the study, the architecture or an option is wrong.
        TrialError: A training failed; what ended or was begun stays and is not done again.

    Example:
        search = ednas_nni.open_search("ID")
        network = ednas_nni.train(search, search.front.pick(limit="latency_ms<=10"), steps=4000)
        network.save("networks/small")
    """
    plan = planned(source, choice, steps, seeds, size, name, fresh, **options)
    return carried_out(plan, baselines, test, workers, progress)


def carried_out(
    plan: FullTraining, baselines: bool = False, test: bool = True, workers: int | None = None, progress: bool = True
) -> Network:
    """Train what a plan says; see `train`."""
    journal = plan.search.history.path if test and plan.search else None
    if journal is not None and not os.access(journal, os.W_OK):
        raise JournalError(f"{journal}: cannot be written, and notes who opens `test`. Leave it closed: --no-test.")
    plan.assembled.source.prepare(progress)
    if torch.cuda.is_available():
        workers = workers or 1
    if plan.kept_steps is not None and baselines:
        raise StudyError("baselines are trained as the network is, which it is not with 0 steps. Leave them out.")
    twins = {task: twin(plan, task) for task in plan.study.tasks} if baselines else {}
    finals = {} if plan.kept_steps is not None else _all_trained([plan, *twins.values()], workers, progress)
    best = max(plan.seeds, key=lambda seed: finals[plan.folder, seed]["default"] if finals else 0.0)
    order = (best, *(seed for seed in plan.seeds if seed != best))
    runs = _runs(plan, order)
    if journal is not None:
        _note_opening(plan, journal)
    return described(
        plan.assembled.of(_seeded(plan.study, best)),
        plan.sample,
        runs.networks[0],
        name=plan.name,
        steps=plan.steps,
        scores=_scores(plan, runs, {task: _runs(one, order) for task, one in twins.items()}, order, test),
        search="" if plan.search is None else plan.search.experiment,
        journal="" if plan.search is None else file_digest(plan.search.history.path),
    )


def _scores(
    plan: FullTraining, runs: Runs, twins: Mapping[str, Runs], seeds: tuple[int, ...], test: bool
) -> tuple[Score, ...]:
    """Scores on `select` and `test` at the size of the training, and on the last of them at that of the device."""
    reader, splits = f"ednas train {plan.name}", ("select", "test") if test else ("select",)
    scores = [scored(runs, twins, seeds, split, plan.study.train_size, reader) for split in splits]
    if plan.study.deploy_size != plan.study.train_size:
        scores.append(scored(runs, {}, seeds, splits[-1], plan.study.deploy_size, reader))
    return tuple(scores)


def twin(plan: FullTraining, task: str) -> FullTraining:
    """The same architecture for one task alone, trained alike.

    What the task has of its own in the network (`depth_stage4_width`) is what its twin has (`stage4_width`).
    """
    alone = plan.assembled.of(single_task(plan.study, task, plan.seeds[0]))
    active = plan.assembled.domains.active(plan.sample)
    sample = {
        label: active.get(f"{task}_{label}", plan.sample.get(label, alone.domains[label].values[0]))
        for label in alone.domains.labels
    }
    return replace(plan, assembled=alone, sample=alone.domains.canonical(sample), name=f"{plan.name}, {task} alone")


# ---- the trainings


def _all_trained(plans: Sequence[FullTraining], workers: int | None, progress: bool) -> dict[tuple[Path, int], Metrics]:
    """(folder of the plan, seed) -> final metrics, of what was there and of what was missing."""
    wanted = [(plan, seed) for seed in plans[0].seeds for plan in plans]
    finals = {(plan.folder, seed): final_of(plan.place(seed)) for plan, seed in wanted}
    missing = [(plan, seed) for plan, seed in wanted if finals[plan.folder, seed] is None]
    failures = []
    with _bar(sum(plan.steps for plan, _ in missing), len(missing), progress) as counters:
        jobs = [
            (json.dumps(_seeded(plan.study, seed).dump()), json.dumps(plan.sample), str(plan.place(seed)), counters, i)
            for i, (plan, seed) in enumerate(missing)
        ]
        for job, outcome in results(train_seed, jobs, workers):
            plan, seed = missing[job[-1]]
            if isinstance(outcome, EdnasError):
                failures.append(f"{plan.name}, seed {seed}: {outcome}")
            else:
                finals[plan.folder, seed] = outcome
    if failures:
        raise TrialError("\n".join(failures))
    return {key: final for key, final in finals.items() if final is not None}


def final_of(folder: Path) -> Metrics | None:
    """The result of a training that ended; None where it has not."""
    try:
        content: Metrics = json.loads((folder / FINAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if (folder / WEIGHTS).is_file() else None


def train_seed(study: str, sample: str, folder: str, counters: str, number: int) -> Metrics:
    """One training, in a process of its own: it goes on from its checkpoint, and writes weights and result.

    Where another command is at this training it is waited for, and its result is taken.

    Args:
        study: JSON.
        sample: JSON.
        folder: Of this training.
        counters: File of the steps that all trainings have taken.
        number: Of this one's counter.
    """
    assembled, place = Assembled(parse(json.loads(study))), Path(folder)
    evaluator = evaluator_of(assembled)
    steps = np.load(counters, mmap_mode="r+", allow_pickle=False)

    def on_step(done: int, loss: Tensor) -> None:
        steps[number] = done

    with locked(beside(place, LOCK)), contextlib.redirect_stdout(io.StringIO()):  # scores on the way: the bar is enough
        if (final := final_of(place)) is not None:
            return final
        evaluator.seed_everything()
        network = build(assembled.space, json.loads(sample))
        final = evaluator.evaluate(network, Checkpoints(place / CHECKPOINT, on_step=on_step))
        write_tensors(place / WEIGHTS, network.state_dict())
        write_whole(place / FINAL, json.dumps(final))
        (place / CHECKPOINT).unlink(missing_ok=True)
    return final


@contextlib.contextmanager
def _bar(steps: int, trainings: int, progress: bool) -> Iterator[str]:
    """One bar over the steps of all trainings, wherever they run; given is the file in which each counts its steps."""
    ended = threading.Event()
    title = "training" if trainings == 1 else f"{trainings} trainings"

    def follow(bar: tqdm) -> None:
        last = False
        while not last:
            last = ended.wait(0.5)
            if further := int(np.load(counters.name, allow_pickle=False).sum()) - bar.n:
                bar.update(further)

    pause = 0.2 if sys.stderr.isatty() else 10.0  # in a log file a line now and then is enough
    with (
        tempfile.NamedTemporaryFile(suffix=".npy") as counters,
        tqdm(total=steps, desc=title, unit="step", mininterval=pause, disable=not (progress and steps)) as bar,
    ):
        np.save(counters.name, np.zeros(trainings, np.int64))
        thread = threading.Thread(target=follow, args=(bar,), daemon=True)
        thread.start()
        try:
            yield counters.name
        finally:
            ended.set()
            thread.join()


def _runs(plan: FullTraining, seeds: Sequence[int]) -> Runs:
    """The trained networks of these seeds."""
    from safetensors.torch import load_file

    networks = []
    for seed in seeds:
        network = build(plan.assembled.space, plan.sample)
        network.load_state_dict(load_file(plan.result(seed)))
        networks.append(network.eval())
    return Runs(plan.assembled, evaluator_of(plan.assembled).module.data.by_name, networks)


# ---- what is asked


def evaluator_of(assembled: Assembled) -> JaredEvaluator:
    """The study's evaluator without baselines of searches.

    Raises:
        StudyError: It trains no network by a recipe.
    """
    evaluator = assembled.evaluator_against(None)
    if not isinstance(evaluator, JaredEvaluator):
        name = assembled.study.evaluator.name
        raise StudyError(f"evaluator {name!r} has no recipe that could be trained longer; a study of 'jared' has.")
    return evaluator


def _seeded(study: Study, seed: int) -> Study:
    return study.model_copy(update={"seed": seed})


def _left_by(search: SearchRecord, weights: Path) -> tuple[int, int]:
    """Seed and steps of the training that left a file of weights."""
    record = next((r for r in search.history.finishing if f"{r.key}{SUFFIX}" == weights.name), None)
    if record is not None and record.seed is not None and record.steps is not None:
        return record.seed, record.steps
    evaluator = search.assembled.evaluator_against(None)
    return evaluator.seed, evaluator.recipe.steps if evaluator.recipe is not None else 0


def _note_opening(plan: FullTraining, journal: Path) -> None:
    """Write into the search's journal that `test` is opened, for whom, and how often it was."""
    text = f"split test opened for the final scores of {plan.name}, seeds {', '.join(map(str, plan.seeds))}"
    architecture = plan.assembled.domains.architecture_id(plan.sample)
    with contextlib.closing(Journal(journal)) as writer:
        writer.append(Note(text=text, kind="test_opened", architecture=architecture))
