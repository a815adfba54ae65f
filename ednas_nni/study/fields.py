"""The study: what is searched, on what data, for which device. It is `tuner.classArgs` of the experiment's YAML.

It is parsed strictly into frozen objects: an unknown field is an error that suggests the right one. Nothing is
loaded or built here; plugin names and their options are checked in `ednas_nni.search.assembled`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    field_validator,
    model_validator,
)

from ednas_nni.errors import StudyError, quoted
from ednas_nni.study import messages, plain_data
from ednas_nni.study.changes import changed


class PluginChoice(BaseModel):
    """A plugin by name with its options. In YAML either `name` alone or `{name: ..., option: value}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    def dump(self) -> str | dict[str, Any]:
        """The short YAML form."""
        return {"name": self.name, **self.options} if self.options else self.name


def _plugin(value: object) -> object:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict):
        if "name" not in value:
            raise ValueError("needs a `name`, for example {name: ..., option: value}")
        return {"name": value["name"], "options": {k: v for k, v in value.items() if k != "name"}}
    if isinstance(value, PluginChoice):
        return value
    raise ValueError("must be a plugin name or {name: ..., option: value}")


def _device(value: object) -> object:
    """A device without options stays a plain name."""
    if isinstance(value, str):
        return value
    plugin = PluginChoice.model_validate(_plugin(value))
    return plugin if plugin.options else plugin.name


def _many(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _switch(value: object) -> object:
    """`true` = with its defaults, `false` = not at all."""
    return {} if value is True else None if value is False else value


PluginField = Annotated[PluginChoice, BeforeValidator(_plugin)]
Side = Annotated[int, Field(ge=32, le=8192, strict=True)]
Size = tuple[Side, Side]


class FieldGroup(BaseModel):
    """A field of a study that is a mapping of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HardwareReward(FieldGroup):
    """How a single-objective strategy is made hardware-aware (`hardware_aware:` in the study).

    Attributes:
        cost: Cost column that enters the reward.
        target: T0 in the cost's unit; by default the first `<=` bound on that cost.
        reward: `log`, `tunas_abs`, `one_sided_abs`, `mnas_soft` or `mnas_hard`; by default `log`, for `policy_gradient`
            `tunas_abs`.
        weight: Exponent or slope of the reward; for delta_t, in percent, it counts a hundredfold.
    """

    cost: str = "latency_ms"
    target: Annotated[float, Field(gt=0, strict=True)] | None = None
    reward: str = "log"
    weight: Annotated[float, Field(ge=-10, le=0, strict=True)] = -0.07


class FinishOptions(FieldGroup):
    """How the networks of a search's front are finished (`finish:` in the study).

    Attributes:
        networks: At most so many: the best, and those that hold most of the front's hypervolume.
        steps: Of each training, from inherited weights, else from random ones.
        seeds: Trainings of each network.
    """

    networks: Annotated[int, Field(ge=1, le=1000, strict=True)] = 6
    steps: Annotated[int, Field(ge=0, le=10**7, strict=True)] = 500
    seeds: Annotated[int, Field(ge=1, le=100, strict=True)] = 2

    @property
    def trials(self) -> int:
        """That it takes, at most."""
        return self.networks * self.seeds


class PruneOptions(FieldGroup):
    """Which trials are ended early (`prune:` in the study; `true` = with these defaults).

    Attributes:
        probability: How surely a trial must end dominated by a result of no greater cost.
        results: So many trials must have ended before any is pruned.
    """

    probability: Annotated[float, Field(ge=0.5, lt=1, strict=True)] = 0.95
    results: Annotated[int, Field(ge=4, le=100_000, strict=True)] = 8


class StopOptions(FieldGroup):
    """When a search ends before its trials are used up (`stop_when:` in the study; `true` = with these defaults).

    Attributes:
        hypervolume_gain_below: Share of the front's hypervolume that the last results have added.
        over: Number of these results.
    """

    hypervolume_gain_below: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.01
    over: Annotated[int, Field(ge=2, le=100_000, strict=True)] = 20


class Study(BaseModel):
    """A study with every default filled in.

    Attributes:
        space: Search space plugin.
        tasks: Task plugins trained together.
        data: Data set plugin.
        train_size: (height, width) in pixels that trials train at; multiples of 32.
        deploy_size: (height, width) in pixels that costs are priced at; padded to the networks' stride.
        deploy_outputs: What devices give: raw predictions, or an index for all scores of a class (docs/hardware.md).
        evaluator: Evaluator plugin.
        objectives: `quality` or `delta_t`, costs, and, with strategies that weigh objectives, metrics such as
            `max:segmentation_miou`.
        device: Devices (or `devices`): plugins, perhaps with a slash and the first option (`ethos_u/u55-256`), or
            absolute paths of YAML profiles.
        constraints: Limits such as `latency_ms <= 19`; no network outside them is trained.
        strategy: Strategy plugin.
        hardware_aware: `auto` = strategies with one objective see a reward of quality and the first cost objective.
        start: Members of the space that are trained first, whatever the strategy.
        start_from: Earlier searches (ids, folders or journals) whose results the search begins with (docs/planning.md).
        reference: Member whose single-task trainings (`ednas reference`) `delta_t` is measured against.
        init_from: File of weights (absolute path) from which every network takes what fits.
        seed: Of strategy and training; `strategy: {name: tpe, seed: 1}` gives the strategy its own.
        trial_start: Local trials are forked from a process that has imported everything, or each imports it itself.
        trial_time_limit_s: Seconds after which a trial has failed.
        retries: How often a trial that failed by accident (killed, out of memory, disk full) is started again.
        stop_after_failures: The search stops when its first so many trials have failed; 0 = never.
        keep_weights: Networks whose weights are kept beside the journal.
        finish: The last trials train networks of the front once more (docs/supernet.md).
        prune: Trials that will end dominated are ended early (docs/trials.md); `true` = with the defaults.
        stop_when: The search ends when the front has not grown for a while; `true` = with the defaults.
        allow_open_port: NNI may listen on every address of this machine: whoever reaches the port can run code here
            (docs/security.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: PluginField = PluginChoice(name="nano")
    tasks: Annotated[tuple[str, ...], BeforeValidator(_many)] = ("segmentation", "depth", "normals")
    data: PluginField = PluginChoice(name="rooms")
    train_size: Size = (64, 128)
    deploy_size: Size = (512, 1024)
    deploy_outputs: Literal["raw", "classes"] = "raw"
    evaluator: PluginField = PluginChoice(name="jared")
    objectives: Annotated[tuple[str, ...], BeforeValidator(_many)] = ("quality", "latency_ms")
    device: Annotated[tuple[Annotated[str | PluginChoice, BeforeValidator(_device)], ...], BeforeValidator(_many)] = (
        "edge_tpu",
    )
    constraints: Annotated[tuple[str, ...], BeforeValidator(_many)] = ()
    strategy: PluginField = PluginChoice(name="ednas")
    hardware_aware: Literal["auto", "off"] | HardwareReward = "auto"
    start: Annotated[tuple[str, ...], BeforeValidator(_many)] = ()
    start_from: Annotated[tuple[str, ...], BeforeValidator(_many)] = ()
    reference: str | None = None
    init_from: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32, strict=True)] = 0
    trial_start: Literal["prefork", "plain"] = "prefork"
    trial_time_limit_s: Annotated[float, Field(ge=1, le=365 * 24 * 3600, strict=True)] | None = None
    retries: Annotated[int, Field(ge=0, le=100, strict=True)] = 1
    stop_after_failures: Annotated[int, Field(ge=0, le=100_000, strict=True)] = 5
    keep_weights: Literal["front", "all", "none"] = "front"
    finish: FinishOptions | None = None
    prune: Annotated[PruneOptions | None, BeforeValidator(_switch)] = None
    stop_when: Annotated[StopOptions | None, BeforeValidator(_switch)] = None
    allow_open_port: StrictBool = False

    @field_validator("tasks", "objectives", "device")
    @classmethod
    def _not_empty_not_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("needs at least one entry")
        if any(entry in value[:i] for i, entry in enumerate(value)):
            names = (entry.name if isinstance(entry, PluginChoice) else entry for entry in value)
            raise ValueError(f"names something twice: {', '.join(names)}")
        return value

    @field_validator("reference", mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        if value is not None and not (isinstance(value, str) and value):
            raise ValueError("must be the name of one member of the space, for example mobilenet_v2_small, or null")
        return value

    @field_validator("init_from", mode="before")
    @classmethod
    def _absolute(cls, value: object) -> object:
        if value is not None and not (isinstance(value, str) and plain_data.user_path(value).is_absolute()):
            raise ValueError(
                "must be the absolute path of a file (or one that begins with ~), because searches, trials and "
                "baselines are started in different folders, or null"
            )
        return value

    @field_validator("hardware_aware", mode="before")
    @classmethod
    def _yaml_off(cls, value: object) -> object:
        return "off" if value is False else "auto" if value is True else value

    @model_validator(mode="after")
    def _sizes(self) -> Study:
        height, width = self.train_size
        if height % 32 or width % 32:
            raise ValueError(f"train_size must be multiples of 32, the networks' stride; got {height} x {width}")
        return self

    def dump(self) -> dict[str, Any]:
        """Plain data that `parse` reads back to an equal study."""
        data: dict[str, Any] = {}
        for name, value in self:
            if isinstance(value, PluginChoice):
                value = value.dump()
            elif isinstance(value, FieldGroup):
                value = value.model_dump()
            elif isinstance(value, tuple):
                value = [entry.dump() if isinstance(entry, PluginChoice) else entry for entry in value]
            data[name] = value
        return data

    @property
    def digest(self) -> str:
        """Sixteen hex digits over the parsed study with all defaults; equal studies have equal digests.

        How trials are started, when they are given up, what is finished and who reaches the port does not enter: it
        changes no result.
        """
        deciding = {name: value for name, value in self.dump().items() if name not in NO_RESULT}
        if self.deploy_outputs == "raw":
            del deciding["deploy_outputs"]  # studies had digests before it was a field
        text = json.dumps(deciding, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse(data: object, where: str = "study") -> Study:
    """Parse plain data, what stands under `tuner.classArgs`, into a study; messages begin with `where`.

    Raises:
        StudyError: One line per fault: field, value, what is allowed, the closest name.
    """
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise StudyError(f"{where}: classArgs must be a mapping of study fields, not {type(data).__name__}.")
    data = {name: _plain(value) for name, value in data.items()}
    if "devices" in data:
        if "device" in data:
            raise StudyError(f"{where}: device and devices are one field: write all of them under `devices`.")
        data["device"] = data.pop("devices")
    if fault := plain_data.fault(data):
        raise StudyError(f"{where}: {fault}.")
    defaults = Study().dump()
    faults = [
        f"{name}: is empty. Write `{messages.example(name, defaults)}`, or remove the line for its default."
        for name, value in data.items()
        if value is None and defaults.get(name) is not None
    ]
    try:
        if not faults:
            return Study.model_validate(data)
    except ValidationError as error:
        faults = messages.lines(
            error.errors(), defaults, {name: tuple(kind.model_fields) for name, kind in GROUPS.items()}
        )
    raise StudyError("\n".join(f"{where}: {line}" for line in faults))


def _plain(value: object) -> object:
    """Programs may write `PluginChoice(...)` where a YAML has a name."""
    if isinstance(value, FieldGroup):
        return value.model_dump()
    if isinstance(value, list | tuple):
        return [entry.dump() if isinstance(entry, PluginChoice) else entry for entry in value]
    return value.dump() if isinstance(value, PluginChoice) else value


def read_experiment(path: str | Path, changes: Iterable[str] = ()) -> tuple[dict[str, Any], Study]:
    """An NNI experiment YAML whose tuner is EDNAS, as plain data, and the study under its `tuner.classArgs`.

    `changes` of the study are `FIELD=VALUE`, see `ednas_nni.study.changes`.

    Raises:
        StudyError: The file is missing, is not a YAML mapping, names another tuner, or its study is wrong.
    """
    path = Path(path)
    config = read_mapping(path)
    tuner = config.get("tuner")
    if not isinstance(tuner, dict):
        raise StudyError(
            f"{path}: `tuner` is missing. It names the Advisor: {{className: {ADVISOR}, codeDirectory: .}}"
        )
    if tuner.get("name") != "EDNAS" and tuner.get("className") != ADVISOR:
        named = tuner.get("className") or tuner.get("name")
        raise StudyError(
            f"{path}: tuner {quoted(named)} is not EDNAS. Write `className: {ADVISOR}` (or `name: EDNAS`)."
        )
    defaults = {name: field.get_default() for name, field in Study.model_fields.items()}
    plugins = {name: default.name for name, default in defaults.items() if isinstance(default, PluginChoice)}
    study = {} if tuner.get("classArgs") is None else tuner["classArgs"]
    study = changed(study, changes, plugins) if isinstance(study, dict) else study  # `parse` says what it should be
    return {**config, "tuner": {**tuner, "classArgs": study}}, parse(study, str(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """An experiment's YAML as plain data.

    Raises:
        StudyError: It cannot be read, is not YAML, holds a key twice, or is not a mapping of plain values.
    """
    config = plain_data.read_yaml(path, StudyError, "`ednas init` writes one to start from.")
    if not isinstance(config, dict):
        raise StudyError(
            f"{path}: an experiment is a mapping of fields such as `tuner` and `trialCommand`, see `ednas init`."
        )
    if fault := plain_data.fault(config):
        raise StudyError(f"{path}: {fault}.")
    return config


NO_RESULT = (
    "trial_start", "allow_open_port", "trial_time_limit_s", "retries", "stop_after_failures", "keep_weights", "finish",
    "prune", "stop_when", "start_from",
)  # fmt: skip
GROUPS: dict[str, type[FieldGroup]] = {
    "hardware_aware": HardwareReward,
    "finish": FinishOptions,
    "prune": PruneOptions,
    "stop_when": StopOptions,
}
"""Fields that are mappings of their own."""
ADVISOR = "ednas_nni.bridge.advisor.Advisor"
