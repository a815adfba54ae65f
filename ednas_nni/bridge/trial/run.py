"""One trial, in this process.

It reads the study from the manager's record of the experiment, takes the parameters that are booked on its own job,
proves which architecture they are, builds exactly that network and lets the evaluator train and report it.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.trial import cancelled
from ednas_nni.bridge.trial.phases import Phases
from ednas_nni.errors import EdnasError, TrialError
from ednas_nni.record.failures import CAUSE, cause_of

if TYPE_CHECKING:
    from ednas_nni.baselines import Comparison
    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.record.head import JournalHead
    from ednas_nni.search.assembled import Assembled


def here(arguments: list[str]) -> int:
    """Run one trial in this process. Returns the exit code."""
    phases = Phases()
    phases.mark("start")
    parser = argparse.ArgumentParser(prog="python -m ednas_nni.bridge.trial", description=__doc__)
    parser.add_argument(
        "--study", help="experiment YAML; needed where NNI's manager cannot be reached (remote training services)"
    )
    options = parser.parse_args(arguments)
    try:
        _begin()
        _run(options.study, phases)
    except Exception as error:
        if not isinstance(error, EdnasError):
            traceback.print_exc()
        print(f"{CAUSE}{cause_of(error)}", file=sys.stderr, flush=True)
        return 1
    return 0


def _begin() -> None:
    """What every trial of this machine does first: it tells who it is, and ends an earlier process of its job."""
    folder = os.environ.get("NNI_OUTPUT_DIR")
    if folder and os.environ.get("NNI_PLATFORM") == "local":
        cancelled.listen()
        orphans.announce(Path(folder))


def _run(study_file: str | None, phases: Phases) -> None:
    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.bridge.trial.limits import share_cores

    url, job = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", ""), os.environ.get("NNI_TRIAL_JOB_ID", "")
    if not url.startswith("http") or not job:
        raise TrialError("this module is started by NNI; to search, run `ednas search FILE.yml` or `nnictl create`.")
    manager = Manager.of_trial_channel(url) if os.environ.get("NNI_PLATFORM") == "local" else None
    experiment, study = _read_study(manager, study_file)
    threads = share_cores(int(experiment.get("trialConcurrency") or 1))

    import nni  # numpy with it, so only after the number of threads is set

    from ednas_nni.bridge.trial.channel import install
    from ednas_nni.bridge.trial.limits import time_limit

    channel = install(url, job, manager)
    domains, references = _check_against_journal()
    sample = nni.get_next_parameter()
    if not isinstance(sample, dict):
        raise TrialError(f"NNI handed out {sample!r} instead of an architecture.")
    phases.mark("parameters")
    with time_limit(study.trial_time_limit_s):
        _train(study, sample, channel, domains, references, threads, phases)
    phases.write()


def _read_study(manager: Manager | None, study_file: str | None) -> tuple[dict[str, Any], Any]:
    """The experiment's configuration and its study."""
    from ednas_nni.study import parse, read_experiment

    if manager is not None:
        experiment = manager.experiment()["params"]
        return experiment, parse(experiment["tuner"].get("classArgs"))
    if study_file:
        return read_experiment(study_file)
    raise TrialError(
        "NNI's manager is out of reach of this trial. Ship the experiment's YAML with the code and write "
        "`trialCommand: python3 -m ednas_nni.bridge.trial --study experiments/ednas.yml`."
    )


def _check_against_journal() -> tuple[Any, Any]:
    """What the journal's head says, after checking that both sides run the same program.

    Returns:
        Domains of the space, and the references of `delta_t` (None where the search has none); both None where the
        journal is on another machine.
    """
    from ednas_nni.bridge.head import changed_program

    head = journal_head()
    if head is None:
        return None, None
    if program := changed_program(head):
        raise TrialError(f"{program} Or give its interpreter in `trialCommand`.")
    return head.search_space(), head.references


def journal_head() -> JournalHead | None:
    """What the search wrote down at its start; None where its journal is on another machine."""
    from ednas_nni.record.head import JournalHead  # numpy with it, see `_run`
    from ednas_nni.record.journal import FILE, FOLDER, read

    here = Path(os.environ.get("NNI_SYS_DIR", ".")).resolve()
    path = next((p / FOLDER / FILE for p in here.parents if (p / FOLDER / FILE).exists()), None)
    first = None if path is None else next(read(path), None)
    return first if isinstance(first, JournalHead) else None


def _check_weights(weights: dict[str, str]) -> None:
    """Refuse to start from other weights than the search's first trials did."""
    from ednas_nni.bridge.head import changed_weights

    head = journal_head()
    changed = changed_weights(head, weights) if head is not None else ""
    if changed:
        raise TrialError(f"{changed}: the file has another content than when the search began. Put it back.")


def _train(
    study: Any, sample: dict[str, Any], channel: Any, domains: Any, references: Any, threads: int, phases: Phases
) -> None:
    from ednas_nni.bridge.trial import studies

    assembled = studies.assembled(study)
    if assembled.needs_network:
        _train_network(assembled, sample, channel, domains, references, threads, phases)
        return
    if domains is None:  # the journal is on another machine
        domains = assembled.domains
    sample = domains.canonical(sample)
    channel.prove(domains.architecture_id(sample))
    assembled.evaluator.evaluate(sample)
    phases.mark("evaluation")


def _train_network(
    assembled: Assembled,
    sample: dict[str, Any],
    channel: Any,
    domains: Any,
    references: Any,
    threads: int,
    phases: Phases,
) -> None:
    import torch

    from ednas_nni.nn.tree import build

    torch.set_num_threads(threads)
    phases.mark("imports")
    if domains is not None and assembled.domains.to_json() != domains.to_json():
        raise TrialError(
            "the search space of this trial differs from the one the search was started with: its code was changed "
            "meanwhile. Stop the experiment and start a new one."
        )
    _check_weights(assembled.weights)
    sample = assembled.domains.canonical(sample)
    architecture = assembled.domains.architecture_id(sample)
    print(f"architecture {architecture}", flush=True)
    channel.prove(architecture)
    evaluator = assembled.evaluator_against(_baselines(assembled, references))
    evaluator.seed_everything()
    network = build(assembled.space, sample)
    phases.mark("network")
    evaluator.evaluate(network)
    phases.mark("evaluation")
    _keep_examples(evaluator, network)
    phases.mark("examples")


def _baselines(assembled: Assembled, recorded: Any) -> Comparison | None:
    """The single-task baselines that the search began with, so that all its trials are measured against the same ones.

    Without a journal at hand, or where there were none at the start, they are looked up; that there are none is said.
    """
    from ednas_nni.baselines import Comparison  # numpy with it, so only after the number of threads is set

    if recorded is not None:
        return Comparison.parse(recorded)
    comparison, lacking = assembled.baselines
    if lacking:
        print(lacking, flush=True)
    return comparison


def _keep_examples(evaluator: Any, network: Any) -> None:
    """Example predictions for the report, beside the trial's log. The result is reported already: it must stand."""
    folder = os.environ.get("NNI_OUTPUT_DIR")
    if not folder:
        return
    import numpy as np

    try:
        if arrays := evaluator.example_predictions(network):
            np.savez_compressed(Path(folder) / "examples.npz", **arrays)
    except Exception:
        print("ednas: no example predictions are kept for the report:", file=sys.stderr)
        traceback.print_exc()
