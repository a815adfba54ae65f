"""One trial, in this process.

It reads the study from the manager's record of the experiment, takes the parameters that are booked on its own job,
proves which architecture they are, builds exactly that network and lets the evaluator train and report it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.manager.processes import CALL
from ednas_nni.bridge.messages import Experiment, whole_number
from ednas_nni.bridge.trial import cancelled
from ednas_nni.bridge.trial.phases import Phases
from ednas_nni.errors import EdnasError, TrialError
from ednas_nni.record.failures import CAUSE, cause_of
from ednas_nni.record.parameters import TrialParameters
from ednas_nni.record.whole_file import write_whole

if TYPE_CHECKING:
    from torch import nn

    from ednas_nni.baselines import Comparison
    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.record.head import JournalHead
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.space.dimensions import Sample
    from ednas_nni.study import Study
    from ednas_nni.training.evaluator import Evaluator, NetworkEvaluator


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
    if folder and (os.environ.get("NNI_PLATFORM") == "local" or CALL in os.environ):
        cancelled.listen()
        orphans.announce(Path(folder))


def _run(study_file: str | None, phases: Phases) -> None:
    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.bridge.trial.limits import share_cores, time_limit

    url, job = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", ""), os.environ.get("NNI_TRIAL_JOB_ID", "")
    if not url.startswith("http") or not job:
        raise TrialError("this module is started by NNI; to search, run `ednas search FILE.yml` or `nnictl create`.")
    manager = Manager.of_trial()
    if manager is not None and CALL in os.environ:
        _fetch_journal(manager)
    experiment, study = _read_study(manager, study_file)
    threads = share_cores(whole_number(experiment, "trialConcurrency") or 1)

    import nni  # numpy with it, so only after the number of threads is set

    from ednas_nni.bridge.head import changed_program
    from ednas_nni.bridge.trial import studies
    from ednas_nni.bridge.trial.channel import install
    from ednas_nni.study import parse

    channel = install(url, job, manager)
    head = journal_head()
    if head is not None and (program := changed_program(head, elsewhere=CALL in os.environ)):
        raise TrialError(f"{program} Or give its interpreter in `trialCommand`.")
    study = study or parse(None if head is None else head.study)
    sample = nni.get_next_parameter()
    if not isinstance(sample, dict):
        raise TrialError(f"NNI handed out {sample!r} instead of an architecture.")
    phases.mark("parameters")
    with time_limit(study.trial_time_limit_s):
        TrialRun(studies.assembled(study), channel, head, phases, threads).train(sample)
    phases.write()


def _read_study(manager: Manager | None, study_file: str | None) -> tuple[Experiment, Study | None]:
    """The experiment's configuration and its study; None where only the journal has that (`ednas_nni.experiment`)."""
    from ednas_nni.study import parse, read_experiment

    if manager is not None:
        experiment = manager.experiment()["params"]
        tuner = experiment.get("tuner")
        if not isinstance(tuner, dict) or "classArgs" not in tuner:
            return experiment, None
        return experiment, parse(tuner["classArgs"])
    if study_file:
        return read_experiment(study_file)
    raise TrialError(
        "NNI's manager is out of reach of this trial. Ship the experiment's YAML with the code and write "
        "`trialCommand: python3 -m ednas_nni.bridge.trial --study experiments/ednas.yml`."
    )


def _fetch_journal(manager: Manager) -> None:
    """Copy the search's journal to this machine, above this trial's folder, where `journal_path` looks for it."""
    text = manager.patiently("ednas-journal")
    folder = Path(os.environ.get("NNI_SYS_DIR", ".")).resolve().parents[1]
    write_whole(folder / "ednas" / "journal.jsonl", text if isinstance(text, str) else json.dumps(text))


def journal_path() -> Path | None:
    """The journal of the search that this trial belongs to; None where it is on another machine."""
    from ednas_nni.record.journal import FILE, FOLDER  # numpy with it, see `_run`

    here = Path(os.environ.get("NNI_SYS_DIR", ".")).resolve()
    return next((p / FOLDER / FILE for p in here.parents if (p / FOLDER / FILE).exists()), None)


def journal_head() -> JournalHead | None:
    """What the search wrote down at its start; None where its journal is on another machine."""
    from ednas_nni.record.head import JournalHead  # numpy with it, see `_run`
    from ednas_nni.record.journal import read

    path = journal_path()
    first = None if path is None else next(read(path), None)
    return first if isinstance(first, JournalHead) else None


def booked_costs(key: str) -> Mapping[str, float]:
    """What the search wrote down that a training costs; {} where its journal is on another machine."""
    from ednas_nni.record.events import Submitted  # numpy with it, see `_run`
    from ednas_nni.record.journal import read
    from ednas_nni.record.parameters import key_of

    path = journal_path()
    for event in () if path is None else read(path):
        if isinstance(event, Submitted) and key_of(event.architecture, event.seed) == key:
            return event.costs
    return {}


class Prover(Protocol):
    """The part of `OwnedChannel` that a trial uses."""

    costs: Mapping[str, float]

    def prove(self, architecture: str) -> None:
        """Say which architecture this process trains, before it trains."""


@dataclass
class TrialRun:
    """One architecture of a study: proved, built, trained, reported.

    Attributes:
        assembled: The study.
        channel: To NNI's manager.
        head: Of the search's journal; None where that is on another machine.
        phases: Where the seconds go.
        threads: That torch may use.
    """

    assembled: Assembled
    channel: Prover
    head: JournalHead | None = None
    phases: Phases = field(default_factory=Phases)
    threads: int = 1

    def train(self, sample: Sample) -> None:
        """Train and report the network of a sample."""
        if self.assembled.needs_network:
            self._train_network(sample)
            return
        domains = self.assembled.domains if self.head is None else self.head.search_space()
        asked = TrialParameters.of(sample, domains)
        self.prove(asked.key(domains))
        self.evaluator(asked).evaluate(asked.sample)
        self.phases.mark("evaluation")

    def prove(self, key: str) -> None:
        """Tell NNI's manager what is trained here, and what it costs."""
        self.channel.costs = booked_costs(key)
        self.channel.prove(key)

    def evaluator(self, asked: TrialParameters) -> Evaluator:
        """The study's, or where a network is finished what trains it with the seed and the steps that are asked for."""
        if asked.seed is not None:
            return self.assembled.again(asked.seed, steps=asked.steps).evaluator_against(None)
        return self.assembled.evaluator_against(self.baselines() if self.assembled.needs_network else None)

    def _train_network(self, sample: Sample) -> None:
        import torch

        from ednas_nni.nn.tree import build
        from ednas_nni.training.evaluator import NetworkEvaluator

        torch.set_num_threads(self.threads)
        self.phases.mark("imports")
        domains = self.assembled.domains
        if self.head is not None and domains.to_json() != self.head.search_space().to_json():
            raise TrialError(
                "the search space of this trial differs from the one the search was started with: its code was changed "
                "meanwhile. Stop the experiment and start a new one."
            )
        self.check_data()
        self.check_weights(self.assembled.weights)
        asked = TrialParameters.of(sample, domains)
        key = asked.key(domains)
        print(f"architecture {key}", flush=True)
        self.prove(key)
        evaluator = self.evaluator(asked)
        if not isinstance(evaluator, NetworkEvaluator):
            raise TrialError(
                f"the evaluator is a {type(evaluator).__name__}, which is not a NetworkEvaluator of EDNAS."
            )
        evaluator.seed_everything()
        network = build(self.assembled.space, asked.sample)
        self.phases.mark("network")
        evaluator.evaluate(network)
        self.phases.mark("evaluation")
        self.keep_weights(key, network)
        self.phases.mark("weights")
        write_examples(evaluator, network)
        self.phases.mark("examples")

    def check_data(self) -> None:
        """Reject other data than those of the search's first trials.

        Raises:
            TrialError: A file has another content.
        """
        from ednas_nni.data.layouts.base import changed_data  # numpy with it, see `_run`

        if self.head is not None and (changed := changed_data(self.head.data, self.assembled.source)):
            raise TrialError(f"{changed} Or start a new search.")

    def keep_weights(self, key: str, network: nn.Module) -> None:
        """Leave the weights beside the journal, where the search keeps those of its front. The result is reported."""
        path = journal_path()
        if self.assembled.study.keep_weights == "none":
            return
        if path is None:
            print("the weights are not kept: this trial runs on another machine than the search", flush=True)
            return
        from ednas_nni.search.front_weights import write_weights  # torch

        write_weights(path.parent, key, network)

    def check_weights(self, weights: dict[str, str]) -> None:
        """Reject other initial weights than those of the search's first trials.

        Raises:
            TrialError: A file has another content.
        """
        from ednas_nni.bridge.head import changed_weights  # numpy with it, see `_run`

        if self.head is not None and (changed := changed_weights(self.head, weights)):
            raise TrialError(f"{changed}: the file has another content than when the search began. Put it back.")

    def baselines(self) -> Comparison | None:
        """The single-task baselines that the search began with, so that its trials are all measured against the same.

        Without a journal at hand, or where there were none at the start, they are looked up; that there are none is
        said.
        """
        from ednas_nni.baselines import Comparison  # numpy with it, so only after the number of threads is set

        if self.head is not None and self.head.references is not None:
            return Comparison.parse(self.head.references)
        comparison, lacking = self.assembled.baselines
        if lacking:
            print(lacking, flush=True)
        return comparison


def write_examples(evaluator: NetworkEvaluator, network: nn.Module) -> None:
    """Example predictions for the report, beside the trial's log. The result is reported already: it must stand."""
    folder = os.environ.get("NNI_OUTPUT_DIR")
    if not folder:
        return
    import numpy as np

    try:
        if arrays := evaluator.example_predictions(network):
            np.savez_compressed(Path(folder) / "examples.npz", allow_pickle=False, **arrays)
    except Exception:
        print("ednas: no example predictions are written for the report:", file=sys.stderr)
        traceback.print_exc()
