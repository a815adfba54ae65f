"""Corrections: what they recover, what they refuse to claim, what they leave behind as a device."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devices.calibrated.correction import (
    FEWEST,
    Calibration,
    Correction,
    bounded_relative_fit,
    calibrate,
    choose,
    errors,
    fit,
    upper_ratio,
)
from devices.calibrated.device import EXAMPLE, Calibrated, CalibratedProfile, calibrated_profile
from devices.calibrated.measurements import Measurements, priced_terms
from devices.counters import Macs
from ednas_nni.cost import registry
from ednas_nni.cost.device import AdditiveDevice, CostColumn, Device, LowerBound
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.profiles import read_profile
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import EdnasError, PluginError
from ednas_nni.space.domains import Dimension, Domains

NOISE = 0.03


def rows(n, seed, factors=(1.0, 1.0, 1.0), noise=NOISE):
    """Terms of n networks (one hardly changes), and what a device with these factors would show."""
    rng = np.random.default_rng(seed)
    terms = np.stack([rng.uniform(2, 8, n), rng.uniform(1, 6, n), np.full(n, 5.0)], axis=1)
    return terms, terms @ np.array(factors) * np.exp(noise * rng.normal(size=n))


@pytest.mark.parametrize(
    ("factors", "form"), [((1.5, 1.5, 1.5), "scale"), ((2, 2, 0.5), "scale and offset"), ((2.5, 0.6, 1), "terms")]
)
def test_each_form_is_found_where_it_is_the_truth(factors, form):
    terms, measured = rows(12, 3, factors, 0.005)
    found = calibrate(terms, measured)
    assert found.correction.form == form and found.helps
    assert found.after.mape < 0.02 < found.before.mape
    unseen, truth = rows(200, 99, factors, 0.0)
    assert errors(found.correction(unseen), truth).mape < 0.02


def false_alarms(judge, n=6, repeats=40):
    """How often a judge finds that a model, right up to noise, needs correcting."""
    return sum(judge(*rows(n, seed)) for seed in range(repeats)) / repeats


def test_a_model_that_is_right_is_left_alone():
    assert false_alarms(lambda terms, measured: calibrate(terms, measured).helps) <= 0.1


@pytest.mark.slow
def test_a_model_that_is_right_is_left_alone_by_many_rows():
    assert false_alarms(lambda terms, measured: calibrate(terms, measured).helps, 14, 60) <= 0.1


def test_the_check_rejects_a_judge_that_looks_at_fitted_rows():
    def in_sample(terms, measured):
        corrected = fit(("terms", 1e-4), terms, measured)(terms)
        return errors(corrected, measured).mape < errors(terms.sum(1), measured).mape

    assert false_alarms(in_sample) > 0.5


def test_held_out_errors_tell_those_of_new_networks():
    """Nested: choosing the form does not make them look better than they are."""
    told, true = [], []
    for seed in range(6):
        terms, measured = rows(9, seed, (1.6, 0.9, 1.2))
        found = calibrate(terms, measured)
        told.append(found.after.mape)
        true.append(
            errors(found.correction(rows(300, 1000, (1.6, 0.9, 1.2))[0]), rows(300, 1000, (1.6, 0.9, 1.2))[1]).mape
        )
    assert np.mean(told) > 0.85 * np.mean(true)


@pytest.mark.parametrize("n", [0, 1, FEWEST - 1])
def test_too_few_rows_are_refused(n):
    with pytest.raises(EdnasError, match=rf"{n} measured architectures are too few.*--propose"):
        calibrate(*(x[:n] for x in rows(5, 0)))


def test_measurements_that_are_all_the_same_are_refused():
    """They were taken for a factor of 0 and an offset, with which nothing that a search chooses costs anything."""
    terms, _ = rows(8, 0)
    with pytest.raises(EdnasError, match=r"all 8 measured architectures cost the same, 5: .*--propose"):
        calibrate(terms, np.full(8, 5.0))


def test_few_rows_allow_simple_forms_only():
    terms, measured = rows(FEWEST, 0, (3.0, 0.3, 1.0), 0.0)
    assert choose(terms, measured)[0] == "scale"
    assert calibrate(terms, measured).upper_ratio is None


def test_one_term_never_gets_a_form_of_several():
    terms, measured = rows(10, 0, (3.0, 0.3, 1.0))
    assert calibrate(terms.sum(1, keepdims=True), measured).correction.form in ("scale", "scale and offset")


@given(st.integers(0, 1000), st.sampled_from([("scale", 0.0), ("scale and offset", 0.0), ("terms", 0.01)]))
def test_corrected_costs_grow_with_every_term_and_are_never_negative(seed, form):
    rng = np.random.default_rng(seed)
    terms = rng.uniform(0.1, 5, (12, 4))
    correction = fit(form, terms, rng.uniform(0.1, 50, 12))
    assert (correction.scales >= 0).all()
    base = rng.uniform(0, 10, (50, 4))
    more = base + rng.uniform(0, 3, (50, 4))
    assert (correction(base) >= 0).all() and (correction(more) >= correction(base)).all()
    assert (correction(terms) > 0).all()


def test_a_negative_offset_leaves_no_network_free():
    correction = Correction("scale and offset", np.array([2.0, 2.0]), -5.0)
    assert correction(np.array([[4.0, 1.0], [1.0, 1.0], [0.1, 0.0]])) == pytest.approx([5.0, 0.4, 0.02])


def test_a_term_without_rows_takes_the_common_factor():
    terms, measured = rows(12, 1, (2.0, 0.7, 1.0))
    terms = np.column_stack([terms, np.zeros(12)])
    correction = fit(("terms", 0.01), terms, measured)
    (scale,), _ = bounded_relative_fit(terms.sum(1)[:, None], measured, np.zeros(1))
    assert correction.scales[3] == pytest.approx(scale)
    assert (correction.scales >= 0.1 * scale).all()


def test_a_strong_ridge_draws_all_factors_together():
    terms, measured = rows(30, 2, (2.5, 0.6, 1.0))
    loose, tight = (fit(("terms", strength), terms, measured).scales for strength in (1e-6, 1e3))
    assert np.ptp(tight) < 0.01 < np.ptp(loose)
    assert loose == pytest.approx([2.5, 0.6, 1.0], abs=0.15)


def test_upper_ratio_covers_new_networks():
    covered = []
    for seed in range(40):
        ratios = np.exp(0.1 * np.random.default_rng(seed).normal(size=21))
        covered.append(ratios[20] <= upper_ratio(ratios[:20]))
    assert 0.75 <= np.mean(covered) <= 1
    assert upper_ratio(np.ones(8)) is None and upper_ratio(np.ones(9)) == 1
    assert upper_ratio(np.full(20, 0.5)) == 1, "a bound is never below the prediction"


def test_errors_against_a_count_of_pairs():
    found = errors(np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 2.5]))
    assert (found.mape, found.worst) == (pytest.approx((0.5 + 0 + 0.6) / 3), pytest.approx(0.6))
    assert np.isnan(errors(np.ones(3), np.arange(1.0, 4.0)).tau)
    assert errors(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])).tau == pytest.approx(1 / 3)


# ---- the device


class Toy(AdditiveDevice):
    name = "toy"
    columns = (
        CostColumn("latency_ms", "ms", "toy", "modelled", "made up", "latency_ms_upper90"),
        CostColumn("latency_ms_upper90", "ms", "toy", "modelled", "made up"),
        CostColumn("host_ms", "ms", "toy", "modelled", "made up"),
    )
    rate = 1.0

    def layer_features(self, layer):
        return {"a": 1.0, "b": 1.0}

    def terms(self, column, totals):
        return {"a": self.rate * totals["a"], "b": totals["b"]} if column == "latency_ms" else None

    def costs(self, totals):
        latency = self.rate * totals["a"] + totals["b"]
        return {"latency_ms": latency, "latency_ms_upper90": 2 * latency, "host_ms": totals["b"] * 0 + 7}

    def lower_bound(self, column):
        return LowerBound({"a": self.rate, "b": 1.0}) if column == "latency_ms" else None


def parsed(data):
    return read_profile(CalibratedProfile, data, "mine.yml", EXAMPLE)


def device(form="terms", scales=(2.0, 0.5), offset=0.0, upper=1.1, base=None):
    measured = {"rows": 12, "error_before": 0.4, "error_held_out": 0.03, "smallest": 1.0, "largest": 9.0}
    measured |= {"at": "64 x 64 px, space toy", "terms": {"a": 4.0, "b": 4.0}}
    data = {"name": "mine", "kind": "calibrated", "title": "mine", "base": "toy", "cost": "latency_ms"}
    data |= {"form": form, "scales": dict(zip("ab", scales, strict=True)), "offset": offset, "upper_ratio": upper}
    data |= {"measured": measured, "probe": {"features": {"a": 1.0, "b": 2.0}, "cost": 3.0}}
    return Calibrated.of(parsed(data), base or Toy())


TOTALS = {"a": np.array([1.0, 4.0, 5.0]), "b": np.array([2.0, 1.0, 0.1])}


def test_a_calibrated_device_follows_the_contract_and_its_formula():
    found = device()
    assert isinstance(found, Device)
    assert [c.name for c in found.columns] == ["latency_ms", "latency_ms_upper90", "host_ms"]
    assert [c.origin for c in found.columns] == ["fitted", "fitted", "modelled"]
    assert "held-out error 3.0 %, before 40.0 %" in found.columns[0].note
    costs = found.costs(TOTALS)
    assert costs["latency_ms"] == pytest.approx([3.0, 8.5, 10.05])
    assert costs["latency_ms_upper90"] == pytest.approx(1.1 * costs["latency_ms"])
    assert sum(found.terms("latency_ms", TOTALS).values()) == pytest.approx(costs["latency_ms"])
    assert found.extrapolated(TOTALS).tolist() == [False, False, True]


def test_a_calibrated_device_runs_what_its_base_runs():
    """Its element type decides the bytes of `peak_memory_bytes`."""

    class Wide(Toy):
        dtype, cuts_graph = "float32", True

        def unmapped(self, layer):
            return "no resize"

    found = device(base=Wide())
    assert (found.dtype, found.cuts_graph, found.unmapped(None)) == ("float32", True, "no resize")
    assert (device().dtype, device().cuts_graph, device().unmapped(None)) == (None, False, "")


def test_without_a_bound_limits_are_checked_on_the_cost():
    found = device(upper=None)
    assert [c.name for c in found.columns] == ["latency_ms", "host_ms"] and found.columns[0].upper == ""


@pytest.mark.parametrize(("scales", "offset"), [((2.0, 0.5), 0.0), ((3.0, 3.0), 4.0), ((3.0, 3.0), -2.0)])
def test_nothing_undercuts_the_lower_bound(scales, offset):
    found = device("scale and offset", scales, offset)
    weights, constant = found.lower_bound("latency_ms")
    bound = sum(weight * TOTALS[name] for name, weight in weights.items()) + constant
    costs = found.costs(TOTALS)["latency_ms"]
    assert (bound <= costs + 1e-12).all()
    assert np.allclose(bound, costs) == (scales[0] == scales[1])


def test_a_base_that_changed_is_noticed():
    changed = Toy()
    changed.rate = 1.5
    with pytest.raises(PluginError, match=r"base 'toy' has changed.*at 3\.5; then it was 3\. Run `ednas calibrate`"):
        device(base=changed)


def test_figures_of_another_machine_are_not_corrected():
    """The factors belong to the machine that measured; a profile of before, or of a modelled base, names none."""
    here, other = Toy(), Toy()
    here.measured_on, other.measured_on = "A CPU, int8", "A faster CPU, int8"
    profile = device(base=here).profile
    measured = profile.model_copy(update={"machine": here.measured_on})
    assert profile.machine == "" and measured.fingerprint != profile.fingerprint
    assert Calibrated.of(measured, here).costs(TOTALS)["latency_ms"] == pytest.approx([3.0, 8.5, 10.05])
    for base, words in ((other, "A faster CPU, int8"), (Toy(), "another kind of device")):
        with pytest.raises(PluginError, match=f"measured on A CPU, int8; this is {words}"):
            Calibrated.of(measured, base)


def test_two_calibrations_are_told_apart_by_their_notes():
    assert device().columns[0].note != device(scales=(2.0, 0.5000001)).columns[0].note


def test_a_profile_is_read_back_as_it_was_written(tmp_path, monkeypatch):
    load = registry.DEVICES.load
    monkeypatch.setattr(registry.DEVICES, "load", lambda name: Toy if name == "toy" else load(name))
    profile = device().profile
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump(profile.model_dump()))
    again = registry.device(str(path))
    assert again.profile == profile
    assert again.columns == device().columns


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "my phone"}, "name: 'my phone'"),
        ({"form": "term"}, "form: 'term' is unknown. Did you mean 'terms'"),
        ({"scales": {"a": -1.0, "b": 1.0}}, "scales"),
        ({"scales": {"a": True, "b": 1.0}}, "scales"),
        ({"scales": {"a": 1.0}}, "measured"),
        ({"offset": "much"}, "offset: 'much'"),
        ({"offset": float("nan")}, "offset"),
        ({"upper_ratio": 0.5}, "upper_ratio: 0.5"),
        ({"extra": 1}, "'extra' is unknown"),
        ({"probe": {}}, "probe"),
        ({"title": None, "drop": "title"}, "title is missing"),
    ],
)
def test_wrong_profiles(change, words):
    data = device().profile.model_dump() | change
    data.pop(data.pop("drop", ""), None)
    with pytest.raises(PluginError, match=r"mine\.yml: ") as error:
        parsed(data)
    assert words in str(error.value)


def test_a_profile_of_a_cost_that_the_base_lacks():
    data = device().profile.model_dump() | {"cost": "latency"}
    with pytest.raises(PluginError, match=r"no cost 'latency'\. Did you mean 'latency_ms'"):
        Calibrated.of(parsed(data), Toy())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("cannot be read",)),
        ("kind: [", ("not YAML",)),
        ("- 1", ("has no line `kind: ...`", "calibrated, ")),
        ("kind: calibrate", ("Did you mean 'calibrated'?",)),
    ],
)
def test_a_device_by_path_that_is_none(tmp_path, text, words):
    path = tmp_path / "mine.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PluginError) as error:
        registry.device(str(path))
    for word in (str(path), *words):
        assert word in str(error.value)


def test_a_device_by_relative_path_is_refused():
    with pytest.raises(PluginError, match=r"device = 'mine.yml': write an absolute path"):
        registry.device("mine.yml")


def test_a_device_whose_name_cannot_begin_a_cost():
    found = Macs()
    found.name = "my macs"
    with pytest.raises(PluginError, match="letters, digits and _"):
        registry.checked(found, "x:y")


def test_from_measurements_to_a_profile():
    domains = Domains([Dimension("a", tuple(range(1, 13))), Dimension("b", tuple(range(1, 6)))])
    values = {label: np.eye(2)[i] * np.arange(1.0, n)[:, None] for i, (label, n) in enumerate((("a", 13), ("b", 6)))}
    features = SpaceFeatures(("0:a", "0:b"), tuple(Term((x,), values[x]) for x in "ab"), domains)
    table = CostTable(features, [Toy()], (64, 64))
    samples = tuple({"a": i + 1, "b": (7 * i) % 5 + 1} for i in range(12))
    terms = priced_terms(table, "latency_ms", np.stack([domains.encode(sample) for sample in samples]))
    measured = 3 * terms.matrix.sum(1)
    rows = Measurements(samples, measured, np.ones(12, int), 0, None)
    result = calibrate(terms.matrix, measured)
    assert isinstance(result, Calibration) and isinstance(result.correction, Correction)
    profile = calibrated_profile("mine", "toy", ("latency_ms", "ms"), rows, terms, result, "here")
    again = Calibrated.of(parsed(profile.model_dump()), Toy())
    assert again.costs({"a": terms.matrix[:, 0], "b": terms.matrix[:, 1]})["latency_ms"] == pytest.approx(measured)
    assert not again.extrapolated({"a": terms.matrix[:, 0], "b": terms.matrix[:, 1]}).any()
