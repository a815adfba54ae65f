"""delta_t by name: what a study may ask, and what its trials then report and are ranked by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.baselines.comparison import Comparison, score
from ednas_nni.cost.device import CostColumn
from ednas_nni.errors import BaselineError, StudyError
from ednas_nni.record.head import JournalHead
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import Study
from ednas_nni.study.objectives import parse_objective, score_of, value_of
from ednas_nni.study.reward import hardware_reward

Build = Callable[..., Study]


class Table:
    """A cost table of one column."""

    names = ("latency_ms",)
    columns = (CostColumn("latency_ms", "ms", "edge_tpu", "modelled", ""),)

    def __init__(self) -> None:
        from ednas_nni.testing.synthetic import nano_like

        self.domains = nano_like()

    def __call__(self, samples: Any) -> np.ndarray:
        return np.ones((len(samples), 1))


def priced(study: Study) -> Assembled:
    assembled = Assembled(study)
    assembled.table = Table()
    return assembled


def test_what_trials_are_ranked_by(make_study: Build) -> None:
    assert score(make_study()) == "quality"
    assert score(make_study(objectives=["delta_t", "latency_ms"])) == "delta_t"
    assert score(make_study(objectives=["max:delta_t"])) == "delta_t"
    assert score(make_study(objectives=["quality", "delta_t"])) == "quality"
    objective = parse_objective("delta_t")
    assert objective.maximise and score_of([objective]) == "delta_t"
    assert value_of(objective, {"default": 0.4, "delta_t": -3.0}, {}) == -3.0


def test_delta_t_is_an_objective_where_the_study_names_a_reference(make_study: Build) -> None:
    problem = priced(make_study(objectives=["delta_t", "latency_ms"])).problem
    assert [str(o) for o in problem.objectives] == ["max:delta_t", "min:latency_ms"]
    with pytest.raises(StudyError, match=r"constraints: 'delta_t' is not a quantity.*known only after the training"):
        _ = priced(make_study(constraints=["delta_t >= -2"])).problem
    with pytest.raises(StudyError, match="objectives: 'delta_t' is not a quantity"):
        _ = priced(make_study(reference=None, objectives=["delta_t"])).problem


def test_delta_t_in_vain(make_study: Build, cache: Path) -> None:
    """As an objective it cannot be done without; beside quality it can."""
    objectives = ["delta_t", "latency_ms"]
    with pytest.raises(StudyError, match=r"objectives: delta_t compares.*`reference: mobilenet_v2_small`"):
        _ = Assembled(make_study(reference=None, objectives=objectives)).evaluator
    with pytest.raises(StudyError, match="evaluator 'stub' does not measure delta_t"):
        _ = Assembled(make_study(objectives=objectives).model_copy(update={"evaluator": _stub()})).baselines
    with pytest.raises(BaselineError, match=r"objectives: there is no single-task.*Make it: ednas reference"):
        _ = Assembled(make_study(objectives=objectives)).evaluator
    assert Assembled(make_study()).evaluator.recipe.references is None
    assert Assembled(make_study().model_copy(update={"evaluator": _stub()})).baselines == (None, "")


def _stub() -> Any:
    from ednas_nni.study import PluginChoice

    return PluginChoice(name="stub")


def test_the_evaluator_gets_the_means(make_study: Build, make_record: Callable[..., Any]) -> None:
    against = Comparison({task: make_record(task) for task in ("segmentation", "depth")})
    recipe = Assembled(make_study(objectives=["delta_t"])).evaluator_against(against).recipe
    assert (recipe.score, recipe.references) == ("delta_t", against.means())
    assert Assembled(make_study()).evaluator_against(against).recipe.score == "quality"
    with pytest.raises(StudyError, match=r"evaluator\.score: is set by the study itself"):
        _ = Assembled(make_study(evaluator={"score": "delta_t"})).evaluator


def test_strategies_meet_percent(make_study: Build) -> None:
    """Tolerances and reward weights are meant for quality, of which 0.01 is one point."""
    percent = make_study(objectives=["delta_t", "latency_ms"], constraints=["latency_ms <= 8"])
    plain = make_study(objectives=["quality", "latency_ms"], constraints=["latency_ms <= 8"])
    assert hardware_reward(percent, True)["weight"] == 100 * hardware_reward(plain, True)["weight"]
    assert hardware_reward(percent, True)["cost"] == "latency_ms"
    product = make_study(objectives=["delta_t", "latency_ms"], hardware_aware={"reward": "mnas_soft", "target": 5})
    with pytest.raises(StudyError, match="'mnas_soft' is a product and means nothing for delta_t"):
        hardware_reward(product, True)
    both = make_study(objectives=["quality", "delta_t", "latency_ms"], constraints=["latency_ms <= 8"])
    assert hardware_reward(both, True)["weight"] == hardware_reward(plain, True)["weight"]


def test_a_trial_compares_with_what_its_search_began_with(
    make_study: Build, make_record: Callable[..., Any], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal's head goes before anything recorded since; where it holds nothing, the log says how to make it."""
    from ednas_nni.bridge.trial import run as trial

    against = Comparison({task: make_record(task) for task in ("segmentation", "depth")})
    begun = trial.TrialRun(Assembled(make_study()), None, JournalHead(references=against.dump()))
    assert begun.baselines().means() == against.means()
    assert capsys.readouterr().out == ""
    assert trial.TrialRun(Assembled(make_study()), None).baselines() is None
    assert (
        "no delta_t (gain over one network per task): " in (told := capsys.readouterr().out)
        and "ednas reference FILE.yml" in told
    )
