"""Arms, their figures in a shared box, and pairs of equal seeds."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ednas_nni.cli import main
from ednas_nni.errors import EdnasError
from ednas_nni.handover.search import SearchRecord
from ednas_nni.record.head import CostRecord, TaskRecord
from evidence.searches.comparing import ArmComparison, compared, csv_of_searches, measures
from tests.handover.conftest import POINTS, confirmed

Make = Callable[..., SearchRecord]
# Three networks each; `b` scores 0.1 more than `a` at 4 ms, and its second search has nothing within 2 ms.
A0 = {0: (0.1, 2.0), 2: (0.4, 4.0), 4: (0.5, 10.0)}
A1 = {0: (0.2, 2.0), 2: (0.3, 4.0), 4: (0.4, 10.0)}
B0 = {0: (0.1, 2.0), 2: (0.5, 4.0), 4: (0.4, 10.0)}
B1 = {2: (0.4, 4.0)}


@pytest.fixture
def searches(made: Make) -> list[SearchRecord]:
    return [
        made(points, name=f"{name}{seed}", seed=seed, strategy=strategy, evaluator={"name": "jared", "steps": 5})
        for name, seed, strategy, points in (
            ("a", 0, "ednas", A0), ("a", 1, {"name": "ednas", "seed": 9}, A1), ("b", 0, "random", B0),
            ("b", 1, {"name": "random", "seed": 9}, B1),
        )
    ]  # fmt: skip


def texts(comparison: ArmComparison) -> list[list[tuple[str, str]]]:
    return [[column.texts(i) for column in comparison.columns] for i in range(len(comparison.arms))]


def test_arms_are_named_by_what_differs_but_seeds(searches: list[SearchRecord]) -> None:
    comparison = compared(searches)
    assert [(arm.name, [s.experiment for s in arm.searches]) for arm in comparison.arms] == [
        ("strategy ednas", ["a0", "a1"]),
        ("strategy random", ["b0", "b1"]),
    ]
    assert compared(searches[:2]).arms[0].name == "all"
    searches[0].head.study["prune"] = None  # a field that is younger than the other journal
    assert len(compared(searches[:2]).arms) == 1


def test_figures_by_hand(searches: list[SearchRecord]) -> None:
    (cheap, middle, any_), volume = (columns := compared(searches, at=(2.0, 4.0, 10.0)).columns)[:3], columns[3]
    assert [column.heading for column in (cheap, middle)] == ["quality at 2.00 ms", "quality at 4.00 ms"]
    assert [f.spread.mean for f in middle.figures if f.spread] == pytest.approx([0.35, 0.45])
    assert middle.figures[1].ahead is not None and middle.figures[1].ahead.mean == pytest.approx(0.1)
    assert middle.figures[1].ahead.half == pytest.approx(0.0), "0.1 in both pairs: its spread is none"
    assert cheap.figures[1].lacking == 1 and cheap.texts(1) == ("0.100 (1 of 2)", "+0.000")
    assert [f.spread.mean for f in any_.figures if f.spread] == pytest.approx([0.45, 0.45])
    # The box is 0.1 .. 0.5 by 2 .. 10 ms. a0 has 0.3/0.4 of the height over 6/8, nothing at 10 ms counts: 0.5625.
    # a1: 0.1/0.4 over 8/8, and 0.1/0.4 more over 6/8: 0.4375. b0: all of the height over 6/8. b1: as a0.
    comparison = compared(searches)
    ends = [comparison.hypervolume(search) for search in searches]
    assert [end[-1] for end in ends] == pytest.approx([0.5625, 0.4375, 0.75, 0.5625])
    assert all(one <= other for end in ends for one, other in itertools.pairwise(end))
    assert volume.figures[0].spread is not None and volume.figures[0].spread.mean == pytest.approx(0.5)


def test_of_an_error_the_least_is_the_best(made: Make) -> None:
    objectives = ["min:depth_abs_error_m", "latency_ms"]
    one, other = (
        made(points, name=name, objectives=objectives, strategy=name) for name, points in (("a", A0), ("b", B0))
    )
    for record in (*one.history.results.values(), *other.history.results.values()):
        record.metrics = {**record.metrics, "depth_abs_error_m": record.metrics["default"]}
    column = compared([one, other], at=(10.0,)).columns[0]
    assert column.heading == "depth abs error at 10.00 ms"
    assert [figure.spread.mean for figure in column.figures if figure.spread] == pytest.approx([0.1, 0.1])
    worse = made({2: (0.3, 4.0)}, name="c", objectives=objectives, strategy="c")
    for record in worse.history.results.values():
        record.metrics = {**record.metrics, "depth_abs_error_m": record.metrics["default"]}
    assert compared([one, worse], at=(10.0,)).columns[0].texts(1)[1] == "-0.200"


def test_like_is_compared_with_like(made: Make) -> None:
    """Confirmed values are taken where every search has some, and else of none."""
    both = [made(POINTS, [*confirmed(2, 0.2, 0.3)], name=name, seed=i) for i, name in enumerate("ab")]
    assert compared(both).within(both[0], 10.0) == pytest.approx(0.25)
    mixed = [both[0], made(POINTS, name="c", seed=2)]
    assert compared(mixed).within(mixed[0], 10.0) == 0.45


@pytest.mark.parametrize(
    ("study", "points", "words"),
    [
        ({"objectives": ["quality", "params"]}, POINTS, "other objectives"),
        ({"inherits": True}, POINTS, "other searched values .*one training each.*ednas confirm ID"),
        ({}, {}, "b: has no result with max:quality, min:latency_ms yet"),
    ],
)
def test_what_cannot_be_compared(made: Make, study: dict[str, object], points: dict[int, object], words: str) -> None:
    with pytest.raises(EdnasError, match=words):
        compared([made(name="a"), made(points, name="b", **study)])


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("tasks", (TaskRecord(name="depth", primary="adashare_abs_error_m"),), "tasks"),
        ("columns", (CostRecord(name="latency_ms", device="ethos_u"),), "devices"),
    ],
)
def test_equal_names_of_other_things_are_not_compared(made: Make, field: str, value: object, what: str) -> None:
    """Quality of other tasks or by another protocol, and latency on another device, have the same names."""
    one, other = made(name="a"), made(name="b")
    changed = SearchRecord(other.history, other.head.model_copy(update={field: value}))
    with pytest.raises(EdnasError, match=f"a and b have other {what}"):
        compared([one, changed])


def test_an_objective_that_no_trial_has_is_named(made: Make) -> None:
    searches = [made(name=name, seed=i, objectives=["quality", "min:nobody"]) for i, name in enumerate("ab")]
    with pytest.raises(EdnasError, match="a: has no result with max:quality, min:nobody yet"):
        compared(searches)


def test_metrics_of_a_task_are_compared_whatever_the_others_are(made: Make) -> None:
    objectives = ["max:depth_delta1", "latency_ms"]
    one, other = (made(name=name, objectives=objectives) for name in "ab")
    tasks = (TaskRecord(name="depth", primary="abs_error_m"), TaskRecord(name="edges", primary="f1"))
    heads = [s.head.model_copy(update={"tasks": tasks[:n]}) for n, s in enumerate((one, other), 1)]
    assert measures(heads[0], False) == measures(heads[1], False)


def test_confirmations_of_other_recipes_are_other_arms(made: Make) -> None:
    searches = [
        made(POINTS, confirmed(2, quality, options=options), name=name, seed=seed)
        for seed, (name, quality, options) in enumerate((("a", 0.2, {}), ("b", 0.6, {"steps": 900})))
    ]
    assert [arm.name for arm in compared(searches).arms] == ["confirmed.steps default", "confirmed.steps 900"]


def test_the_number_of_networks_stands_beside_each_arm(made: Make) -> None:
    few = {width: POINTS[width] for width in (0, 1)}
    arms = compared([made(name="a"), made(few, name="b", seed=1), made(few, name="c", strategy="random")]).arms
    assert [arm.size for arm in arms] == ["2 searches of 2 to 5 networks", "1 search of 2 networks"]


def test_command(searches: list[SearchRecord], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is cut at any width; the files hold the same figures; a name from a journal is text on the page."""
    paths = [str(search.history.path) for search in searches]
    hostile = json.loads(Path(paths[2]).read_text().splitlines()[0])
    hostile["study"]["strategy"] = "<script>alert(1)</script>"
    Path(paths[2]).write_text("\n".join([json.dumps(hostile), *Path(paths[2]).read_text().splitlines()[1:]]) + "\n")
    assert main(["compare", *paths[:3], "--limit", "4", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "quality at 4.00 ms                 0.350 ± 0.635" in said and "lead +0.100" in said
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").open()))
    assert [(r["experiment"], r["quality_at_4"]) for r in rows] == [("a0", "0.4"), ("a1", "0.3"), ("b0", "0.5")]
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "0.350 ± 0.635" in page and "<script>" not in page
    assert r"0.350 $\pm$ 0.635" in (tmp_path / "out" / "comparison.tex").read_text()


def test_report_of_several_is_their_comparison(searches: list[SearchRecord], tmp_path: Path) -> None:
    paths = [str(search.history.path) for search in searches]
    assert main(["report", *paths[:2], "--out", str(tmp_path)]) == 0
    assert (tmp_path / "comparison.html").is_file()


def test_a_row_a_search(searches: list[SearchRecord]) -> None:
    assert len(csv_of_searches(compared(searches)).splitlines()) == 5
