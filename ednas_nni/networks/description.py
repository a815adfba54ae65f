"""`network.json`: everything about a trained network but its weights, as strict models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ednas_nni.data.info import DataInfo, DepthKind
from ednas_nni.errors import NetworkError, quoted
from ednas_nni.record.head import CostRecord, MetricRecord, TaskRecord
from ednas_nni.record.quantities import SCORES, Quantity, metric_quantities
from ednas_nni.record.whole_file import write_whole
from ednas_nni.space.domains import Sample

FILE, WEIGHTS = "network.json", "network.safetensors"
FORMAT = 1  # raise when an older program would misunderstand the file; fields that it may ignore need no new number

Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Color = tuple[int, int, int]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PluginRecord(_Part):
    """What was named in the study, and whose it is.

    Attributes:
        name: Registered name, or `module:attribute`.
        options: As the study gives them, without files of initial weights: the network has weights of its own.
        distribution: What must be installed, such as "ednas-nni 0.2"; "" where a path is named.
    """

    name: str
    options: dict[str, Any] = {}
    distribution: str = ""


class TaskOutput(_Part):
    """One task of the network.

    Attributes:
        plugin: The task plug-in with the study's options of it.
        label_kinds: Labels that its target is made of.
        unit: Of a predicted length; "" for classes and directions.
        constants: What it takes as given about the training data; see `Task.constants`.
        classes: Names of the values 0, 1, ... of its prediction; () where it predicts no classes.
        palette: A colour of each class, red green blue from 0 to 255.
        primary: The metric that enters the quality.
    """

    plugin: PluginRecord
    channels: Annotated[int, Field(ge=1)]
    label_kinds: tuple[str, ...]
    unit: str = ""
    constants: dict[str, Any] = {}
    classes: tuple[str, ...] = ()
    palette: tuple[Color, ...] = ()
    primary: str
    metrics: tuple[MetricRecord, ...]


class TrainingData(_Part):
    """The data set that the network learned from; the fields of `DataInfo`, its identity as `fingerprint`."""

    name: str
    fingerprint: str
    size: Size
    counts: dict[str, int]
    targets: tuple[str, ...]
    classes: tuple[str, ...] = ()
    ignore_index: int = 255
    depth_kind: DepthKind = "metric"
    depth_unit: str = "m"
    depth_max: float | None = None

    def info(self) -> DataInfo:
        """As tasks and label kinds read it."""
        return DataInfo(**dict(self))


class Normalisation(_Part):
    """What the network takes: RGB, bytes divided by 255, then (x - mean) / std. Ours read [0, 1] as it is."""

    channels: Literal["RGB"] = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Score(_Part):
    """How good the network is on so many images of a split (`search`, `select` or `test`) at one size.

    Attributes:
        size: Height and width that the network saw; metrics are taken at that of the labels.
        seeds: Of the trainings. The first is that of the weights in this folder.
        values: Metric, as `depth_abs_err`, and `quality` and `delta_t` -> one value a seed.
        intervals: Metric -> 95 % interval, where more than one thing is averaged.
    """

    split: str
    images: int
    size: Size
    label_size: Size
    protocol: str = "standard"
    seeds: tuple[int, ...]
    values: dict[str, tuple[float, ...]]
    intervals: dict[str, tuple[float, float]] = {}

    def mean(self, metric: str) -> float:
        """Mean over the seeds."""
        values = self.values[metric]
        return sum(values) / len(values)


class Cost(CostRecord):
    """What the search believed that the architecture costs at `deploy_size`."""

    value: float


class Origin(_Part):
    """Where the network comes from.

    Attributes:
        search: Experiment id; "" for one that no search led to.
        journal: SHA-256 of the search's journal when the training began; "" without a search.
        study: Plain data that `study.parse` reads.
        seed: Of the weights in this folder.
        initial_weights: What the training started from beside the seed: name -> fingerprint.
        versions: Program -> version.
        date: UTC, as 2026-11-30T12:00:00Z.
    """

    search: str = ""
    journal: str = ""
    study: dict[str, Any] = {}
    study_digest: str = ""
    steps: int = 0
    seed: int = 0
    initial_weights: dict[str, str] = {}
    versions: dict[str, str] = {}
    date: str = ""


class File(_Part):
    """A file of the folder, with the SHA-256 of its content and its length in bytes.

    Its format is "torch", or what it was exported to; details are what its maker says of it, plain data.
    """

    sha256: str
    size: int
    format: str = "torch"
    details: dict[str, Any] = {}

    @classmethod
    def of(cls, path: Path, format: str, **details: object) -> File:
        """Describe a file that was written."""
        content = path.read_bytes()
        return cls(sha256=hashlib.sha256(content).hexdigest(), size=len(content), format=format, details=details)

    def check(self, path: Path) -> bytes:
        """Read the file and compare.

        Raises:
            NetworkError: It is missing, or is not the file that was written.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise NetworkError(f"{path}: cannot be read ({error.strerror}). Copy the whole folder.") from None
        if hashlib.sha256(content).hexdigest() != self.sha256:
            cut = f"{len(content)} bytes instead of {self.size}" if len(content) != self.size else "another content"
            raise NetworkError(f"{path}: is not the file that was saved ({cut}). Copy the folder again.")
        return content


class NetworkDescription(_Part):
    """The whole of `network.json`.

    Attributes:
        name: By default the architecture, which is an id; `sample` are its choices, canonical.
        tasks: In the order of the network.
        data: What it learned from.
        train_size: Height and width that it was trained at.
        deploy_size: Height and width that it is used at, and that its costs were priced at.
        deploy_outputs: What its costs were priced with, and what `export` writes by default.
        stride: Height and width of its input must be divisible by it.
        normalisation: Of its input.
        costs: What the search believed that it costs.
        files: Name in the folder -> what is known of the file.
    """

    format: int = FORMAT
    name: str
    architecture: str
    sample: Sample
    space: PluginRecord
    tasks: dict[str, TaskOutput]
    data: TrainingData
    train_size: Size
    deploy_size: Size
    deploy_outputs: Literal["raw", "classes"] = "raw"
    stride: Annotated[int, Field(ge=1)] = 32
    normalisation: Normalisation = Normalisation()
    scores: tuple[Score, ...] = ()
    costs: tuple[Cost, ...] = ()
    origin: Origin = Origin()
    files: dict[str, File] = {}

    @property
    def stretched(self) -> bool:
        """Whether pictures of another shape are stretched to the network's, as those were that it learned from."""
        data = self.origin.study.get("data")
        return isinstance(data, Mapping) and data.get("fit") == "resize"

    @property
    def quantities(self) -> dict[str, Quantity]:
        """How each of its metrics, `quality` and `delta_t` are written: name as in `Score.values` -> quantity."""
        tasks = [TaskRecord(name=n, primary=task.primary, metrics=task.metrics) for n, task in self.tasks.items()]
        names = [f"{task.name}_{metric.name}" for task in tasks for metric in task.metrics]
        metrics = metric_quantities(tasks, [dict.fromkeys(names, 0.0)])
        return {**SCORES, **{quantity.key: quantity for quantity in metrics}}

    def write(self, folder: Path) -> None:
        """Write `network.json`, whole or not at all, with a checksum over all of it."""
        content = self.model_dump(mode="json")
        write_whole(folder / FILE, json.dumps({**content, "sha256": _digest(content)}, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> NetworkDescription:
        """Read `network.json`.

        Raises:
            NetworkError: It is missing, was changed, or was written by a newer version.
        """
        path = folder / FILE
        try:
            content: object = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NetworkError(
                f"{folder}: is no folder of a network; it has no readable {FILE} ({error.strerror}). "
                "`ednas train` makes one."
            ) from None
        except (ValueError, RecursionError):
            raise NetworkError(f"{path}: is damaged (no JSON). Copy the folder again.") from None
        if not isinstance(content, dict) or not isinstance(content.get("format"), int):
            raise NetworkError(f"{path}: does not describe a network of EDNAS.")
        if content["format"] > FORMAT:
            raise NetworkError(
                f"{path}: has format {content['format']}, and this version reads {FORMAT}. Install a newer EDNAS."
            )
        if content.pop("sha256", None) != _digest(content):
            raise NetworkError(f"{path}: was changed after it had been saved. Copy the folder again.")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise NetworkError(f"{path}: {where} is {quoted(fault['input'])}: {fault['msg']}.") from None


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def free(folder: str | Path) -> Path:
    """A new or empty folder, or that of a network, resolved; `NetworkError` for one that cannot take a network."""
    place = Path(folder).expanduser().resolve()
    if place == Path.cwd():
        raise NetworkError(f"{folder}: is the folder that you are in. Name another one, such as networks/small.")
    if place.exists() and not (place / FILE).is_file() and (place.is_file() or any(place.iterdir())):
        raise NetworkError(f"{folder}: holds something else than a network. Name another folder, or remove it.")
    return place
