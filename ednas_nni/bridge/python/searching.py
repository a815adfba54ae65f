"""Search from Python in one call: NNI is started as `ednas search` does, followed, stopped, and the search opened."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from ednas_nni.bridge.manager import launch
from ednas_nni.bridge.manager.experiment_file import TRIAL_COMMAND, read
from ednas_nni.bridge.manager.follow import State, follow
from ednas_nni.handover.search import SearchRecord, open_search
from ednas_nni.record.journal import FILE, FOLDER
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import ADVISOR, Study, parse


def search(
    study: str | Path | Study | Mapping[str, Any],
    trials: int | None = None,
    concurrency: int | None = None,
    progress: bool = True,
) -> SearchRecord:
    """Search through NNI to the end. No event loop is started here, so it works in a notebook too.

    Args:
        study: An experiment's YAML, or a study as plain data, which is searched on this machine.
        trials: How many networks to train; the file's `maxTrialNumber`, or 24, by default.
        concurrency: How many at a time; the file's `trialConcurrency`, or 2, by default.
        progress: Show a bar with the best score and the time left on standard error.

    Returns:
        The search; it can be opened again with `open_search`. Ctrl-C stops NNI; what was trained stays in the journal.

    Raises:
        StudyError: The file or the study is wrong.
        ExperimentError: NNI could not be started, or the search ended with an error.
        TrialError: No trial has a result.

    Example:
        >>> import ednas_nni
        >>> ednas_nni.search("experiments/ednas.yml", trials=4).front.pick()  # doctest: +SKIP
    """
    with tempfile.TemporaryDirectory(prefix="ednas-") as folder:
        path = study if isinstance(study, str | Path) else _written(study, Path(folder))
        file = read(path)
        changes = {"maxTrialNumber": trials, "trialConcurrency": concurrency}
        file.config.update({name: value for name, value in changes.items() if value is not None})
        assembled = Assembled(file.study, str(path))
        assembled.prepare(file.platform == "local", progress)
        began, running = time.time(), launch.create(file.resolved())
    journal = running.folder / FOLDER / FILE
    try:
        with tqdm(total=file.trials, desc=f"search {running.id}", unit="trial", disable=not progress) as bar:
            follow(running.manager, journal, _Bar(bar), file.trials, began)
    finally:
        running.stop()
    opened = open_search(journal)
    opened.history.check_results()
    return opened


class _Bar:
    """Shows a search as a progress bar."""

    def __init__(self, bar: tqdm[Any]) -> None:
        self.bar = bar

    def show(self, state: State) -> None:
        self.bar.total = state.total
        new, best = len(state.ended) - self.bar.n, state.best
        if new and best is not None:
            self.bar.set_postfix({state.score: f"{best.quality:.4f}"}, refresh=False)
        if new:
            self.bar.update(new)


def _written(study: Study | Mapping[str, Any], folder: Path) -> Path:
    """An experiment's file around a study; its paths are those of the working folder."""
    parsed = study if isinstance(study, Study) else parse(dict(study))
    here = str(Path.cwd())
    config = {
        "experimentName": "ednas",
        "searchSpace": {},
        "trialCommand": TRIAL_COMMAND,
        "trialCodeDirectory": here,
        "trialConcurrency": 2,
        "maxTrialNumber": 24,
        "tuner": {"className": ADVISOR, "codeDirectory": here, "classArgs": parsed.dump()},
        "trainingService": {"platform": "local"},
    }
    path = folder / "study.yml"
    # Through JSON, for YAML has no tuples.
    path.write_text(yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False), encoding="utf-8")
    return path
