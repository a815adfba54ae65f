"""Results of earlier searches that a new one begins with (`start_from:` in the study).

**The idea.** What a training reaches depends on data, recipe and network, not on a device, a limit or a strategy. So
results of a search of the same data and recipe are results of this one too; only their costs are computed anew,
exactly, and what lies outside of the constraints is left out. Of another space a sample is carried over by the labels
that both spaces have; what one of them does not say is proved, not guessed: of the samples that it may be, exactly one
must have the parameters and MACs that the journal holds.

**A tiny example**: the earlier space has `width` 8, 16, 24 and kernels of 3; this one has `width` 8, 16 and `kernel` 3,
5. `{width: 24}` is left out. `{width: 16}` may be `{16, 3}` or `{16, 5}`: only the first has the same parameters.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from ednas_nni.errors import EdnasError, SampleError, StudyError
from ednas_nni.record import events
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import History, Journal, TrialRecord, load
from ednas_nni.record.locate import journal_of
from ednas_nni.space.dimensions import Sample
from ednas_nni.study import parse
from ednas_nni.study.objectives import DELTA_T, score_of

if TYPE_CHECKING:
    from ednas_nni.compat.nas import ModelSpace
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.space.domains import Domains

CHANCE = ("seed", "threads", "reports", "examples", "references", "score")
"""Fields of a recipe that do not change what a training reaches, but by chance."""
MOST = 64  # samples that one of another space is tried as


def take_over(journal: Journal, assembled: Assembled) -> None:
    """Book the results of the study's `start_from`, each as a trial with its source; raises as `sources`."""
    problem, score = assembled.problem, score_of(assembled.objectives)
    for name, history in sources(assembled):
        booked, left = set(journal.history().results), Counter[str]()
        for record, sample in carried_over(assembled, history):
            key, why = "", "of networks that this space does not have"
            if sample is not None:
                key, costs = problem.domains.architecture_id(sample), problem.cost_dict(sample)
                lacks = problem.values(record.metrics, costs)[0] is None
                outside = "outside of the constraints" if problem.violations(sample) else ""
                why = "known already" if key in booked else "without an objective" if lacks else outside
            if sample is None or why:
                left[why] += 1
                continue
            booked.add(key)
            trial = journal.history().next_trial
            journal.append(events.Submitted(trial=trial, architecture=key, sample=sample, costs=costs, source=name))
            ranked = {"default": record.metrics.get(score, record.metrics["default"])}  # it may have had another score
            journal.append(events.Final(trial=trial, metrics={**record.metrics, **ranked}, ran=record.ran))
            journal.append(events.Ended(trial=trial, status="trained"))
        every = len(history.results)
        rest = "".join(f", {n} {why} left out" for why, n in left.items())
        text = f"start_from: of {every} results of {name}, {every - left.total()} are taken over{rest}."
        journal.append(events.Note(kind="start_from", text=text))


def sources(assembled: Assembled) -> Iterator[tuple[str, History]]:
    """Name and journal of each search to start from.

    Raises:
        StudyError: A journal cannot be read, or its data or recipe differ; the first field that does is named.
    """
    for text in assembled.study.start_from:
        try:
            history = load(journal_of(text))
        except EdnasError as error:
            raise StudyError(f"start_from: {error}") from None
        name = history.head.experiment if history.head else text
        if differs := difference(assembled, history.head) if history.head else "its head: it has not begun":
            raise StudyError(
                f"start_from: {name} differs in {differs}, so its results say nothing here. Remove it from "
                "`start_from`, or train as it did."
            )
        yield name, history


def difference(assembled: Assembled, head: JournalHead) -> str:
    """The first field of data or recipe in which an earlier search differs, with both values; "" where none does."""
    own, theirs, info = assembled.study, parse(head.study, "the earlier study"), assembled.source.info
    pairs: dict[str, tuple[object, object]] = {
        "data": (head.data, info.identity if assembled.needs_network else info.fingerprint),
        "init_from": (head.weights or {}, assembled.weights),
    }
    # A supernet is one of a space.
    names = ["tasks", "train_size", *(["space"] if assembled.evaluator.inherits else [])]
    pairs |= {name: (getattr(theirs, name), getattr(own, name)) for name in names}
    pairs["evaluator"] = theirs.evaluator.name, own.evaluator.name
    if own.reference and DELTA_T in [objective.name for objective in assembled.objectives]:
        comparison = assembled.baselines[0]
        pairs["reference"] = head.references, comparison.dump() if comparison else None
    if wrong := _first(pairs):
        return wrong
    plain = {**theirs.dump(), "reference": None, "objectives": ["quality"], "start_from": []}
    there, here = (one.evaluator_against(None).recipe for one in (assembled.of(parse(plain)), assembled))
    if there is None or here is None:
        return _first({"evaluator": (theirs.evaluator.options, own.evaluator.options)})
    names = [field.name for field in fields(here) if field.name not in (*CHANCE, "data")]
    return _first({f"evaluator.{name}": (getattr(there, name), getattr(here, name)) for name in names})


def _first(pairs: Mapping[str, tuple[object, object]]) -> str:
    differing = (f"`{name}` ({there} there, {here} here)" for name, (there, here) in pairs.items() if there != here)
    return next(differing, "")


def carried_over(assembled: Assembled, history: History) -> Iterator[tuple[TrialRecord, Sample | None]]:
    """Each result of an earlier search with its sample in this space; None where that has not exactly one for it."""
    assert history.head is not None, "looked at by `sources`"
    domains, theirs, at = assembled.problem.domains, history.head.search_space(), assembled
    study = parse(history.head.study)
    if study.deploy_size != at.study.deploy_size:  # MACs are those of a size
        at = assembled.of(at.study.model_copy(update={"deploy_size": study.deploy_size}))
    alike = None  # in what has no parameters and no MACs, such as activations: of a space, so one network tells
    for record in history.results.values():
        if study.space == at.study.space and theirs == domains:
            yield record, domains.complete(record.sample)
            continue
        every = candidates(record.sample, theirs, domains)
        proved = [sample for sample in every if _proved(record.costs, at.problem.cost_dict(sample))]
        if len(proved) == 1 and alike is None:
            alike = _layers(assembled.of(study).space, record.sample) == _layers(at.space, proved[0])
        yield record, proved[0] if len(proved) == 1 and alike else None


def _layers(space: ModelSpace, sample: Sample) -> list[str]:
    """What a network computes with, but for its entry and enlargements: these are of the resolution."""
    from ednas_nni.nn.elementwise import Activation  # torch
    from ednas_nni.nn.tree import build

    leaves = (module for module in build(space, sample).modules() if not any(module.children()))
    return [repr(m) for m in leaves if isinstance(m, Activation) or type(m).__module__.startswith("torch.")]


def candidates(sample: Sample, theirs: Domains, ours: Domains) -> list[Sample]:
    """Samples of a space that one of another may be: those with its choices of all active labels that both have."""
    shared = {label: value for label, value in theirs.active(sample).items() if label in ours.labels}
    new = [d for d in ours.dimensions if d.label not in theirs.labels]
    if math.prod(len(d.values) for d in new) > MOST:
        return []
    whole, labels = {d.label: d.values[0] for d in ours.dimensions} | shared, [d.label for d in new]
    every = (whole | dict(zip(labels, values, strict=True)) for values in itertools.product(*(d.values for d in new)))
    try:
        return list({ours.architecture_id(one): ours.canonical(one) for one in every}.values())
    except SampleError:  # one of its choices is none of this space
        return []


def _proved(journalled: Mapping[str, float], costs: Mapping[str, float]) -> bool:
    return all(math.isclose(journalled.get(name, math.nan), costs[name], rel_tol=1e-9) for name in ("params", "macs"))
