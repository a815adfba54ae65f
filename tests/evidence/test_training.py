"""What is drawn and trained, in which order, and what a user reads when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ednas_nni.cli import main
from ednas_nni.errors import EdnasError, InfeasibleError, StudyError, TrialError
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import Study, parse
from ednas_nni.training.evaluator import SampleEvaluator
from evidence.trust import training
from evidence.trust.record import INHERITED, SHIPPED, TRUTH, TrustRecord
from scenes.rooms import Rooms

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "separate.yml"


@pytest.fixture(scope="module")
def study() -> Study:
    return parse({"evaluator": {"name": "jared", "steps": 10}, "constraints": ["latency_ms <= 19"]})


@pytest.fixture(scope="module")
def planned(study: Study) -> TrustRecord:
    return training.planned(Assembled(study), 24, 2, 3.0, {"short": {"steps": 4}, "own": {"own_seeds": True}})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Trainings that take no time; tells which were done."""
    done: list[tuple[str, str, int]] = []

    def train(
        assembled: Any, recipes: Any, samples: Any, recipe: str, architecture: str, seed: int
    ) -> dict[str, float]:
        if getattr(train, "fails_after", 10**6) <= len(done):
            raise TrialError("the loss is not finite")
        done.append((recipe, architecture, seed))
        value = (int(architecture, 16) % 1000) / 1000
        return {"quality": value, "train_s": 1.0, "segmentation": value, "depth": value, "normals": value}

    monkeypatch.setattr(training, "_train_named", train)
    monkeypatch.setattr(Rooms, "prepare", lambda *args: None)  # nothing reads it here
    return done


def test_architectures_are_spread_over_cost_and_feasible(planned: TrustRecord) -> None:
    latency = [entry["costs"]["latency_ms"] for entry in planned.architectures.values()]
    assert latency == sorted(latency) and len(set(planned.architectures)) == 24
    assert max(latency) <= 19 and planned.cost == "latency_ms"
    assert set(next(iter(planned.architectures.values()))["costs"]) == {"latency_ms", "macs", "params"}
    assert planned.directions == {"segmentation": "max", "depth": "min", "normals": "min"}


def test_ranges_are_equally_likely(study: Study, planned: TrustRecord) -> None:
    """One from each twenty-fourth of the feasible draws; a plain random draw leaves ranges empty."""
    from ednas_nni.cost.stratified import DRAWS
    from ednas_nni.cost.summary import random_codes
    from ednas_nni.search.assembled import Assembled

    table = Assembled(study).table
    column = table.names.index("latency_ms")
    costs = table.encoded(random_codes(table.domains, DRAWS, np.random.default_rng(9)))[:, column]
    upper = table.encoded(random_codes(table.domains, DRAWS, np.random.default_rng(9)))
    feasible = np.sort(costs[upper[:, table.names.index("latency_ms_upper90")] <= 19])

    def taken(values: Any) -> int:
        return len({int(np.searchsorted(feasible, v) * 24 / len(feasible)) for v in values})

    mine = [entry["costs"]["latency_ms"] for entry in planned.architectures.values()]
    assert taken(mine) >= 20
    assert taken(np.random.default_rng(1).choice(feasible, 24)) < 20


def test_recipes_and_seeds(planned: TrustRecord) -> None:
    assert planned.recipes[TRUTH] == {"steps": 30, "scored_on": "select"} and planned.recipes[SHIPPED] == {}
    assert planned.images == {SHIPPED: 80, "short": 32, "own": 80, TRUTH: 240}, "steps times the evaluator's 8"
    seeds = {r: training._seed(r, planned.recipes[r], 3, 1) for r in planned.recipes}
    assert seeds[SHIPPED] == seeds["short"] == 5001 and seeds[TRUTH] == 6001, "the longer one shares no seed"
    every = [
        training._seed("own", planned.recipes["own"], index, number) for index in range(200) for number in range(2)
    ]
    assert len(set(every)) == len(every) and not {5000, 5001, 6000, 6001} & set(every)


def test_the_images_of_the_longer_training_are_its_own(study: Study) -> None:
    with pytest.raises(StudyError, match=r"recipe 'x': scored_on = 'select': .* would count as agreement"):
        training.planned(Assembled(study), 12, 2, 2.0, {"x": {"scored_on": "select"}})
    evaluator = study.evaluator.model_copy(update={"options": {**study.evaluator.options, "scored_on": "select"}})
    with pytest.raises(StudyError, match="recipe 'study': scored_on"):
        training.planned(Assembled(study.model_copy(update={"evaluator": evaluator})), 12, 2, 2.0, {})


def test_other_data_under_the_same_name_is_no_continuation(study: Study, planned: TrustRecord, tmp_path: Path) -> None:
    assert len(planned.study["fingerprints"]["data"]) > 8
    other = TrustRecord(**{**vars(planned), "study": {**planned.study, "fingerprints": {"data": "0" * 16}}})
    with pytest.raises(EdnasError, match="the study differ"):
        planned.check_continues(other, tmp_path)


def test_what_is_there_is_not_trained_again(
    study: Study, planned: TrustRecord, quick: list[tuple[str, str, int]], tmp_path: Path
) -> None:
    path, told = tmp_path / "trust.json", []
    mine = TrustRecord(**{**vars(planned), "runs": {}})
    training._train_named.fails_after = 60  # type: ignore[attr-defined]
    failed = training.train(Assembled(study), mine, path, 1, lambda done, total: told.append((done, total)))
    assert len(failed) == 24 * 2 * 4 - 60 and failed[0].cause == "the loss is not finite"
    assert len(quick) == 60 and told[0] == (0, 24 * 2 * (10 + 4 + 10 + 30))
    del training._train_named.fails_after  # type: ignore[attr-defined]
    back = TrustRecord.read(path)
    assert not training.train(Assembled(study), back, path, 1, lambda done, total: None)
    assert len(quick) == len(set(quick)) == 24 * 2 * 4
    assert all(back.complete(recipe) for recipe in back.recipes)


class Bare(SampleEvaluator):
    """An evaluator that trains nothing."""

    def __init__(self, tasks: object = (), data: object = None, train_size: object = (), seed: int = 0) -> None:
        self.seed = seed


def test_wrong_recipes_are_named(study: Study) -> None:
    with pytest.raises(StudyError, match=r"recipe 'x': 'averge' is no option.*average"):
        training.planned(Assembled(study), 12, 2, 2.0, {"x": {"averge": 0.9}})
    with pytest.raises(StudyError, match="recipe 'x': 'seed' is no option"):
        training.planned(Assembled(study), 12, 2, 2.0, {"x": {"seed": 1}})
    with pytest.raises(StudyError, match="average"):
        training.planned(Assembled(study), 12, 2, 2.0, {"x": {"average": 7}})
    with pytest.raises(StudyError, match="has no option 'steps'"):
        training.planned(Assembled(parse({"evaluator": f"{__name__}:Bare"})), 12, 2, 2.0, {})


def test_a_space_that_is_too_small_is_named(study: Study) -> None:
    tight = study.model_copy(update={"constraints": ("latency_ms <= 0.001",)})
    with pytest.raises(InfeasibleError, match="0 of 20000 random architectures meet the constraints"):
        training.planned(Assembled(tight), 12, 2, 2.0, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a", "is not a mapping of names to options"),
        ("a: 3", "is not a mapping of names to options"),
        ("a: [", "recipes.yml, line 1, column 5: not YAML"),
        ("study: {steps: 3}", "'study' is the name of a recipe that is always there"),
        (None, "recipes.yml: there is no such file"),
        ("a: {steps: 2024-01-01}", "a.steps: datetime.date(2024, 1, 1) is a date"),
    ],
)
def test_wrong_files_of_recipes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    path = tmp_path / "recipes.yml"
    if content is not None:
        path.write_text(content)
    assert main(["trust", str(EXPERIMENT), "--recipes", str(path), "--out", str(tmp_path / "t.json")]) == 1
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told and not (tmp_path / "t.json").exists()


def test_the_command_from_a_study_to_its_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quick: list[tuple[str, str, int]]
) -> None:
    config = yaml.safe_load(EXPERIMENT.read_text())
    config["tuner"]["classArgs"]["evaluator"] = {"name": "jared", "steps": 10}
    path = tmp_path / "study.yml"
    path.write_text(yaml.safe_dump(config))
    out, picture = tmp_path / "t.json", tmp_path / "t.png"
    arguments = ["trust", str(path), "--architectures", "12", "--out", str(out), "--workers", "1"]
    assert main([*arguments, "--picture", str(picture)]) == 0
    told = capsys.readouterr().out
    assert "Order by quality" in told and "Order by depth" in told and "beyond controls" in told
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(quick) == 12 * 2 * 2
    assert main(arguments) == 0 and len(quick) == 48, "nothing is trained twice"
    assert main([*arguments, "--seeds", "3"]) == 1
    assert "the number of seeds differ" in capsys.readouterr().err
    other = ["--longer", "3", "--out", str(tmp_path / "other.json")]
    assert main([*arguments, *other, "--from", str(out)]) == 0
    assert len(quick) == 48 + 24, "only the longer trainings were missing"
    assert json.loads((tmp_path / "other.json").read_text())["images"] == {"study": 80, "longer": 240}
    assert main([*arguments, *other, "--from", str(tmp_path / "none.json")]) == 1
    assert "none.json: is no record" in capsys.readouterr().err


def test_a_training_that_fails_does_not_cost_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quick: list[tuple[str, str, int]], monkeypatch: Any
) -> None:
    """A recipe that diverges is left out and can be dropped; an architecture that the study fails is left out."""
    succeeds = training._train_named
    broken: set[tuple[str, str]] = set()

    def train(
        assembled: Any, recipes: Any, samples: Any, recipe: str, architecture: str, seed: int
    ) -> dict[str, float]:
        if (recipe, architecture) in broken:
            raise TrialError("the loss is not finite")
        return succeeds(study, recipes, samples, recipe, architecture, seed)

    monkeypatch.setattr(training, "_train_named", train)
    out, recipes = tmp_path / "t.json", tmp_path / "recipes.yml"
    recipes.write_text("hot: {learning_rate: 0.5}")
    arguments = ["trust", str(EXPERIMENT), "--architectures", "13", "--out", str(out), "--workers", "1"]
    planned = training.planned(Assembled(parse({"constraints": ["latency_ms <= 19"]})), 13, 2, 2.0, {})
    first, *_ = planned.architectures
    broken |= {("hot", first)}
    assert main([*arguments, "--recipes", str(recipes)]) == 0
    told = capsys.readouterr()
    assert "2 trainings failed" in told.err and "for want of their trainings the recipes hot" in told.err
    assert "13 architectures spread" in told.out and " hot " not in told.out
    done = len(quick)
    assert main(arguments) == 0 and len(quick) == done, "a recipe that is not named is not tried again"
    assert "trainings failed" not in capsys.readouterr().err
    out.unlink()
    broken |= {(TRUTH, first)}
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "Left out of what follows: 1 architectures" in told.err and "12 architectures spread" in told.out
    out.unlink()
    broken |= {(SHIPPED, key) for key in list(planned.architectures)[:2]}
    assert main(arguments) == 1
    assert "11 architectures are left, fewer than 12" in capsys.readouterr().err


def test_a_study_that_inherits_has_one_more_predictor(quick: list[tuple[str, str, int]]) -> None:
    """One supernet scores all, whatever the number of seeds; `study` is the recipe that it lends."""
    evaluator = {"name": "inherited", "batch_size": 4, "supernet": {"steps": 20, "paths": 3}}
    study = Assembled(parse({"evaluator": evaluator}))
    record = training.planned(study, 12, 2, 2.0, {})
    assert record.images == {SHIPPED: 1600, INHERITED: 240, TRUTH: 3200}
    assert record.recipes[TRUTH] == {"steps": 800, "scored_on": "select"} and record.study["supernet"]
    other = Assembled(parse({"evaluator": {**evaluator, "supernet": {"steps": 21, "paths": 3}}}))
    with pytest.raises(EdnasError, match="the study differ"):
        record.check_continues(training.planned(other, 12, 2, 2.0, {}), Path("trust.json"))
    assert not training.train(study, record, None, 1, lambda done, total: None, (SHIPPED, TRUTH))
    assert not record.inherited
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ednas_nni.training.supernet.made.Supernet.make", lambda self, progress: True)
        assert not training.train(study, record, None, 1, lambda done, total: None)
    assert record.inherited and [recipe for recipe, _, _ in quick].count(INHERITED) == 12


@pytest.mark.parametrize(
    ("most", "steps", "words"),
    [(10_000, 40, "rises no more; 40 are taken"), (60, 40, "still rises"), (30, 20, "still rises")],
)
def test_the_truth_is_trained_until_quality_rises_no_more(
    study: Study, planned: TrustRecord, monkeypatch: pytest.MonkeyPatch, most: int, steps: int, words: str
) -> None:
    rising = {10: 0.30, 20: 0.36, 40: 0.39, 80: 0.392, 160: 0.9}
    trained = []

    def train(assembled: Any, recipes: Any, samples: Any, recipe: str, *where: Any) -> dict[str, float]:
        trained.append((recipe, *where))
        return {"quality": rising[recipes[recipe]["steps"]], "train_s": 1.0}

    monkeypatch.setattr(training, "_train_named", train)
    monkeypatch.setattr(Rooms, "prepare", lambda *args: None)
    mine = TrustRecord(**{**vars(planned), "recipes": {}, "images": {}, "runs": {}})
    for _ in range(2):  # the second time nothing is trained
        said = training.until_flat(Assembled(study), mine, None, 1, lambda done, total: None, most)
        assert mine.recipes[TRUTH]["steps"] == steps and words in said
    rungs = [n for n in rising if n <= min(most, 80)]
    assert len(trained) == len(set(trained)) == 6 * len(rungs) and {seed for _, _, seed in trained} == {6000}
    assert sum(map(len, mine.runs[TRUTH].values())) == 6


def test_a_truth_that_takes_longer_after_all_keeps_every_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a verdict advises (`--until-flat`), and `allow more steps`, go on with the file that is there."""
    trained: list[tuple[int, str, int]] = []

    def train(assembled: Any, recipes: Any, samples: Any, recipe: str, key: str, seed: int) -> dict[str, float]:
        steps = recipes[recipe].get("steps", 500)
        trained.append((steps, key, seed))
        value = int(key, 16) % 1000 / 1000 * min(steps, 4000) / 4000
        return {"quality": value, "train_s": 1.0, "segmentation": value, "depth": value, "normals": value}

    monkeypatch.setattr(training, "_train_named", train)
    monkeypatch.setattr(Rooms, "prepare", lambda *args: None)
    out = tmp_path / "trust.json"
    words = ["trust", str(EXPERIMENT), "--architectures", "12", "--workers", "1", "--out", str(out)]
    for more, steps in ([], 1000), (["--until-flat", "1000"], 1000), (["--until-flat", "8000"], 4000):
        assert main([*words, *more]) == 0, capsys.readouterr().err
        record = TrustRecord.read(out)
        assert record.recipes[TRUTH]["steps"] == steps and record.complete(TRUTH)
        for key, runs in record.runs[TRUTH].items():
            value = int(key, 16) % 1000 / 1000 * steps / 4000
            assert [run["quality"] for run in runs.values()] == [pytest.approx(value, rel=1e-4)] * 2
        assert len(trained) == len(set(trained))
    assert "'longer, 1000 steps'" not in capsys.readouterr().out  # scored on the images of the truth: no recipe
    before = out.read_text()
    assert main(words) == 1 and "recipe 'longer' differ" in capsys.readouterr().err and out.read_text() == before
