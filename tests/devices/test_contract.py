"""Every registered device keeps the contract, the page's example does, and broken ones are rejected."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devices.calibrated.device import Calibrated, CalibratedProfile
from devices.roofline import Roofline
from ednas_nni.cost import registry
from ednas_nni.cost.device import AdditiveDevice, CostColumn, LowerBound, OrderDevice
from ednas_nni.cost.profiles import ReadsProfiles
from ednas_nni.cost.table import cost_table
from ednas_nni.errors import PluginError
from ednas_nni.nn.tree import domains_of
from ednas_nni.testing.devices import check_device, example_layers, network_totals

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding_a_device.md").read_text(encoding="utf-8")
COLUMN = CostColumn("latency_ms", "ms", "good", "modelled", "made up")


def calibrated():
    base = Roofline("microcontroller")
    cost = float(base.costs(network_totals(base, [example_layers()]))["latency_ms"][0])
    features = {name: float(values[0]) for name, values in network_totals(base, [example_layers()]).items()}
    measured = {"rows": 9, "error_before": 0.4, "error_held_out": 0.1, "smallest": 1.0, "largest": 9.0, "at": "here"}
    profile = {"name": "mine", "title": "mine", "base": "roofline", "cost": "latency_ms", "form": "scale and offset"}
    profile |= {"scales": {"latency_ms": 2.0}, "offset": 0.5, "upper_ratio": 1.2}
    profile |= {"measured": measured | {"terms": {"latency_ms": 9.0}}, "probe": {"features": features, "cost": cost}}
    return Calibrated.of(CalibratedProfile.model_validate(profile), base)


@pytest.mark.parametrize("name", registry.DEVICES.names())
def test_every_registered_device(name):
    needs = {"cpu_onnxruntime": "onnxruntime", "ethos_u": "ethosu", "litert_cpu": "ai_edge_litert"}
    pytest.importorskip(needs.get(name, "numpy"))
    check_device(calibrated() if name == "calibrated" else registry.device(name))


@pytest.mark.parametrize("profile", ["phone_cpu", "microcontroller", "embedded_gpu"])
def test_every_shipped_profile(profile):
    check_device(Roofline(profile))


def test_a_device_that_is_described_by_profiles_alone_says_so():
    with pytest.raises(PluginError, match="absolute path of a YAML file of kind 'calibrated'"):
        registry.device("calibrated")


def test_the_page_has_a_whole_device():
    snippets = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.S | re.M)
    names: dict[str, object] = {}
    exec((ROOT / "examples" / "small" / "camera.py").read_text(encoding="utf-8") + snippets[1], names)
    names["test_contract"]()


class Good(AdditiveDevice):
    name = "good"
    columns = (COLUMN,)

    def layer_features(self, layer):
        return {"macs": layer.macs, "written": layer.elements_written}

    def costs(self, totals):
        return {"latency_ms": totals["macs"] + totals["written"]}


class Rewarded(Good):
    def costs(self, totals):
        return {"latency_ms": 1e9 - totals["macs"]}


class Negative(Good):
    def layer_features(self, layer):
        return {"macs": -layer.macs, "written": 0}


class Ranked(Good):
    def costs(self, totals):
        return {"latency_ms": totals["macs"] / totals["macs"].max()}


class OneNumber(Good):
    def costs(self, totals):
        return {"latency_ms": totals["macs"].sum()}


class OtherName(Good):
    def costs(self, totals):
        return {"latency": totals["macs"]}


class Optimist(Good):
    def lower_bound(self, column):
        return LowerBound({"macs": 1.0, "written": 2.0})


class Half(Good):
    def terms(self, column, totals):
        return {"arithmetic": totals["macs"]}


class Numbers(Good):
    def extrapolated(self, totals):
        return totals["macs"]


class Moody(Good):
    calls = 0

    def layer_features(self, layer):
        self.calls += 1
        return {"macs": self.calls, "written": 0}


class Order(OrderDevice):
    name = "good"
    columns = (COLUMN,)

    def for_layers(self, layers):
        return lambda codes: {"latency_ms": np.arange(len(codes)) - 1.0}


class Profiled(Good, ReadsProfiles):
    """The argument `find` is missing."""

    profile_kind = "profiled"

    @classmethod
    def from_profile(cls, data, source):
        return cls()


class Careless(Profiled):
    @classmethod
    def from_profile(cls, data, source, find):
        return cls() if data["clock"] > 0 else None


class Trusting(Profiled):
    @classmethod
    def from_profile(cls, data, source, find):
        return cls()


class Divides(Good):
    def __init__(self, share=1.0):
        self.share = 1 / share

    def layer_features(self, layer):
        return {"macs": layer.macs / (layer.groups - 1), "written": self.share}


def with_column(**changes):
    device = Good()
    device.columns = (replace(COLUMN, **changes),)
    return device


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (Rewarded(), "falls when layers are added"),
        (Negative(), "feature 'macs'"),
        (Ranked(), "depends on what else is priced"),
        (OneNumber(), "16 finite numbers"),
        (OtherName(), r"costs has \['latency'\]"),
        (Optimist(), "lower_bound of latency_ms is above"),
        (Half(), "terms of latency_ms"),
        (Numbers(), "extrapolated gives float64"),
        (Moody(), "other numbers for the same layer"),
        (Order(), "2 finite numbers"),
        (Profiled(), r"cannot be called so \(too many positional arguments\)"),
        (Careless(), "a wrong file fails by KeyError: 'clock'; use read_profile"),
        (Trusting(), "accepts a file with the field 'no_such_field' alone"),
        (with_column(unit=""), "lacks its unit"),
        (with_column(note=" "), "lacks its unit or its note"),
        (with_column(device="other"), "belongs to 'other'"),
        (with_column(origin="guessed"), "origin 'guessed' is not one of counted"),
        (with_column(origin="counted"), "its error is 0"),
        (with_column(error=-1.0), "error -1.0"),
        (with_column(upper="latency_ms_upper90"), "not a column of the device"),
        (with_column(name="latency ms"), "letters, digits and _"),
    ],
)
def test_broken_devices_are_rejected(device, words):
    check_device(Good())
    with pytest.raises(PluginError, match=words):
        check_device(device)


def test_what_fails_in_a_device_is_one_line_that_names_it(monkeypatch):
    from search_spaces import nano

    space = nano({"depth": 1})
    with pytest.raises(
        PluginError, match=r"'good': layer_features of a conv layer, 3 -> 16 channels, failed: ZeroDivision"
    ):
        cost_table(space, [Divides()], deploy_size=(32, 64))
    with pytest.raises(PluginError, match="'good': its costs failed: KeyError: 'latency_ms'"):
        cost_table(space, [OtherName()], deploy_size=(32, 64)).encoded(np.zeros((1, len(domains_of(space))), int))
    monkeypatch.setattr(registry.DEVICES, "load", lambda name: Divides)
    with pytest.raises(PluginError, match=r"'mine': Divides\(share=0\) failed: ZeroDivisionError"):
        registry.device("mine", {"share": 0})


def test_a_class_without_a_method_is_named():
    class Lacking(AdditiveDevice):
        name = "lacking"
        columns = (COLUMN,)

        def layer_features(self, layer):
            return {}

    with pytest.raises(PluginError, match=r"Lacking lacks costs; see ednas_nni\.cost\.device"):
        check_device(Lacking)
    with pytest.raises(PluginError, match="not an AdditiveDevice"):
        check_device(object())
