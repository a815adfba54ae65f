"""Everything about an experiment that can be found out without starting NNI or training anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni import plugins
from ednas_nni.bridge.manager import experiment_file as experiment
from ednas_nni.bridge.manager.experiment_file import ExperimentFile
from ednas_nni.bridge.manager.exposure import RISK
from ednas_nni.errors import EdnasError, StudyError, did_you_mean
from ednas_nni.search import assembly
from ednas_nni.study import read_experiment

if TYPE_CHECKING:
    from ednas_nni.cost.plan import Plan
    from ednas_nni.search.problem import Problem


@dataclass
class Findings:
    """What `examine` found.

    Attributes:
        path: The YAML file.
        file: It parsed; None when that failed.
        errors: One line per fault; a search would fail with them.
        warnings: One line per thing that works but is probably not meant.
        info: Facts about the data.
        tasks: Task plugins by name.
        space: The model space.
        weights: What networks start from beside the seed: name -> fingerprint.
        table: Its cost table.
        problem: What the strategy is asked.
        strategy: The strategy.
        reward: Arguments of HardwareAware, None where none is mounted.
        members: Architecture id -> name, of the members under `start`.
        plan: `hardware.plan.Plan`: what the space costs and what the constraints leave of it.
        references: `references.Comparison` that `delta_t` is measured against, None where there is none.
        needs_data: Whether trials read the data set (the stub evaluator does not).
    """

    path: Path
    file: ExperimentFile | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    info: Any = None
    tasks: dict[str, Any] = field(default_factory=dict)
    space: Any = None
    weights: dict[str, str] = field(default_factory=dict)
    table: Any = None
    problem: Problem | None = None
    strategy: Any = None
    reward: dict[str, Any] | None = None
    members: dict[str, str] = field(default_factory=dict)
    starts: list[dict[str, Any]] = field(default_factory=list)
    plan: Plan | None = None
    references: Any = None
    needs_data: bool = True

    def attempt(self, what: str, action: Callable[[], Any]) -> Any:
        """Run one step; a failure becomes a line and the result None."""
        try:
            return action()
        except EdnasError as error:
            self.report(str(error))
        except Exception as error:  # a plugin's own mistake: still one line, not a traceback
            if os.environ.get("EDNAS_DEBUG"):
                raise
            text = " ".join(str(error).split()) or "no message"
            self.report(f"{what}: {type(error).__name__}: {text} (EDNAS_DEBUG=1 shows where)")
        return None

    def report(self, text: str) -> None:
        """Take in an error; each line once, without the file's name, which stands above all of them."""
        for line in text.splitlines():
            line = line.removeprefix(f"{self.path}: ")
            if line and line not in self.errors:
                self.errors.append(line)


def examine(path: str | Path, changes: Mapping[str, Any] | None = None) -> Findings:
    """Check an experiment file in every way that does not need NNI to run.

    Args:
        path: The YAML file.
        changes: Fields of NNI's that the command line sets instead of the file.
    """
    found = Findings(Path(path))
    config = found.attempt("file", lambda: experiment.load(found.path))
    if config is None:
        return found
    config.update(changes or {})
    found.errors += experiment.faults(found.path, config)
    parsed = found.attempt("study", lambda: read_experiment(found.path))
    if parsed is None:
        return found
    found.file = ExperimentFile(found.path, config, parsed[1])
    if not found.errors:
        found.attempt("NNI", lambda: _ask_nni(found.file))
    _plugins(found)
    if found.space is not None:
        _costs(found)
    _strategy(found)
    _remarks(found)
    return found


def _ask_nni(file: ExperimentFile) -> None:
    """NNI's own reading of the file, for the fields that are not ours (training services, durations, ...)."""
    from nni.experiment.config import ExperimentConfig

    try:
        ExperimentConfig(**file.resolved()).validate()
    except Exception as error:
        text = " ".join(str(error).split()) or "an assertion failed"
        raise EdnasError(
            f"NNI does not accept this file: {type(error).__name__}: {text}. Its fields are described at "
            "https://nni.readthedocs.io/en/stable/reference/experiment_config.html"
        ) from None


def _plugins(found: Findings) -> None:
    """Data, tasks, evaluator and space, each on its own so that one fault does not hide the next."""
    study = found.file.study
    evaluator = found.attempt("evaluator", lambda: plugins.load("evaluators", study.evaluator.name))
    found.needs_data = bool(getattr(evaluator, "needs_network", True))
    source = found.attempt("data", lambda: assembly.data_source(study))
    if source is not None:
        found.info = source.info
        found.tasks = found.attempt("tasks", lambda: assembly.task_objects(study)) or {}
    else:
        for name in study.tasks:
            found.attempt("tasks", lambda name=name: plugins.load("tasks", name))
    if evaluator is not None:
        compared = found.attempt("reference", lambda: assembly.references(study, str(found.path)))
        if compared is not None:
            found.references, lacking = compared
            found.warnings += lacking.splitlines()
            # A fault of the data or of a task has been told above.
            make = assembly.checked_evaluator if found.tasks else assembly.evaluator
            found.attempt("evaluator", lambda: make(study, found.references))
    for entry in study.device:
        found.attempt("device", lambda entry=entry: assembly.device(entry))
    if found.tasks:
        found.space = found.attempt("space", lambda: assembly.space(study))
        if found.space is not None:
            found.weights = found.attempt("weights", lambda: assembly.initial_weights(study, found.space)) or {}
    else:
        found.attempt("space", lambda: plugins.load("search_spaces", study.space.name))


def _costs(found: Findings) -> None:
    """Prices, objectives, constraints and named members."""
    study = found.file.study
    before = len(found.errors)
    found.table = found.attempt("cost table", lambda: assembly.cost_table(study, found.space))
    if found.table is None:
        return
    found.problem = found.attempt("objectives", lambda: assembly.problem(study, found.table))
    found.starts = found.attempt("start", lambda: assembly.start_samples(study, found.space)) or []
    names = zip(study.start, found.starts, strict=False)
    found.members = {found.table.domains.architecture_id(sample): name for name, sample in names}
    if found.problem is None or len(found.errors) > before:
        return
    # The most favourable values take seconds to find and are needed only to refuse: `ednas plan` always has them.
    found.plan = found.attempt("costs", lambda: assembly.plan(study, found.table, reach=lambda kept: kept.count == 0))
    if found.plan is not None:
        found.attempt("constraints", lambda: assembly.check_plan(found.problem, found.plan))


def _strategy(found: Findings) -> None:
    study = found.file.study
    found.strategy = found.attempt("strategy", lambda: assembly.strategy(study, found.starts))
    if found.strategy is None:
        return
    single = not getattr(found.strategy, "multi_objective", False)
    found.reward = found.attempt("hardware_aware", lambda: assembly.hardware_reward(study, single))
    if found.reward is not None:
        found.attempt("hardware_aware", lambda: _check_reward(found))


def _check_reward(found: Findings) -> None:
    from ednas_nni.study.objectives import check_reward

    check_reward(found.reward["reward"], found.reward["target"], found.reward["weight"])
    names = found.table.names if found.table is not None else (found.reward["cost"],)
    if found.reward["cost"] not in names:
        raise StudyError(
            f"hardware_aware.cost = {found.reward['cost']!r}: is no cost.{did_you_mean(found.reward['cost'], names)}"
        )


def _remarks(found: Findings) -> None:
    """Things that work but are probably not meant."""
    file = found.file
    if file.study.allow_open_port:
        found.warnings.append(f"allow_open_port: NNI will listen on every address of this machine; {RISK}.")
    if file.trials is None:
        found.warnings.append("maxTrialNumber is missing: the search goes on until it is stopped.")
    cores = os.cpu_count() or 1
    concurrency = file.concurrency
    if found.needs_data and file.platform == "local" and isinstance(concurrency, int) and concurrency > cores:
        found.warnings.append(
            f"trialConcurrency = {concurrency}: this machine has {cores} cores; trials will wait for each other."
        )
    if found.plan is not None and not found.errors:
        from ednas_nni.cost.advice import advice

        found.warnings += advice(found.plan)
    if found.problem is not None and not found.errors:
        for name, sample in zip(file.study.start, found.starts, strict=False):
            reasons = found.problem.violations(sample)
            if reasons:
                found.warnings.append(
                    f"start: {name} lies outside the constraints and will not be trained: {'; '.join(reasons)}"
                )
