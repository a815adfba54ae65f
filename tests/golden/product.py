"""Everything of the product that the golden tests use: the one place to follow a renaming."""

from __future__ import annotations

from ednas_nni import assembly
from ednas_nni.bridge import saved
from ednas_nni.bridge.catching_up import LOST
from ednas_nni.bridge.engine import SimplifiedModelSpace
from ednas_nni.bridge.head import write_head
from ednas_nni.data.rooms import Rooms
from ednas_nni.data.streets import Streets
from ednas_nni.evaluator import JaredEvaluator
from ednas_nni.evaluator.data import TrialData
from ednas_nni.evaluator.stub import StubEvaluator
from ednas_nni.hardware import cost_table
from ednas_nni.hardware.devices import named
from ednas_nni.hardware.devices.roofline import Roofline
from ednas_nni.journal import Journal, load
from ednas_nni.nn.tree import build
from ednas_nni.plugins import load as plugin
from ednas_nni.references import Comparison, files
from ednas_nni.references.comparison import find
from ednas_nni.references.identity import identities
from ednas_nni.report import style, write
from ednas_nni.report.data import view
from ednas_nni.strategy.mounting import mount
from ednas_nni.study import parse, read_experiment
from ednas_nni.testing.engines import FakeEngine

__all__ = [
    "LOST",
    "Comparison",
    "FakeEngine",
    "JaredEvaluator",
    "Journal",
    "Roofline",
    "Rooms",
    "SimplifiedModelSpace",
    "Streets",
    "StubEvaluator",
    "TrialData",
    "assembly",
    "build",
    "cost_table",
    "files",
    "find",
    "identities",
    "load",
    "mount",
    "named",
    "parse",
    "plugin",
    "read_experiment",
    "saved",
    "style",
    "view",
    "write",
    "write_head",
]
