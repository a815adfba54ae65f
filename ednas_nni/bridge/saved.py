"""The strategy's state beside the journal: saved after every trial, restored on resume."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from ednas_nni.bridge.catching_up import LOST
from ednas_nni.compat.nas_search import Strategy
from ednas_nni.record.journal import History
from ednas_nni.record.whole_file import write_whole
from ednas_nni.search.middleware.outcomes import attempts_owed
from ednas_nni.search.shell import AskTellStrategy

_log = logging.getLogger("nni.ednas")

FILE = "strategy.json"


def save(strategy: Strategy, path: Path) -> None:
    """Write the state of one of our strategies; NNI's are replayed from the journal instead.

    A disk that is full costs no search, as the journal alone tells enough: it is logged.
    """
    if not isinstance(strategy, AskTellStrategy):
        return
    try:
        write_whole(path, json.dumps(strategy.state_dict()))
    except OSError as error:
        _log.warning("the strategy's state is not saved (%s); a resume rebuilds it from the journal", error)


def restore(strategy: Strategy, path: Path, history: History, tell: bool = True, retries: int = 0) -> None:
    """Continue one of our strategies from its saved state and from what the journal knows beyond it; NNI's stay.

    A state that is damaged or of another version is logged and left out: the journal alone tells enough. With a reward
    around it, a strategy does not see what the journal holds (`tell`); `retries` are further attempts that a failure
    for a passing reason allows.
    """
    if not isinstance(strategy, AskTellStrategy):
        return
    try:
        strategy.load_state_dict(json.loads(path.read_text(encoding="utf-8")))
        _log.info("strategy state restored from %s", path)
    except FileNotFoundError:
        _log.info("there is no strategy state yet; the strategy starts from the journal")
    except Exception as error:  # whatever a damaged file leads to
        _log.warning("%s is not used (%s: %s); the journal is", path, type(error).__name__, error)
        strategy.start_again()  # the old core may be half loaded
    if tell:
        _tell(strategy, history, attempts_owed(history, retries))


def _tell(strategy: AskTellStrategy, history: History, owed: set[str]) -> None:
    """The state is saved after a trial has ended, and trials also end while nobody listens."""
    core, problem = strategy.bound()
    for record in history.trials:
        # What was lost, or failed by accident and may be tried again, is proposed once more.
        if record.status == "running" or record.cause == LOST or record.architecture in owed:
            continue
        values, cause = None, record.cause
        if record.status == "trained" and record.quality is not None:
            values, cause = problem.values(record.metrics, record.costs)
        core.tell(record.sample, values, cause)
