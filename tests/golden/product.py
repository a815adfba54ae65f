"""Everything of the product that the golden tests use: the one place to follow a renaming."""

from __future__ import annotations

from devices.roofline import Roofline
from ednas_nni.baselines import Comparison, files
from ednas_nni.baselines.comparison import find
from ednas_nni.baselines.identity import identities
from ednas_nni.bridge.catching_up import LOST
from ednas_nni.bridge.head import write_head
from ednas_nni.bridge.session import Session
from ednas_nni.compat.nas import SimplifiedModelSpace
from ednas_nni.cost import cost_table
from ednas_nni.cost import registry as named
from ednas_nni.nn.tree import build
from ednas_nni.plugins import load as plugin
from ednas_nni.record.events import Ended
from ednas_nni.record.journal import Journal, load
from ednas_nni.report import style, write
from ednas_nni.report.data import view
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.mounting import mount
from ednas_nni.study import parse, read_experiment
from ednas_nni.testing.engines import FakeEngine
from ednas_nni.training import JaredEvaluator
from ednas_nni.training.data import TrialData
from ednas_nni.training.stub import StubEvaluator
from scenes.rooms import Rooms
from scenes.streets import Streets

__all__ = [
    "LOST",
    "Assembled",
    "Comparison",
    "Ended",
    "FakeEngine",
    "JaredEvaluator",
    "Journal",
    "Roofline",
    "Rooms",
    "Session",
    "SimplifiedModelSpace",
    "Streets",
    "StubEvaluator",
    "TrialData",
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
    "style",
    "view",
    "write",
    "write_head",
]
