"""Trials that have lost their manager: they may end in peace until the experiment is started again.

A trial writes down which process it is. When NNI resumes an experiment it runs unfinished jobs again under their old
ids, in their old folders; whatever an earlier manager left running is ended before that. Standard library only.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from ednas_nni.bridge.manager.processes import MANAGER, Process
from ednas_nni.record.failures import CAUSE
from ednas_nni.record.whole_file import write_whole

FILE = "process.json"
LARGEST = 4096  # bytes
SERVER = b"ednas_nni.bridge.trial.prefork.server"


def announce(folder: Path) -> None:
    """Called by a trial at its start: end an earlier process of this very job, then write down this one."""
    earlier = _read(folder / FILE)
    mine, experiment = (os.getpid(), os.getppid()), os.environ.get("NNI_EXP_ID", "")
    if earlier is not None and earlier[0].pid not in mine and _runs(earlier[0], folder.name, experiment):
        earlier[0].end()
    here = Process.of(os.getpid())
    if here is None:
        return
    try:
        write_whole(folder / FILE, json.dumps({"process": here.text, "manager": os.environ.get(MANAGER, "")}) + "\n")
    except OSError:
        return  # a full disk: the trial will meet it again where it matters


def end_all(experiment: Path, manager: Process | None, words: str = "") -> list[str]:
    """End the trials of an experiment (its folder) that another manager than the present one started; return their ids.

    Without a present manager all are ended. The words, which tell why, are added to their error output.
    """
    ended = []
    for path in sorted(experiment.glob(f"environments/*/trials/*/{FILE}")):
        process = _read(path)
        if process is None or (manager is not None and process[1] == manager):
            continue
        if not _runs(process[0], path.parent.name, experiment.name):
            continue
        if words:
            with suppress(OSError), (path.parent / "trial.stderr").open("a", encoding="utf-8") as errors:
                errors.write(f"{CAUSE}{words}\n")
        process[0].end()
        ended.append(path.parent.name)
    return ended


def _runs(process: Process, job: str, experiment: str) -> bool:
    """Whether a process lives and is that trial: a file must not make us end anything else."""
    try:
        environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return False
    forked = SERVER in command and f"/{experiment}.sock".encode() in command  # a child shows its server's command
    return process.alive and (forked or f"NNI_TRIAL_JOB_ID={job}".encode() in environment)


def _read(path: Path) -> tuple[Process, Process | None] | None:
    """A trial's process and its manager; None where the file is missing or says nothing."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(LARGEST))
        process = Process.parse(content.get("process"))
        return None if process is None else (process, Process.parse(content.get("manager")))
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
