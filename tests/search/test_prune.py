"""Prune: who is ended, how sure that is, and how it is booked: never as failed, never as a number, once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.compat.nas import FinalMetricEvent, IntermediateMetricEvent, ModelStatus, TrainingEndEvent
from ednas_nni.errors import StudyError
from ednas_nni.record.journal import History, Journal, TrialRecord
from ednas_nni.search import mount
from ednas_nni.search.middleware import prune
from ednas_nni.search.middleware.prune import chance_dominated, predicted
from ednas_nni.search.problem import Problem
from ednas_nni.study import PruneOptions, parse
from ednas_nni.study.objectives import parse_objective
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from tests.search.scripted import OPEN, WORLD, Script, ident, samples

OPTIONS = PruneOptions()
TWO = Problem(WORLD.domains, WORLD.cost_names, WORLD.costs, OPEN.objectives)
THREE = Problem(
    WORLD.domains, WORLD.cost_names, WORLD.costs,
    tuple(map(parse_objective, ("max:a", "min:b", "latency_ms"))),
)  # fmt: skip


def record(number: int, ms: float, curve: list[float], final: float | None = None) -> TrialRecord:
    made = TrialRecord(number, str(number), {}, {"latency_ms": ms, "macs": 1.0})
    made.intermediates = [(float(i), {"default": v, "a": v, "b": -v}) for i, v in enumerate(curve)]
    if final is not None:
        made.metrics, made.status = {"default": final, "a": final, "b": -final}, "trained"
    return made


def drawn(rng: np.random.Generator, n: int, noise: float = 0.02) -> list[TrialRecord]:
    """Trainings of networks whose quality grows with their cost; every report has noise of its own."""
    made = []
    for number in range(n):
        ms = float(rng.uniform(1, 9))
        end = 0.1 + 0.04 * ms + float(rng.normal(0, 0.05))
        curve = [end * share + float(rng.normal(0, noise)) for share in (0.3, 0.6, 0.8)]
        made.append(record(number, ms, [*curve, end], end))
    return made


def dominated(one: TrialRecord, others: list[TrialRecord]) -> bool:
    return any(
        o.costs["latency_ms"] <= one.costs["latency_ms"] and (o.quality or 0) > (one.quality or 0) for o in others
    )


def wrongly_ended(seeds: int = 60) -> tuple[float, float]:
    """Share of trials that are ended at their second report, and share of these that would not have been dominated."""
    ended, wrong, total = 0, 0, 0
    for seed in range(seeds):
        finished = drawn(np.random.default_rng(seed), 20)
        for one in drawn(np.random.default_rng(1000 + seed), 20):
            total += 1
            running = record(99, one.costs["latency_ms"], [m["default"] for _, m in one.intermediates[:2]])
            if chance_dominated(running, finished, TWO, OPTIONS) > OPTIONS.probability:
                ended += 1
                wrong += not dominated(one, finished)
    return ended / total, wrong / max(1, ended)


def test_it_is_as_sure_as_it_says() -> None:
    share, wrong = wrongly_ended()
    assert share > 0.25, "it ends nothing"
    assert wrong < 1 - OPTIONS.probability


def test_that_check_rejects_certainty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "predicted", lambda *a: (*predicted(*a)[:1], 1e-6, predicted(*a)[2]))
    assert wrongly_ended(20)[1] > 1 - OPTIONS.probability


def test_the_cheapest_is_never_ended_and_what_is_not_known_is_not_claimed() -> None:
    finished = drawn(np.random.default_rng(1), 20)
    assert chance_dominated(record(99, 0.5, [-1.0, -1.0]), finished, TWO, OPTIONS) == 0.0, "nothing is as cheap"
    assert chance_dominated(record(99, 9.5, [-1.0, -1.0]), finished, TWO, OPTIONS) > 0.99
    assert chance_dominated(record(99, 9.5, [-1.0, -1.0]), finished[:7], TWO, OPTIONS) == 0.0, "too few have ended"
    assert chance_dominated(record(99, 9.5, [-1.0] * 4), finished, TWO, OPTIONS) == 0.0, "it is at its end anyway"
    assert chance_dominated(record(99, 9.5, []), finished, TWO, OPTIONS) == 0.0
    quality_of_a_task = Problem(WORLD.domains, WORLD.cost_names, WORLD.costs, (parse_objective("max:other"),))
    assert chance_dominated(record(99, 9.5, [-1.0, -1.0]), finished, quality_of_a_task, OPTIONS) == 0.0


def test_several_objectives_must_all_be_lost() -> None:
    finished = drawn(np.random.default_rng(1), 20)
    bad = record(99, 9.5, [0.0, 0.0])
    assert chance_dominated(bad, finished, THREE, OPTIONS) > 0.99
    bad.intermediates[1][1]["b"] = -5.0  # better there than anything
    assert chance_dominated(bad, finished, THREE, OPTIONS) == 0.0


class Curves(FakeEngine):
    """Trials report at a third, two thirds and the whole of their score; one that is ended early goes no further."""

    late = False  # the final result is already on its way

    def finish_one(self, index: int = 0) -> None:
        job, model, sample = self.running.pop(index)
        self.asked: Any = None
        score = self.trial(sample)["default"]
        for share in (1 / 3, 2 / 3, 1.0):
            self._send(IntermediateMetricEvent(model, {"default": share * score}), job)
            if self.asked is model and not self.late:
                self._send(TrainingEndEvent(model, ModelStatus.Interrupted), job, "cancelled by the user")
                return
        self._send(FinalMetricEvent(model, {"default": score}), job)
        self._send(TrainingEndEvent(model, ModelStatus.Trained), job)

    def end_early(self, model: Any) -> None:
        self.asked = model


SAMPLES = samples(40, TWO)
COSTS = {ident(s): TWO.cost_dict(s)["latency_ms"] for s in SAMPLES}
DEAR = sorted(SAMPLES, key=lambda s: COSTS[ident(s)])[20:]
CHEAP = sorted(SAMPLES, key=lambda s: COSTS[ident(s)])[:20]


def world(sample: dict[str, Any]) -> dict[str, float]:
    """What is dear is bad here, but for one."""
    return {"default": 0.9 if sample == DEAR[-1] else 0.1 if sample in DEAR else 0.5 + 0.01 * COSTS[ident(sample)]}


def search(folder: Path, script: list[Any], kind: type[FakeEngine] = Curves) -> tuple[Script, FakeEngine, History]:
    strategy = Script(script)
    with closing(Journal(folder / "journal.jsonl")) as journal:
        engine = kind(world, len(script))
        mount(strategy, TWO, journal, prune=OPTIONS, stop_after_failures=2)(PlainSpace(WORLD.domains), engine)
        return strategy, engine, journal.history()


def check(folder: Path) -> None:
    """Nine cheap ones, two bad dear ones, one of these again, the good dear one; then all of it once more."""
    script = [*CHEAP[:9], DEAR[0], DEAR[1], DEAR[0], DEAR[-1]]
    strategy, engine, history = search(folder, script)
    assert [t.status for t in history.trials] == ["trained"] * 9 + ["pruned"] * 2 + ["trained"]
    assert len(engine.submitted) == 12 and len(history.reused) == 1
    for trial in history.trials[9:11]:
        assert trial.quality is None and len(trial.intermediates) == 1
        assert (
            trial.cause.startswith("after report 1 it was dominated at its cost with probability 0.9")
            or "1.000" in trial.cause
        )
    assert [status for _, status, _ in strategy.ends].count(ModelStatus.Interrupted) == 3
    assert len(strategy.finals) == 10 and all(metric["default"] > 0.4 for _, metric in strategy.finals)
    assert not any(t.architecture in history.results for t in history.trials[9:11])
    _, engine, again = search(folder, script)
    assert engine.submitted == [] and len(again.trials) == 12


def test_it_is_booked_as_pruned_and_never_repeated(tmp_path: Path) -> None:
    check(tmp_path)


def test_that_check_rejects_a_record_that_calls_it_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ednas_nni.search.middleware.record.Booking.pruning", "", raising=False)
    monkeypatch.setattr("ednas_nni.search.middleware.record.Record.prune", lambda *a: None)
    with pytest.raises(AssertionError):
        check(tmp_path)


def test_a_result_that_was_on_its_way_counts(tmp_path: Path) -> None:
    class Late(Curves):
        late = True

    _, _, history = search(tmp_path, [*CHEAP[:9], DEAR[0]], Late)
    assert history.trials[-1].status == "trained" and history.trials[-1].quality == 0.1 and history.trials[-1].pruning


def test_an_engine_that_cannot_end_trials_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="prune: FakeEngine cannot end a trial early"):
        search(tmp_path, CHEAP[:1], FakeEngine)


@pytest.mark.parametrize(("given", "made"), [(True, PruneOptions()), (False, None), ({"probability": 0.9}, ...)])
def test_one_line_of_yaml(given: Any, made: Any) -> None:
    study = parse({"prune": given})
    assert study.prune == (PruneOptions(probability=0.9) if made is ... else made)
    assert study.digest == parse({}).digest and parse(study.dump()) == study
