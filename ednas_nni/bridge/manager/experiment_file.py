"""The experiment's YAML as NNI sees it: the fields around the study, and what may stand in them."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ednas_nni.bridge.manager.exposure import check_platform, path_variable
from ednas_nni.bridge.manager.places import HOME
from ednas_nni.bridge.manager.processes import BIN
from ednas_nni.bridge.messages import Experiment, whole_number
from ednas_nni.errors import ExperimentError, StudyError, did_you_mean, quoted
from ednas_nni.study import ADVISOR, Study, parse, read_experiment, read_mapping
from ednas_nni.study.plain_data import user_path

TRIAL_MODULE = "ednas_nni.bridge.trial"
TRIAL_COMMAND = f"python3 -m {TRIAL_MODULE}"
PLATFORMS = ("local", "remote", "openpai", "aml", "kubeflow", "frameworkcontroller", "adl", "dlc")
FIELDS = (
    "experimentName", "experimentType", "searchSpace", "searchSpaceFile", "trialCommand", "trialCodeDirectory",
    "trialConcurrency", "trialGpuNumber", "maxExperimentDuration", "maxTrialNumber", "maxTrialDuration", "nniManagerIp",
    "useAnnotation", "debug", "logLevel", "experimentWorkingDirectory", "tunerGpuIndices", "tuner", "trainingService",
    "sharedStorage",
)  # fmt: skip
TUNER_FIELDS = ("name", "className", "codeDirectory", "classArgs")
MOST_TRIALS = 100_000
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_S = 3650 * 86400
SHELL = ("|", "||", "&", "&&", ";", "2>", "2>&1", ">", ">>")
PATHS = ("searchSpaceFile", "trialCodeDirectory", "experimentWorkingDirectory")


@dataclass(frozen=True)
class ExperimentFile:
    """A parsed experiment: all of the file, field names as in NNI's documentation, and its `tuner.classArgs`."""

    path: Path
    config: Experiment
    study: Study

    @property
    def trials(self) -> int | None:
        """The field maxTrialNumber; None: until stopped."""
        return whole_number(self.config, "maxTrialNumber")

    @property
    def concurrency(self) -> int:
        """The field trialConcurrency."""
        return whole_number(self.config, "trialConcurrency") or 1

    @property
    def platform(self) -> str:
        """Training service; "hybrid" for a list of several."""
        service = self.config.get("trainingService")
        return str(service.get("platform", "local")) if isinstance(service, dict) else "hybrid"

    @property
    def experiments_folder(self) -> Path:
        """Where NNI puts this experiment."""
        return self.resolve(str(self.config.get("experimentWorkingDirectory") or HOME))

    def resolve(self, value: str) -> Path:
        """A path of the file: NNI counts from the YAML's folder."""
        return (self.path.resolve().parent / user_path(value)).resolve()

    def resolved(self) -> Experiment:
        """The same experiment with absolute paths, so that a copy of it may lie anywhere."""
        config = {**self.config, "trialCodeDirectory": self.config.get("trialCodeDirectory") or "."}
        config.update({name: str(self.resolve(str(config[name]))) for name in PATHS if config.get(name)})
        tuner = config["tuner"]
        if isinstance(tuner, dict) and tuner.get("codeDirectory"):
            config["tuner"] = {**tuner, "codeDirectory": str(self.resolve(tuner["codeDirectory"]))}
        config.setdefault("experimentName", self.path.stem)
        return config


def load(path: Path) -> Experiment:
    """The file as a mapping, with NNI's field names; StudyError: it cannot be read or is no YAML mapping."""
    return _documented(read_mapping(path))


def _documented(config: Mapping[str, object]) -> Experiment:
    names = {name.lower(): name for name in FIELDS}  # NNI ignores cases and underscores in field names
    return {names.get(str(k).replace("_", "").lower(), str(k)): value for k, value in config.items()}


def read(path: str | Path, changes: Iterable[str] = ()) -> ExperimentFile:
    """Read an experiment; StudyError has one line per fault of file or study. Other fields are checked by `faults`.

    `changes` of the study are `FIELD=VALUE`.
    """
    config, study = read_experiment(path, changes)
    return ExperimentFile(Path(path), _documented(config), study)


def of_experiment(folder: Path) -> ExperimentFile:
    """An experiment that was started before, as it was handed to NNI; EdnasError: nothing says what it was."""
    from ednas_nni.bridge.manager.launch import known_config  # imports NNI's launcher

    config = known_config(folder)
    tuner = config.get("tuner")
    if not isinstance(tuner, dict):
        raise ExperimentError(
            f"experiment {folder.name} was not started by `ednas search` or `nnictl create`. From Python: "
            f"ednas_nni.experiment(study, id={folder.name!r}).resume()"
        )
    path = folder / f"{config.get('experimentName') or folder.name}.yml"
    return ExperimentFile(path, {**config, "experimentWorkingDirectory": str(folder.parent)}, parse(tuner["classArgs"]))


def faults(path: Path, config: Experiment) -> list[str]:
    """What is wrong with the fields around the study, one line each: field, value, what is allowed, the way out."""
    texts = [f"unknown field {quoted(key)}.{did_you_mean(key, FIELDS)}" for key in config if key not in FIELDS]
    texts += _count(config, "trialConcurrency", required=True)
    texts += _count(config, "maxTrialNumber", required=False)
    texts += [text for name in ("maxExperimentDuration", "maxTrialDuration") for text in _duration(config, name)]
    if config.get("experimentType", "hpo") != "hpo":
        texts.append(f"experimentType = {config['experimentType']!r}: nnictl can start 'hpo' only; remove the line.")
    if config.get("useAnnotation"):
        texts.append("useAnnotation = True: NNI 3.0 cannot do that; remove the line.")
    if config.get("searchSpace", {}) != {}:
        texts.append(
            f"searchSpace = {quoted(config['searchSpace'])}: is not searched; the study names the space. Write "
            "`searchSpace: {}`."
        )
    if "searchSpace" not in config and "searchSpaceFile" not in config:
        texts.append("searchSpace: is missing. Write `searchSpace: {}`; the study's space is published in its place.")
    texts += _tuner(path, config.get("tuner"))
    texts += _folder(path, config, "trialCodeDirectory")
    working = config.get("experimentWorkingDirectory")
    if working is not None and not (isinstance(working, str) and working):
        texts.append(f"experimentWorkingDirectory = {quoted(working)}: must be a folder. Remove the line for {HOME}.")
    platform = _platform(config)
    if platform not in PLATFORMS and platform != "hybrid":
        return [*texts, f"trainingService.platform = {quoted(platform)}: unknown.{did_you_mean(platform, PLATFORMS)}"]
    tuner = config.get("tuner")
    study = tuner.get("classArgs") if isinstance(tuner, dict) else None
    try:
        check_platform(config, isinstance(study, dict) and study.get("allow_open_port") is True)
    except StudyError as error:
        texts.append(str(error))
    return [*texts, *_trial_command(path, config.get("trialCommand"), platform)]


def _platform(config: Experiment) -> object:
    service = config.get("trainingService")
    if isinstance(service, list) and service:
        return "hybrid"
    return service.get("platform") if isinstance(service, dict) else service


def _count(config: Experiment, name: str, required: bool) -> list[str]:
    value = config.get(name)
    if value is None:
        return [f"{name}: is missing. Write a whole number, for example `{name}: 2`."] if required else []
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TRIALS:
        rest = "" if required else " Without the line a search goes on until it is stopped."
        return [f"{name} = {quoted(value)}: must be a whole number of at least 1 and at most {MOST_TRIALS}.{rest}"]
    return []


def _duration(config: Experiment, name: str) -> list[str]:
    value = config.get(name)
    if value is None:
        return []
    seconds = value
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([smhd]?)\s*", value)
        seconds = float(match[1]) * SECONDS[match[2]] if match else None
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 1 <= seconds <= LONGEST_S
    return [] if good else [f"{name} = {quoted(value)}: must be a time from 1s to 3650d, such as 90s, 45m, 3h or 2d."]


def _tuner(path: Path, tuner: object) -> list[str]:
    if not isinstance(tuner, dict):
        return []  # read_experiment says it
    texts = [
        f"tuner: unknown field {quoted(key)}.{did_you_mean(key, TUNER_FIELDS)}"
        for key in tuner
        if key not in TUNER_FIELDS
    ]
    if tuner.get("className") == ADVISOR:
        if tuner.get("codeDirectory") is None:
            texts.append("tuner.codeDirectory: is missing; NNI wants one beside `className`. Write `codeDirectory: .`")
        else:
            texts += _folder(path, tuner, "codeDirectory", "tuner.")
    elif tuner.get("name") == "EDNAS":
        from ednas_nni.bridge.manager.register import registered

        if "codeDirectory" in tuner:
            texts.append("tuner.codeDirectory: NNI does not allow it beside `name`; remove it.")
        if not registered():
            texts.append(
                f"tuner.name = 'EDNAS': not known to NNI yet. Run `ednas register`, or write `className: {ADVISOR}`."
            )
    return texts


def _folder(path: Path, owner: Mapping[str, object], name: str, prefix: str = "") -> list[str]:
    """Folders count from the YAML's own folder; one above it would be copied whole to every training machine."""
    value = owner.get(name)
    if value is None:
        return []
    if not isinstance(value, str) or not value:
        return [f"{prefix}{name} = {quoted(value)}: must be a folder. Write `.`, the YAML's own folder."]
    home = path.resolve().parent
    try:
        folder = (home / user_path(value)).resolve()
        exists = folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, nobody's home
        return [f"{prefix}{name} = {quoted(value)}: {error}. Write `.`, the YAML's own folder."]
    if not exists:
        return [f"{prefix}{name} = {quoted(value)}: {folder} is no folder (counted from the YAML's own). Write `.`"]
    if folder != home and home.is_relative_to(folder):
        return [
            f"{prefix}{name} = {quoted(value)}: is {folder}, which holds more than the experiment; NNI may copy all of "
            "it to other machines. Write `.`, the YAML's own folder."
        ]
    return []


def _trial_command(path: Path, command: object, platform: object) -> list[str]:
    remedy = f"Write `trialCommand: {TRIAL_COMMAND}`."
    if not isinstance(command, str) or not command.strip():
        return [f"trialCommand{f' = {quoted(command)}' if command else ''}: is missing. {remedy}"]
    try:
        words = shlex.split(command)
    except ValueError as error:
        return [f"trialCommand = {quoted(command)}: {error}. {remedy}"]
    if TRIAL_MODULE not in words:
        return [f"trialCommand = {quoted(command)}: does not start {TRIAL_MODULE}. {remedy}"]
    if fault := _trial_options(path, words[words.index(TRIAL_MODULE) + 1 :], platform):
        return [f"trialCommand = {quoted(command)}: {fault}. {remedy}"]
    if platform != "local":
        return []
    python = next((word for word in words if re.fullmatch(r"python[0-9.]*", Path(word).name)), None)
    if python is None:
        return []  # a script of the user's own; the trial checks its interpreter itself
    if words[words.index(python) + 1 : words.index(TRIAL_MODULE)][-1:] != ["-m"]:
        return [f"trialCommand = {quoted(command)}: {TRIAL_MODULE} is a module: it comes after `-m`. {remedy}"]
    program = shutil.which(python, path=path_variable())
    if program is None:
        return [f"trialCommand = {quoted(command)}: there is no {quoted(python)} here. {remedy}"]
    if Path(program).absolute().parent != BIN and Path(program).resolve() != Path(sys.executable):
        return [
            f"trialCommand = {quoted(command)}: would run {program}, but the search runs {sys.executable}. "
            "Write `python3` (this environment comes first), or that path."
        ]
    return []


def _trial_options(path: Path, words: list[str], platform: object) -> str:
    """What is wrong with the words after the trial's module, which takes `--study FILE` alone; "" where nothing is."""
    shell = next((i for i, word in enumerate(words) if word in SHELL or word[0:1] in "<>"), len(words))
    words = words[:shell]  # what the shell does with its output is its own
    if not words:
        return ""
    study = words[1] if len(words) == 2 and words[0] == "--study" else words[0].partition("--study=")[2]
    if not study or len(words) > 2:
        return f"a trial takes the option --study FILE alone, not {quoted(' '.join(words))}"
    try:
        read_experiment((path.resolve().parent / user_path(study)).resolve())
    except StudyError as error:
        return str(error).splitlines()[0].rstrip(".")
    return ""
