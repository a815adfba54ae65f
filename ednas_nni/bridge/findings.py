"""Everything about an experiment that can be said without starting NNI or training anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ednas_nni import plugins
from ednas_nni.bridge import capacity
from ednas_nni.bridge.manager import experiment_file as experiment
from ednas_nni.bridge.manager.experiment_file import ExperimentFile
from ednas_nni.bridge.manager.exposure import RISK
from ednas_nni.bridge.manager.places import settings_faults
from ednas_nni.bridge.manager.services import service_of
from ednas_nni.data.survey import unlabelled
from ednas_nni.errors import EdnasError, did_you_mean, place_of
from ednas_nni.search.assembled import Assembled, device
from ednas_nni.search.checks import check_finish, check_first_proposal, check_plan
from ednas_nni.search.taking_over import sources

if TYPE_CHECKING:
    from ednas_nni.cost.plan import Plan
    from ednas_nni.cost.table import CostTable

T = TypeVar("T")
FAR = 10.0
"""A target of a reward may lie so many times outside of what the space costs."""


@dataclass
class Findings:
    """What `examine` has to say of a YAML file.

    Attributes:
        assembled: Its study, put together as far as that went. Without errors every piece of it is there.
        plan: What the space costs and what the constraints leave of it; None where there are errors.
        errors: One line per fault; a search would fail with them.
        warnings: One line per thing that works but is probably not meant; `notes` are none of those, but good to know.
    """

    path: Path
    file: ExperimentFile | None = None
    assembled: Assembled | None = None
    plan: Plan | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, what: str, action: Callable[[], T]) -> T | None:
        """Run one step; a failure becomes a line and the result None."""
        try:
            return action()
        except EdnasError as error:
            self.report(str(error))
        except Exception as error:  # a plugin's own mistake: still one line, not a traceback
            if os.environ.get("EDNAS_DEBUG"):
                raise
            text = " ".join(str(error).split()) or "no message"
            self.report(f"{what}: {type(error).__name__}: {text}{place_of(error)} (EDNAS_DEBUG=1 shows the way there)")
        return None

    def report(self, text: str) -> None:
        """Take in an error; each line once, without the file's name, which stands above all of them."""
        for line in text.splitlines():
            line = line.removeprefix(f"{self.path}: ")
            if line and line not in self.errors:
                self.errors.append(line)


def examine(path: str | Path, changes: Mapping[str, object] | None = None, study: Iterable[str] = ()) -> Findings:
    """Check an experiment file in every way that does not need NNI to run.

    With `changes` to NNI's fields; those of the `study` are `FIELD=VALUE`.
    """
    findings = Findings(Path(path))
    config = findings.attempt("file", lambda: experiment.load(findings.path))
    if config is None:
        return findings
    config.update(changes or {})
    findings.errors += experiment.faults(findings.path, config)
    file = findings.attempt("study", lambda: experiment.read(findings.path, study))
    if file is None:
        return findings
    file.config.update(changes or {})
    assembled = Assembled(file.study, str(findings.path))
    findings.file, findings.assembled = file, assembled
    if not findings.errors:
        findings.attempt("NNI", lambda: _ask_nni(file))
    table = _costs(findings, assembled) if _plugins(findings, assembled) else None
    _strategy(findings, assembled, table, file.trials)
    if not findings.errors:
        _capacity(findings, file, assembled)
    _remarks(findings, file, assembled)
    return findings


def _ask_nni(file: ExperimentFile) -> None:
    """NNI's own reading of the file, for the fields that are not ours (training services, durations, ...)."""
    from nni.experiment.config import ExperimentConfig

    faults = settings_faults()
    if faults:
        raise EdnasError("\n".join(faults))
    try:
        ExperimentConfig(**file.resolved()).validate()
    except Exception as error:
        text = " ".join(str(error).split()) or "an assertion failed"
        raise EdnasError(
            f"NNI does not accept this file: {type(error).__name__}: {text}. Its fields are described at "
            "https://nni.readthedocs.io/en/stable/reference/experiment_config.html"
        ) from None


def _plugins(findings: Findings, assembled: Assembled) -> bool:
    """Data, tasks, evaluator and space, each on its own so that one fault does not hide the next.

    Returned is whether there is a space, so that costs can be looked at.
    """
    study = assembled.study
    source = findings.attempt("data", lambda: assembled.source)
    tasks = None if source is None else findings.attempt("tasks", lambda: assembled.tasks)
    if source is None:
        for name in study.tasks:
            findings.attempt("tasks", lambda name=name: plugins.load("tasks", name))  # type: ignore[misc]
    elif tasks:
        for label in dict.fromkeys(label for task in tasks.values() for label in task.requires):
            for line in unlabelled(label, source):
                findings.report(f"data: {line}")
    if findings.attempt("evaluator", lambda: assembled.evaluator_plugin) is not None:
        baselines = findings.attempt("reference", lambda: assembled.baselines)
        if baselines is not None:
            findings.notes += baselines[1].splitlines()
            # A fault of the data or of a task is among the errors already.
            findings.attempt("evaluator", lambda: assembled.checked_evaluator if tasks else assembled.evaluator)
    for entry in study.device:
        findings.attempt("device", lambda entry=entry: device(entry))  # type: ignore[misc]
    if not tasks:
        findings.attempt("space", lambda: plugins.load("search_spaces", study.space.name))
        return False
    space = findings.attempt("space", lambda: assembled.space)
    if space is not None:
        findings.attempt("weights", lambda: assembled.weights)
    return space is not None


def _costs(findings: Findings, assembled: Assembled) -> CostTable | None:
    """Prices, objectives, constraints and named members. Returns the prices."""
    before = len(findings.errors)
    table = findings.attempt("cost table", lambda: assembled.table)
    if table is None:
        return None
    findings.attempt("objectives", lambda: assembled.problem)
    findings.attempt("start", lambda: assembled.starts)
    if len(findings.errors) > before:
        return table
    # The most favourable values take seconds to find and are needed only to reject: `ednas plan` always has them.
    plan = findings.attempt("costs", lambda: assembled.plan(reach=lambda share: share.count == 0))
    if plan is not None:
        findings.plan = plan
        findings.attempt("constraints", lambda: check_plan(assembled, plan))
    return table


def _strategy(findings: Findings, assembled: Assembled, table: CostTable | None, trials: int | None) -> None:
    if findings.attempt("strategy", lambda: assembled.strategy) is None:
        return
    reward = findings.attempt("hardware_aware", lambda: assembled.reward)
    if reward is not None and table is not None and reward["cost"] not in table.names:
        hint = did_you_mean(reward["cost"], table.names)
        findings.report(f"hardware_aware.cost = {reward['cost']!r}: is not a cost.{hint}")
    elif reward is not None and findings.plan is not None:
        quantiles = findings.plan.summary(reward["cost"]).quantiles
        least, most = quantiles[0.0], quantiles[1.0]
        if not least / FAR <= reward["target"] <= most * FAR:
            findings.report(
                f"hardware_aware.target = {reward['target']:g}: {reward['cost']} of this space is from {least:.4g} to "
                f"{most:.4g}. Write a target in or near that range."
            )
    if findings.plan is not None and not findings.errors:
        findings.attempt("strategy", lambda: check_first_proposal(assembled))
        findings.attempt("finish", lambda: check_finish(assembled, trials))
        findings.attempt("start_from", lambda: list(sources(assembled)))


def _capacity(findings: Findings, file: ExperimentFile, assembled: Assembled) -> None:
    """What the first trials would stumble over, though every field is right by itself."""
    checks = [capacity.of_study, capacity.of_places]
    if file.platform == "local":
        checks.append(capacity.of_machine)
    for check in checks:
        for line in findings.attempt("evaluator", lambda check=check: list(check(file, assembled))) or ():  # type: ignore[misc]
            findings.report(line)
    if (service := service_of(file)) is not None:
        for line in findings.attempt("machines", lambda: service.faults(file, assembled)) or ():
            findings.report(line)
    findings.warnings += capacity.remarks(file)


def _remarks(findings: Findings, file: ExperimentFile, assembled: Assembled) -> None:
    """Things that work but are probably not meant."""
    if file.study.allow_open_port:
        findings.warnings.append(f"allow_open_port: NNI will listen on every address of this machine; {RISK}.")
    if file.trials is None:
        unfinished = ", and `finish` begins only where the strategy has nothing left" if file.study.finish else ""
        findings.warnings.append(f"maxTrialNumber is missing: the search goes on until it is stopped{unfinished}.")
    cores, concurrency = os.cpu_count() or 1, file.concurrency
    crowded = file.platform == "local" and isinstance(concurrency, int) and concurrency > cores
    if crowded and findings.attempt("evaluator", lambda: assembled.needs_network):
        findings.warnings.append(
            f"trialConcurrency = {concurrency}: this machine has {cores} cores; trials will wait for each other."
        )
    if findings.plan is None or findings.errors:
        return
    from ednas_nni.cost.plan import advice, loose  # imports torch

    findings.warnings += advice(findings.plan)
    findings.notes += loose(findings.plan)
    for name, sample in zip(file.study.start, assembled.starts, strict=True):
        reasons = assembled.problem.violations(sample)
        if reasons:
            findings.warnings.append(
                f"start: {name} lies outside the constraints and will not be trained: {'; '.join(reasons)}"
            )
