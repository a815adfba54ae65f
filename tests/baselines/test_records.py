"""Records: what is kept, what fits, and what is said where nothing does."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from ednas_nni.baselines import files
from ednas_nni.baselines.comparison import Comparison, find
from ednas_nni.baselines.record import BaselineRecord, differences, digest, plain, same
from ednas_nni.errors import BaselineError
from ednas_nni.training.supernet.module import SupernetOptions

Make = Callable[..., BaselineRecord]


def test_a_record_survives_its_file(make_record: Make, tmp_path: Path) -> None:
    records = [make_record("depth"), make_record("segmentation", seeds=1)]
    files.write(tmp_path / "a.json", records)
    assert files.read(tmp_path / "a.json") == records
    depth, segmentation = files.read(tmp_path / "a.json")
    values = [run["delta1"] for run in depth.runs]
    assert depth.mean["delta1"] == pytest.approx(statistics.mean(values))
    assert depth.deviation["delta1"] == pytest.approx(statistics.stdev(values))
    assert segmentation.deviation == {"miou": None, "pixel_accuracy": None}
    assert depth.directions == {"abs_error_m": "min", "delta1": "max"}, "RMSE stays outside of delta_t"


def test_a_file_tells_mean_and_deviation_to_people(make_record: Make, tmp_path: Path) -> None:
    files.write(tmp_path / "a.json", [make_record()])
    entry = json.loads((tmp_path / "a.json").read_text())["records"][0]
    assert set(entry) == {"identity", "metrics", "seeds", "runs", "made", "mean", "standard_deviation"}


def test_one_more_training(make_record: Make) -> None:
    record = make_record(seeds=2)
    grown = record.with_run(7, {"abs_error_m": 1.0, "rmse_m": 2.0, "delta1": 0.5, "train_loss": 9.0}, {"date": "now"})
    assert (grown.seeds, len(grown.runs), grown.made["date"]) == ((7, 1000, 1001), 3, "now")
    assert grown.runs[0] == {"abs_error_m": 1.0, "rmse_m": 2.0, "delta1": 0.5}
    assert record.seeds == (1000, 1001), "records are values"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 9, "records": []}', '{"format": 1, "records": [{}]}', '{"format": 1}']
)
def test_a_damaged_file_is_named_with_the_way_out(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(BaselineError, match=r"bad\.json: cannot be read.*Delete it.*ednas reference"):
        files.read(path)


def test_a_record_of_nothing_is_refused(make_record: Make) -> None:
    data = make_record().dump()
    for change in ({"seeds": [1, 1, 2]}, {"seeds": [1]}, {"runs": [{}, {}, {}]}, {"metrics": None}):
        with pytest.raises(BaselineError):
            BaselineRecord.parse({**data, **change})
    poisoned = {**data, "runs": [{**data["runs"][0], "delta1": float("nan")}, *data["runs"][1:]]}
    with pytest.raises(BaselineError, match="seed 1000: delta1 is not a finite number"):
        BaselineRecord.parse(poisoned)


def test_differences_are_said_in_words(make_record: Make) -> None:
    here, there = make_record(steps=500), make_record(steps=240, fingerprint="beef", images={"train": 100})
    told = differences(here.identity, there.identity)
    assert told == [
        "content of the data f00d here, beef in the baseline",
        "steps 500 here, 240 in the baseline",
        "data.images.train nothing here, 100 in the baseline",
    ]
    assert differences(here.identity, here.identity) == []
    assert same(here.identity, json.loads(json.dumps(here.identity)))
    assert digest(here.identity) != digest(there.identity)


def test_lookup_prefers_more_trainings_then_the_users_own(make_record: Make, tmp_path: Path) -> None:
    cache, shipped = tmp_path / "cache", tmp_path / "shipped"
    files.write(files.folder(cache) / "mine.json", [make_record(seeds=2)])
    files.write(shipped / "rooms.json", [make_record(seeds=3)])
    records, faults = files.all_records(cache, shipped)
    assert (len(records), faults) == (2, [])
    assert len(files.matching(make_record().identity, records).runs) == 3
    files.write(shipped / "rooms.json", [make_record(seeds=2).with_run(5, make_record().runs[0], {})])
    (shipped / "broken.json").write_text("?")
    files.write(files.folder(cache) / "more.json", [make_record(seeds=3)])
    records, faults = files.all_records(cache, shipped)
    assert files.matching(make_record().identity, records).seeds == (1000, 1001, 1002)
    assert len(faults) == 1 and "broken.json" in faults[0]


def test_find_and_what_it_says_where_nothing_fits(
    make_record: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SHIPPED", tmp_path / "nothing ships")
    wanted = {task: make_record(task).identity for task in ("segmentation", "depth")}
    with pytest.raises(BaselineError) as none:
        find(wanted, tmp_path, "my.yml")
    assert "(segmentation, depth: none is recorded). Make it: ednas reference my.yml" in str(none.value)
    files.write(files.folder(tmp_path) / "a.json", [make_record("segmentation"), make_record("depth", steps=500)])
    with pytest.raises(BaselineError) as other:
        find(wanted, tmp_path, "my.yml")
    assert "of mobilenet_v2_small on rooms" in str(other.value)
    assert "(depth: steps 240 here, 500 in the baseline)" in str(other.value)
    files.write(files.folder(tmp_path) / "b.json", [make_record("depth")])
    found = find(wanted, tmp_path)
    assert (found.member, found.seeds, found.protocol) == ("mobilenet_v2_small", 3, "standard")
    assert found.means()["depth"].keys() == {"abs_error_m", "delta1"}


def test_a_reference_that_learnt_nothing_is_refused(make_record: Make, tmp_path: Path) -> None:
    """A relative change of 0 is undefined; the search must hear of it before the first trial."""
    record = make_record("segmentation")
    poor = BaselineRecord(record.identity, record.metrics, (1,), ({"miou": 0.0, "pixel_accuracy": 0.1},))
    files.write(files.folder(tmp_path) / "a.json", [poor])
    with pytest.raises(BaselineError, match=r"miou 0;.*Train the baseline longer"):
        find({"segmentation": poor.identity}, tmp_path)


def test_a_candidate_against_its_references(make_record: Make) -> None:
    against = Comparison({task: make_record(task) for task in ("segmentation", "depth")})
    same_as_reference = {f"{t}_{name}": v for t, values in against.means().items() for name, v in values.items()}
    assert against.estimate([same_as_reference]).value == pytest.approx(0)
    assert against.delta_t(against.nested(same_as_reference)) == pytest.approx(0)
    assert Comparison.parse(json.loads(json.dumps(against.dump()))).means() == against.means()
    with pytest.raises(BaselineError, match="no metric 'segmentation_miou'"):
        against.estimate([{}])


def test_a_file_that_cannot_be_written_is_named(make_record: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BaselineError, match=r"cannot be written \("):
        files.write(tmp_path / "file" / "a.json", [make_record()])


def test_a_failed_write_leaves_the_old_file(make_record: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    files.write(path, [make_record(seeds=1)])

    def dies(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(BaselineError, match="No space left"):
        files.write(path, [make_record(seeds=3)])
    assert [len(record.runs) for record in files.read(path)] == [1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json"], "no half file stays behind"


def test_options_of_an_evaluator_are_plain() -> None:
    """A supernet's are an object of their own, and a study that has them may name a reference."""
    made = plain({"supernet": SupernetOptions(steps=5), "size": (64, 128)})
    assert made["size"] == [64, 128] and made["supernet"]["steps"] == 5 and made == plain(made)
