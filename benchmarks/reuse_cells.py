"""What one cell of the reuse matrix does; see `reuse_matrix.py`."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil
import torch
import yaml

import ednas_nni
from ednas_nni.bridge.manager import exposure, launch
from ednas_nni.errors import StudyError
from ednas_nni.record.journal import History, journal_path, load
from ednas_nni.search.assembled import Assembled, trained
from ednas_nni.study import Study, parse

ENGINES = ("sequential", "training service", "nnictl")
TRIALS = 3
MULTI_TRIAL: dict[str, dict[str, Any]] = {
    "ednas": {"initial": 2},
    "random": {},
    "grid_search": {},
    "regularized_evolution": {"population_size": 2, "sample_size": 1},
    "tpe": {"startup": 2},
    "policy_based_rl": {"samples_per_update": 2},
}
"""Strategy -> options with which its own way to propose begins within `TRIALS` trials."""

ONE_SHOT = ("random_one_shot", "darts", "gumbel_darts", "proxyless", "enas")
STEPS = 8
SHORT = {"widths": 2, "values": 2, "sharing": 3}
"""How lists of shipped presets are shortened, so that supernets fit a small machine; all kinds of choice stay."""

FITTING = {"compound": {"resolution": [1, 0.5]}}
"""Fields of a space that the small images need: three quarters of 32 x 64 are no multiple of the stride."""

NOISE = "ednas_nni.testing.noise:Noise"
CELL_LIMIT_S = 600.0


def run_cell(strategy: str, engine: str, space: str, folder: str) -> dict[str, Any]:
    """Run one cell.

    Args:
        strategy: A key of `MULTI_TRIAL`, or one of `ONE_SHOT`.
        engine: One of `ENGINES`.
        space: A registered search space.
        folder: For all that is written; must be empty.

    Returns:
        `status` (ok, not applicable, failed), `reason` where there is one, and what was counted.
    """
    torch.set_num_threads(1)
    try:
        with home(folder), within(CELL_LIMIT_S):
            if strategy in ONE_SHOT:
                return one_shot_cell(strategy, engine, space)
            study = study_of(space, {"strategy": {"name": strategy, **MULTI_TRIAL[strategy]}})
            history = under_nnictl(study, folder) if engine == "nnictl" else in_python(study, engine)
            return judged(history)
    except StudyError as error:  # what a user is told, before anything runs
        return {"status": "not applicable", "reason": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    finally:
        gc.collect()


def study_of(space: str, more: dict[str, Any]) -> Study:
    """Two tasks on noise; one task where the space takes no more."""

    def of(*tasks: str) -> Study:
        return parse(
            {
                "space": {"name": space, **FITTING.get(space, {})},
                "tasks": list(tasks),
                "data": NOISE,
                "train_size": [32, 64],
                "deploy_size": [64, 128],
                "evaluator": "ednas_nni.testing.one_step:OneStep",
                "objectives": ["quality", "macs"],
                "hardware_aware": "off",
                "seed": 1,
                **more,
            }
        )

    try:
        _ = Assembled(of("segmentation", "depth")).space
    except StudyError:
        return of("segmentation")
    return of("segmentation", "depth")


def in_python(study: Study, engine: str) -> History:
    """NNI's own engines, through `ednas_nni.experiment`."""
    kind = {"sequential": "sequential", "training service": "ts"}[engine]
    search = ednas_nni.experiment(study, engine=kind, trials=TRIALS, concurrency=2)
    try:
        with quietly():
            search.run()
    finally:
        search.stop()
        end_children()
    return search.journal.history()


def under_nnictl(study: Study, folder: str) -> History:
    """As `ednas search` does, to the end."""
    _ = Assembled(study).space  # what a user is told, before anything runs
    home = Path(folder)
    config = {
        "experimentName": "reuse",
        "searchSpace": {},
        "trialCommand": "python3 -m ednas_nni.bridge.trial",
        "trialCodeDirectory": ".",
        "trialConcurrency": 2,
        "maxTrialNumber": TRIALS,
        "experimentWorkingDirectory": str(home / "experiments"),
        "tuner": {
            "className": "ednas_nni.bridge.advisor.Advisor",
            "codeDirectory": ".",
            "classArgs": study.dump(),
        },
        "trainingService": {"platform": "local"},
    }
    path = home / "reuse.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    running = launch.create(path)
    identity = running.id
    journal = journal_path(home / "experiments", identity)
    try:
        end = time.monotonic() + CELL_LIMIT_S - 60  # before the alarm, to say what the dispatcher said
        while not (journal.exists() and ended(load(journal))):
            if time.monotonic() > end:
                log = home / "experiments" / identity / "log" / "dispatcher.log"
                raise TimeoutError(f"trials have not ended: {log.read_text()[-800:]}")
            time.sleep(0.5)
    finally:
        running.stop()
        end_processes_of(identity)
    return load(journal)


def ended(history: History) -> bool:
    return len(history.trials) >= TRIALS and all(trial.status != "running" for trial in history.trials)


def judged(history: History) -> dict[str, Any]:
    """All trials trained, of different architectures."""
    trained = [trial for trial in history.trials if trial.status == "trained"]
    causes = sorted({trial.cause for trial in history.trials if trial.cause})
    if len(trained) < TRIALS:
        return {"status": "failed", "reason": f"{len(trained)} of {TRIALS} trials: {'; '.join(causes) or 'no cause'}"}
    different = len({trial.architecture for trial in trained})
    return {"status": "ok", "trials": len(trained), "architectures": different}


def one_shot_cell(strategy: str, engine: str, space: str) -> dict[str, Any]:
    """Supernet, export, training of what was exported."""
    if engine != "sequential":
        return {"status": "not applicable", "reason": "a supernet is one training: NNI runs it in one process"}
    from ednas_nni.training import one_shot

    study, note = shortened(strategy, study_of(space, {"evaluator": {"name": "jared", **recipe(STEPS)}}))
    model_space = Assembled(study).space
    made = one_shot.strategy(strategy)
    with quietly():
        sample = one_shot.search(model_space, Assembled(study).evaluator, made, epochs=2)
        final = study.model_copy(
            update={"evaluator": study.evaluator.model_copy(update={"options": recipe(2, scored_on="select")})}
        )
        result = trained(model_space, sample, Assembled(final).evaluator)[1]
    steps = int(made.oneshot_module.trainer.global_step)
    if steps < STEPS // 2:
        return {"status": "failed", "reason": f"{steps} optimiser steps"}
    found = {"status": "ok", "optimiser_steps": steps, "labels": len(sample), "quality": round(result["default"], 4)}
    return found | ({"reason": note} if note else {})


def shortened(strategy: str, study: Study) -> tuple[Study, str]:
    """The study with a space that fits the machine and the strategy, and what was changed, in words."""
    from search_spaces import presets, shorten

    name = study.space.name
    if name not in presets.names():
        return study, ""
    cuts = {**SHORT, "widths": 1} if strategy == "proxyless" else SHORT
    options = shorten(name, **cuts)
    said = f"`search_spaces.shorten(preset, {', '.join(f'{k}={v}' for k, v in cuts.items())})`"
    if "encoders" in options and strategy in ("darts", "gumbel_darts", "proxyless"):
        options["encoders"] = options["encoders"][:1]
        said += " and one encoder: features of several differ in width and cannot be mixed"
    space = study.space.model_copy(update={"options": options})
    return study.model_copy(update={"space": space}), said


def recipe(steps: int, **more: Any) -> dict[str, Any]:
    return {"steps": steps, "batch_size": 2, "reports": 1, "accelerator": "cpu", **more}


@contextlib.contextmanager
def home(folder: str) -> Iterator[None]:
    """NNI's experiments and our caches under a folder; NNI on this machine alone."""
    changed = {
        "HOME": folder,
        "EDNAS_CACHE": str(Path(folder) / "cache"),
        "NODE_OPTIONS": exposure.node_options(),
        "PATH": exposure.path_variable(),
    }
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what waits for longer: an engine that hangs is one failed cell."""

    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"not over after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def end_children() -> None:
    """Processes that an experiment of this process left behind."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "nni" in " ".join(child.cmdline()):
                child.kill()


def end_processes_of(experiment: str) -> None:
    """Processes that belong to an experiment, by command line or environment."""
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.info["cmdline"] or [])
            if experiment in words or process.environ().get("NNI_EXP_ID") == experiment:
                process.kill()
