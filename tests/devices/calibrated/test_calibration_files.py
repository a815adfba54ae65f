"""Measurements as people write them, and which networks are proposed for measuring."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from devices.calibrated.measurements import read_measurements, write_measurements
from devices.calibrated.proposing import _shares, information, informative
from ednas_nni.cost.device import AdditiveDevice, CostColumn
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.summary import random_codes
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import EdnasError, InfeasibleError, SampleError
from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.study.objectives import Constraint

DOMAINS = Domains(
    [
        Dimension("depth", (1, 2)),
        Dimension("a", ("x", "y", "z")),
        Dimension("b", ("x", "y", "z"), (((Literal("depth", frozenset({2})),),),)),
    ]
)
SMALL = {"depth": 1, "a": "y", "b": "x"}
LARGE = {"depth": 2, "a": "z", "b": "z"}


def find(name):
    if name == "small":
        return SMALL
    raise SampleError(f"{name!r} is unknown. Did you mean 'small'?")


def read(tmp_path, text, cost="latency_ms"):
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8")
    return read_measurements(path, cost, DOMAINS, find)


def quoted(sample):
    return '"' + json.dumps(sample).replace('"', '""') + '"'


def test_names_samples_and_repeats(tmp_path):
    found = read(
        tmp_path,
        f"\ufeffarchitecture , latency_ms,repeats\nsmall,4,3\n{quoted(LARGE)},9.5,\n\n small,6,1\nsmall,,\n",
    )
    assert found.samples == (SMALL, LARGE)
    assert found.values.tolist() == [4.5, 9.5] and found.repeats.tolist() == [4, 1]
    assert found.empty == 1 and found.spread == pytest.approx(np.sqrt(2) / 5)


def test_a_sample_wins_over_the_name_beside_it_and_may_lack_what_does_not_matter(tmp_path):
    found = read(tmp_path, f"architecture,sample,latency_ms\nffff,{quoted({'depth': 1, 'a': 'y'})},4\n")
    assert found.samples == (SMALL,) and found.spread is None


def test_another_cost(tmp_path):
    assert read(tmp_path, "architecture,energy_mj\nsmall,4\n", "energy_mj").values.tolist() == [4.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("column 'latency_ms' is missing", "architecture,latency_ms")),
        ("latency_ms\n3\n", ("column 'architecture' is missing",)),
        ("architecture,latency\nsmall,3\n", ("column 'latency' is unknown", "Did you mean 'latency_ms'")),
        ("architecture;latency_ms\nsmall;3,5\n", ("not separated by commas",)),
        ("architecture,latency_ms,latency_ms\nsmall,3,3\n", ("'latency_ms' is there twice",)),
        ("architecture,latency_ms\n", ("nothing is measured", "no rows")),
        ("architecture,latency_ms\nsmall,\nsmall, \n", ("nothing is measured", "all 2 rows")),
        ("architecture,latency_ms\nsmall,3\nsmall,fast\n", ("line 3", "latency_ms = 'fast'", "positive number")),
        ("architecture,latency_ms\nsmall,-3\n", ("line 2", "'-3'")),
        ("architecture,latency_ms\nsmall,nan\n", ("line 2", "'nan'")),
        ('architecture,latency_ms\nsmall,"3,5"\n', ("line 2", "'3,5'", "point for decimals")),
        ("architecture,latency_ms,repeats\nsmall,3,0\n", ("line 2", "repeats = '0'", "at least 1")),
        ("architecture,latency_ms\nsmal,3\n", ("line 2", "'smal'", "Did you mean 'small'")),
        ("architecture,latency_ms\n,3\n", ("line 2", "names no architecture")),
        ("architecture,latency_ms\nsmall,3,4\n", ("line 2", "header (2)")),
        ("architecture,latency_ms\nsmall\n", ("line 2", "header (2)")),
        ('architecture,latency_ms\n{"depth": 1, "a": "y"},3\n', ("line 2", "quotes")),
        ('architecture,latency_ms\n"{depth: 1}",3\n', ("line 2", "not JSON")),
        (f"architecture,latency_ms\n{quoted({'dept': 1})},3\n", ("line 2", "'dept'", "Did you mean 'depth'")),
        (f"architecture,latency_ms\n{quoted({'depth': 2, 'a': 'y'})},3\n", ("line 2", "lacks b")),
    ],
)
def test_wrong_files(tmp_path, text, words):
    with pytest.raises(EdnasError) as error:
        read(tmp_path, text)
    for word in ("m.csv", *words):
        assert word in str(error.value)


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(EdnasError, match="cannot be read"):
        read_measurements(tmp_path / "none.csv", "latency_ms", DOMAINS, find)
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EdnasError, match="UTF-8"):
        read_measurements(tmp_path / "m.csv", "latency_ms", DOMAINS, find)


RESULT = {"model": "boards/a.tflite", "num_threads": 1, "latency": {"median_ms": 7.25, "num_runs": 200}}


def test_results_of_litert_benchmark_beside_the_files_fill_rows_without_a_figure(tmp_path):
    rows = f"architecture,latency_ms,tflite,sample\na,,a.tflite,{quoted(SMALL)}\nb,,b.tflite,{quoted(LARGE)}\n"
    (tmp_path / "a.tflite.json").write_text(json.dumps(RESULT))
    found = read(tmp_path, rows)
    assert (found.samples, found.values.tolist(), found.repeats.tolist(), found.empty) == ((SMALL,), [7.25], [200], 1)
    written = read(tmp_path, rows.replace("a,,a", "a,9,a"))
    assert written.values.tolist() == [9.0], "a figure in the file wins"
    with pytest.raises(EdnasError, match="nothing is measured"):  # a latency is no other cost
        read(tmp_path, rows.replace("latency_ms", "energy_mj"), "energy_mj")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "a.tflite.json: is no result of litert-benchmark"),
        ("[]", "is no result of litert-benchmark"),
        (json.dumps(RESULT | {"latency": {}}), "is no result of litert-benchmark (KeyError: 'median_ms')"),
        (json.dumps(RESULT | {"model": "b.tflite"}), "is of b.tflite, not of a.tflite"),
        (json.dumps(RESULT | {"latency": {"median_ms": 0, "num_runs": 5}}), "latency_ms = '0' is not a positive"),
    ],
)
def test_wrong_results_of_litert_benchmark(tmp_path, text, words):
    (tmp_path / "a.tflite.json").write_text(text)
    with pytest.raises(EdnasError) as error:
        read(tmp_path, f"architecture,latency_ms,tflite\n{quoted(SMALL)},,a.tflite\n")
    assert words in str(error.value)


def test_what_is_written_can_be_filled_in_and_read(tmp_path):
    path = tmp_path / "w.csv"
    ids = [DOMAINS.architecture_id(sample) for sample in (SMALL, LARGE)]
    write_measurements(path, "latency_ms", [(ids[0], SMALL, 3.25, "a.onnx"), (ids[1], LARGE, 4.0, "")], "onnx")
    with pytest.raises(EdnasError, match="all 2 rows have an empty latency_ms"):
        read_measurements(path, "latency_ms", DOMAINS, find)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["latency_ms"] = "7.5"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    found = read_measurements(path, "latency_ms", DOMAINS, find)
    assert found.samples == (SMALL, LARGE) and found.values.tolist() == [7.5, 7.5]


# ---- what to measure


class Terms(AdditiveDevice):
    name = "toy"
    columns = (CostColumn("latency_ms", "ms", "toy", "modelled", "made up"),)

    def layer_features(self, layer):
        return {}

    def terms(self, column, totals):
        return {"dense": totals["dense"], "depthwise": totals["depthwise"], "constant": np.ones(len(totals["dense"]))}

    def costs(self, totals):
        return {"latency_ms": sum(self.terms("latency_ms", totals).values())}


def priced(device):
    rng = np.random.default_rng(0)
    domains = Domains([Dimension(f"op{i}", tuple(range(6))) for i in range(6)])
    terms = [Term((f"op{i}",), rng.exponential(1.0, (6, 2))) for i in range(6)]
    return CostTable(SpaceFeatures(("0:dense", "0:depthwise"), tuple(terms), domains), [device], (64, 64))


@pytest.fixture(scope="module")
def table():
    return priced(Terms())


def known(table, codes):
    """Information of a set, by shares scaled alike for all sets."""
    everything = _shares(table, "latency_ms", np.concatenate([codes, reference(table)]))
    return information(everything[: len(codes)])


def reference(table):
    return random_codes(table.domains, 3000, np.random.default_rng(5))


def test_proposals_tell_more_than_random_networks(table):
    chosen = known(table, informative(table, "latency_ms", 8))
    assert chosen > max(known(table, random_codes(table.domains, 8, np.random.default_rng(i))) for i in range(200))


def test_the_check_rejects_a_proposal_of_the_cheapest(table):
    codes = reference(table)
    cheapest = codes[np.argsort(table.encoded(codes)[:, 0])[:8]]
    assert known(table, cheapest) < max(
        known(table, random_codes(table.domains, 8, np.random.default_rng(i))) for i in range(200)
    )


def test_proposals_for_a_cost_of_one_term_span_its_range():
    class Whole(Terms):
        def terms(self, column, totals):
            return None

        def costs(self, totals):
            return {"latency_ms": totals["dense"] + totals["depthwise"]}

    whole = priced(Whole())
    costs = whole.encoded(reference(whole))[:, 0]
    chosen = whole.encoded(informative(whole, "latency_ms", 8))[:, 0]
    low, high = np.quantile(costs, [0.1, 0.9])
    assert (chosen < low).sum() >= 3 and (chosen > high).sum() >= 3


def test_greedy_is_what_the_determinant_says(table):
    """Each next network is the best of all candidates by the definition, not by the update that finds it."""
    from devices.calibrated.proposing import _greedy

    shares = _shares(table, "latency_ms", reference(table)[:60])
    chosen = _greedy(shares, 5)
    for k in range(5):
        gains = [information(shares[[*chosen[:k], i]]) if i not in chosen[:k] else -np.inf for i in range(60)]
        assert gains[chosen[k]] == pytest.approx(max(gains))


def test_proposals_are_distinct_feasible_and_repeatable(table):
    limit = Constraint("latency_ms", "<=", float(np.median(table.encoded(reference(table))[:, 0])))
    codes = informative(table, "latency_ms", 12, [limit], seed=3)
    assert len(np.unique(codes, axis=0)) == 12
    assert (table.encoded(codes)[:, 0] <= limit.bound).all()
    assert (codes == informative(table, "latency_ms", 12, [limit], seed=3)).all()


def test_more_than_there_are(table):
    limit = Constraint("latency_ms", "<=", float(table.encoded(reference(table))[:, 0].min()) - 1e-9)
    with pytest.raises(InfeasibleError, match=r"--propose 50: only \d+ architectures that meet latency_ms <= "):
        informative(table, "latency_ms", 50, [limit])
