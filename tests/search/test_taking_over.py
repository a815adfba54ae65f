"""start_from: what earlier searches have trained counts, at this study's costs, on the network that it was."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.bridge.head import write_head
from ednas_nni.errors import StudyError
from ednas_nni.record.events import Ended
from ednas_nni.record.journal import History, Journal
from ednas_nni.record.parameters import TrialParameters
from ednas_nni.record.reports import final_event, read_report, submitted
from ednas_nni.search import taking_over
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.taking_over import take_over
from ednas_nni.study import parse
from tests.small_networks import small_study

STUB = {"evaluator": {"name": "stub"}, "deploy_size": [64, 128], "device": ["macs", "params"], "data": "rooms"}
STUB |= {"objectives": ["quality", "macs"], "tasks": ["depth"], "train_size": [64, 128]}
NARROW = {"name": "nano", "ops": ["ibn_k3_e3", "ibn_k5_e3"], "resolution": [1.0]}
WIDE = {"name": "nano", "ops": ["ibn_k3_e3", "ibn_k5_e3", "ibn_k3_e6"], "resolution": [0.5, 1.0]}


def study(**fields: Any) -> Assembled:
    return Assembled(parse({**STUB, "space": NARROW, **fields}))


def earlier(folder: Path, assembled: Assembled, count: int = 12) -> Path:
    """The journal of a search that has `count` results, their quality the share of MACs."""
    domains, rng = assembled.domains, np.random.default_rng(0)
    with closing(Journal(folder / "abcd" / "ednas" / "journal.jsonl")) as journal:
        write_head(journal, "abcd", assembled, engine="sequential")
        for trial in range(count):
            asked = TrialParameters(domains.random(rng))
            costs = assembled.problem.cost_dict(asked.sample)
            journal.append(submitted(trial, asked, domains, costs))
            report = read_report({"default": trial / count, "architecture": asked.key(domains)})
            journal.append(final_event(report, journal.history().trial(trial), "J"))
            journal.append(Ended(trial=trial, status="trained"))
    return journal.path


def started(folder: Path, assembled: Assembled) -> History:
    with closing(Journal(folder / "efgh" / "ednas" / "journal.jsonl")) as journal:
        take_over(journal, assembled)
        take_over(journal, assembled)  # a kill came in between: nothing is there twice
        return journal.history()


def check(taken: History, before: History, assembled: Assembled) -> None:
    """Each result stands on a network of this space with parameters and MACs of what was trained, at its own costs."""
    by_quality = {r.quality: r for r in before.results.values()}
    for key, record in taken.results.items():
        trained = by_quality[record.quality]
        assert key == assembled.domains.architecture_id(record.sample) and record.source == "abcd"
        assert record.costs == assembled.problem.cost_dict(record.sample)
        at = assembled.of(assembled.study.model_copy(update={"deploy_size": (64, 128)}))
        costs = at.problem.cost_dict(record.sample)
        assert [costs[n] for n in ("macs", "params")] == [trained.costs[n] for n in ("macs", "params")]
    assert taken.own == [] and len(taken.trials) == len(taken.results)


def test_other_device_size_and_limit_change_costs_only(tmp_path: Path) -> None:
    path = earlier(tmp_path, study())
    before = Journal(path).history()
    fields = {"device": "edge_tpu", "deploy_size": [128, 256], "objectives": ["quality", "latency_ms"]}
    middle = float(np.median([r.costs["params"] for r in before.results.values()]))
    made = study(start_from=str(path), constraints=f"params <= {middle}", **fields)
    taken = started(tmp_path, made)
    check(taken, before, made)
    within = {k for k, r in before.results.items() if r.costs["params"] <= middle}
    assert set(taken.results) == within and "outside of the constraints left out" in (taken.notes[0].text or "")
    assert all("latency_ms" in r.costs for r in taken.results.values())


@pytest.mark.parametrize(("first", "then"), [(WIDE, NARROW), (NARROW, WIDE)])
def test_narrower_and_wider_spaces(tmp_path: Path, first: Any, then: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = earlier(tmp_path, study(space=first), 40 if first is WIDE else 12)
    before, made = Journal(path).history(), study(space=then, start_from=[str(path)])
    taken = started(tmp_path, made)
    check(taken, before, made)
    if first is NARROW:
        assert len(taken.results) == len(before.results)
        assert {r.sample["resolution"] for r in taken.results.values()} == {1.0}
    else:
        whole = [r for r in before.results.values() if r.sample["resolution"] == 1.0]
        fits = [r for r in whole if "ibn_k3_e6" not in map(str, study(space=first).domains.active(r.sample).values())]
        assert len(taken.results) == len(fits) < len(before.results)
    # Without the proof by parameters and MACs that check would find others.
    monkeypatch.setattr(taking_over, "_proved", lambda journalled, costs: True)
    monkeypatch.setattr(taking_over, "candidates", lambda *given: every(*given)[:1])
    every = CANDIDATES
    with pytest.raises(AssertionError):
        check(started(tmp_path / "unproved", made), before, made)


CANDIDATES = taking_over.candidates


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"evaluator": {"name": "jared", "steps": 9, "batch_size": 4}}, r"`evaluator\.steps` \(8 there, 9 here\)"),
        ({"evaluator": {"name": "jared", "steps": 8, "batch_size": 8}}, r"`evaluator\.batch_size`"),
        ({"data": {"name": "rooms", "train": 40, "search": 16, "select": 16, "test": 16}}, "`data`"),
        ({"tasks": ["depth", "normals"]}, "`tasks`"),
        ({"train_size": [96, 128]}, "`data`|`train_size`"),
        ({"evaluator": "stub"}, "`data`|`evaluator`"),
    ],
)  # fmt: skip
def test_other_data_or_recipe_is_refused(tmp_path: Path, fields: dict[str, Any], named: str) -> None:
    path = earlier(tmp_path, small_study(["depth"]), 1)
    same = small_study(["depth"], seed=7, strategy="random", start_from=[str(path)])
    assert len(started(tmp_path, same).results) == 1, "another seed and strategy do no harm"
    with pytest.raises(StudyError, match=rf"start_from: abcd differs in ({named})"):
        started(tmp_path / "new", small_study(**{"tasks": ["depth"], "start_from": [str(path)], **fields}))


def test_what_is_no_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="start_from: "):
        started(tmp_path, study(start_from=[str(tmp_path / "none.jsonl")]))


def test_another_activation_is_another_network(tmp_path: Path) -> None:
    """It has the same parameters and MACs: that alone would take ReLU6's scores for a hard swish's."""
    before = earlier(tmp_path, study(space="nano"), 4)
    made = study(space={"name": "nano", "activation": "hswish"}, start_from=[str(before)])
    taken = started(tmp_path, made)
    assert taken.results == {} and "4 of networks that this space does not have left out" in (taken.notes[0].text or "")


def test_results_count_by_the_score_of_this_search(tmp_path: Path) -> None:
    """An earlier search for delta_t has it as `default`, in percent."""
    path = earlier(tmp_path, study(), 3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["event"] == "result":
            line["metrics"] = {"quality": 0.3, "delta_t": -20.0, "default": -20.0}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    taken = started(tmp_path, study(start_from=[str(path)]))
    assert {record.quality for record in taken.results.values()} == {0.3}
