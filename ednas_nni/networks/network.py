"""A network with its weights: rebuilt from its folder by torch alone, asked about pictures."""

from __future__ import annotations

import inspect
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ednas_nni import plugins
from ednas_nni.data.palette import class_colors
from ednas_nni.errors import EdnasError, NetworkError, PluginError
from ednas_nni.networks.description import (
    FILE,
    WEIGHTS,
    File,
    NetworkDescription,
    PluginRecord,
    TaskOutput,
    TrainingData,
    free,
)
from ednas_nni.nn.capabilities import capabilities_of
from ednas_nni.nn.checkpoint import write_tensors
from ednas_nni.record.head import MetricRecord
from ednas_nni.record.locks import locked_within
from ednas_nni.space.domains import Sample
from ednas_nni.tasks.base import Task

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo
    from ednas_nni.networks.pictures import Picture
    from ednas_nni.networks.prediction import Prediction
    from ednas_nni.networks.runtime import Runtime


@dataclass(eq=False)
class Network:
    """A network, what it predicts, and where it comes from.

    Attributes:
        module: From images float (N, 3, H, W) in [0, 1], H and W divisible by `description.stride`, to task -> raw
            output (N, C, H, W). In evaluation mode.
        description: What stands in `network.json`.
        folder: Where it lies; None = it was not saved yet.

    Example:
        network = ednas_nni.load("networks/small")
        prediction = network.predict("photo.jpg")
        prediction["depth"]           # metres, float32 (height, width) of the photo
        prediction.save("photo_predicted.png")
    """

    module: nn.Module
    description: NetworkDescription
    folder: Path | None = None

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The tasks, bound to what is known of the training data."""
        info = self.description.data.info()
        return {name: _task(name, output, info) for name, output in self.description.tasks.items()}

    @property
    def name(self) -> str:
        """Its name."""
        return self.description.name

    def __repr__(self) -> str:
        about, folder = self.description, f", in {self.folder}" if self.folder else ""
        height, width = about.deploy_size
        return f"Network({about.name}, {', '.join(about.tasks)}, for {height} x {width} images{folder})"

    # ---- on disk

    def save(self, folder: str | Path) -> Path:
        """Write the network into a folder, whole or not at all.

        A folder that holds a network already is replaced; where that is this very network, exported files stay.

        Args:
            folder: New, empty, or the folder of a network.

        Returns:
            The folder, which `ednas_nni.load` reads, also when it was moved or copied to another machine.

        Raises:
            NetworkError: The folder holds something else, or is the one that the program is in.
        """
        folder = free(folder)
        there = (folder / FILE).is_file()
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}", dir=folder.parent))
        old = made.with_name(f"{made.name}.old")
        try:
            write_tensors(made / WEIGHTS, self.module.state_dict(), {"format": "pt"})
            weights = File.of(made / WEIGHTS, "torch")
            exported = _exported(folder, weights) if there else {}
            self.description = self.description.model_copy(update={"files": {WEIGHTS: weights, **exported}})
            for name in exported:
                shutil.copy2(folder / name, made / name)
            self.description.write(made)
            made.chmod(0o755)
            if there:
                folder.replace(old)
            made.replace(folder)
        finally:
            if old.exists() and not folder.exists():  # the new one has not come to its place
                old.replace(folder)
            for rest in (made, old):
                shutil.rmtree(rest, ignore_errors=True)
        self.folder = folder
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Network:
        """Read a network; see `ednas_nni.load`.

        Raises:
            NetworkError: A file is missing, was changed or cut, or does not fit the network.
            PluginError: The plug-in of the space, of a block or of a task is not installed.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        folder = Path(folder).expanduser()
        about = NetworkDescription.read(folder)
        if WEIGHTS not in about.files:
            raise NetworkError(f"{folder / FILE}: names no {WEIGHTS}. Copy the folder again.")
        content = about.files[WEIGHTS].check(folder / WEIGHTS)
        module = build(about)
        try:
            module.load_state_dict(load(content))
        except (SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise NetworkError(
                f"{folder}: the weights do not fit the network that {about.space.name!r} builds here ({reason}). It "
                f"was saved by {about.space.distribution or 'a plug-in of its own'}; install that version."
            ) from None
        network = cls(module.eval(), about, folder)
        _ = network.tasks  # so that a missing plug-in is told here
        return network

    def add_file(self, made: Path, format: str, **details: object) -> Path:
        """Move a file of the same disk into folder and `network.json`, beside what others add; returns its place."""
        assert self.folder is not None, "the caller has saved it"
        described = File.of(made, format, **details)
        with (self.folder / WEIGHTS).open("rb") as alone:
            locked_within(alone, 60)
            folder, there = self.saved()
            self.description = self.description.model_copy(update={"files": {**there, made.name: described}})
            made.replace(folder / made.name)
            self.description.write(folder)
        return folder / made.name

    def saved(self) -> tuple[Path, Mapping[str, File]]:
        """Its folder and the files there, also those of others; NetworkError: the module's weights do not lie there."""
        from safetensors.torch import load

        if self.folder is None:
            raise NetworkError("Save the network before you export it: network.save(folder).")
        there = NetworkDescription.read(self.folder).files
        if there[WEIGHTS] != self.description.files[WEIGHTS]:
            raise NetworkError(f"{self.folder}: holds another network by now. Load it again, then export it.")
        stored, here = load(there[WEIGHTS].check(self.folder / WEIGHTS)), self.module.state_dict()
        if not all(tensor.equal(here[name].to(tensor)) for name, tensor in stored.items()):
            raise NetworkError(f"{self.folder}: the module has other weights by now. Save it: network.save(folder).")
        return self.folder, there

    def export(
        self,
        folder: str | Path | None = None,
        to: str | Sequence[str] = "onnx",
        images: str | Path | None = None,
        **options: Any,
    ) -> list[Path]:
        """Write files that run elsewhere, each compared with torch before it gets its name; see docs/export.md.

        Args:
            folder: Where the network is saved first, unless it lies there already; by default its own.
            to: pt2, onnx, litert, litert-int8, or several of them.
            images: Folder of pictures to calibrate on and to compare with, by default images of the training split.
            **options: `outputs`, `size` and `input_type`, as `ednas_nni.networks.exporting.export` takes them.

        Returns:
            The files.

        Raises:
            NetworkError: One could not be written; the message says why. The others were.
        """
        from ednas_nni.networks.exporting import export
        from ednas_nni.networks.own_data import real_images

        if folder is not None and (self.folder is None or Path(folder).expanduser().resolve() != self.folder.resolve()):
            self.save(folder)
        real = partial(real_images, self.description, images)
        results = export(self, [to] if isinstance(to, str) else to, real, **options)
        faults = [result.reason for result in results if result.reason]
        if faults:
            raise NetworkError(" ".join(faults))
        return [result.path for result in results if result.path is not None]

    # ---- what it predicts

    def predict(self, image: Picture, runtime: Runtime | None = None) -> Prediction:
        """Predict one picture of any size.

        It is scaled to fit into the deploy size, its aspect ratio kept; what is left over is filled with its border
        and cut off again. Raw outputs are enlarged to the picture's own size, then read.

        Args:
            image: A path, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4) of bytes, of 16-bit numbers, or of
                floats in [0, 1].
            runtime: What computes the outputs, such as that of an exported file; by default this module.

        Returns:
            Task -> array of the picture's height and width: classes uint8, lengths float32 in the unit of the training
            data (metres for metric depth), directions float32 (H, W, 3) of length 1. It has `show()` and `save(path)`.

        Raises:
            DataError: It is no picture.
        """
        from ednas_nni.networks.prediction import predict

        return predict(self, image, runtime or self.runtime)

    @cached_property
    def runtime(self) -> Runtime:
        """The module as something that runs at the deploy size."""
        from ednas_nni.networks.runtime import TorchRuntime

        return TorchRuntime(self.module, self.description.deploy_size)


def build(about: NetworkDescription) -> nn.Module:
    """The network that a description means, with weights drawn from torch's global generator.

    PluginError: the plug-in of its space or of a block is not installed. NetworkError: it builds nothing from these
    choices.
    """
    from ednas_nni.compat.nas import model_context  # NNI where it is installed

    factory: Callable[..., nn.Module] = _load("search_spaces", about.space)
    channels = {task: output.channels for task, output in about.tasks.items()}
    try:
        with model_context(about.sample):
            return factory(tasks=channels, **about.space.options)
    except (EdnasError, ImportError) as error:
        raise NetworkError(
            f"The search space {about.space.name!r} cannot build the network: {error} It was made with "
            f"{about.space.distribution or 'a plug-in of its own'}."
        ) from error


def describe(
    *,
    name: str,
    architecture: str,
    sample: Sample,
    space: nn.Module,
    space_plugin: tuple[str, Mapping[str, Any]],
    tasks: Mapping[str, Task],
    task_options: Mapping[str, Mapping[str, Any]],
    constants: Mapping[str, Mapping[str, Any]],
    info: DataInfo,
    deploy_size: tuple[int, int],
    **more: Any,
) -> NetworkDescription:
    """Describe a network of a canonical sample, with further fields of `NetworkDescription`.

    The space may be the network itself; its plug-in and the tasks' options are as in the study. Constants are what each
    task takes as given about the training data, of which `info` tells; see `Task.constants`.
    """
    capabilities = capabilities_of(space)
    # What a network started from is not needed to load it: such options are left out, or off where that is not their
    # default.
    initial = {key.partition(".")[0] for key in capabilities.weight_fingerprints}
    accepted = inspect.signature(plugins.load("search_spaces", space_plugin[0])).parameters
    options = {key: value for key, value in space_plugin[1].items() if key not in initial}
    options |= {key: None for key in initial if key in accepted and accepted[key].default is not None}
    return NetworkDescription(
        name=name,
        architecture=architecture,
        sample=dict(sample),
        space=_plugin("search_spaces", space_plugin[0], options),
        tasks={
            name: _output(task, task_options.get(name, {}), constants.get(name, {}), info)
            for name, task in tasks.items()
        },
        data=TrainingData(
            **{field: getattr(info, field) for field in TrainingData.model_fields if field != "fingerprint"},
            fingerprint=info.identity,
        ),
        train_size=info.size,
        deploy_size=deploy_size,
        stride=capabilities.stride,
        **more,
    )


def _output(task: Task, options: Mapping[str, Any], constants: Mapping[str, Any], info: DataInfo) -> TaskOutput:
    classes = tuple(task.legend)
    needed = {k: v for k, v in options.items() if k != "loss" or ":" not in v}  # a loss of one's own only trains
    return TaskOutput(
        plugin=_plugin("tasks", task.name, {**needed, "protocol": task.protocol}),
        channels=task.channels,
        label_kinds=task.requires,
        unit=info.depth_unit if task.requires == ("depth",) and not classes else "",
        constants=dict(constants),
        classes=classes,
        palette=tuple((r, g, b) for r, g, b in class_colors(classes)[: len(classes)].tolist()),
        primary=task.primary,
        metrics=tuple(
            MetricRecord(name=spec.name, unit=spec.unit, direction=spec.direction, protocol=spec.protocol)
            for spec in task.metrics
        ),
    )


def _task(name: str, output: TaskOutput, info: DataInfo) -> Task:
    task: type[Task] = _load("tasks", output.plugin)
    return task.for_data(info, **output.plugin.options).with_constants(output.constants)


def _plugin(group: str, name: str, options: Mapping[str, Any]) -> PluginRecord:
    listed = next((p for p in plugins.listing(group) if p.name == name), None)
    return PluginRecord(
        name=name, options=dict(options), distribution=f"{listed.distribution} {listed.version}" if listed else ""
    )


def _load(group: str, plugin: PluginRecord) -> Any:
    try:
        return plugins.load(group, plugin.name)
    except PluginError as error:
        remedy = f"Install {plugin.distribution.partition(' ')[0]}." if plugin.distribution else "Make it importable."
        raise PluginError(
            f"The network needs the plug-in {plugin.name!r} of {plugin.distribution or 'your own code'}. {remedy} "
            f"({error})"
        ) from error


def _exported(folder: Path, weights: File) -> dict[str, File]:
    """Files that were exported from these weights."""
    try:
        files = dict(NetworkDescription.read(folder).files)
    except NetworkError:
        return {}
    if files.pop(WEIGHTS, None) != weights:
        return {}
    return {name: file for name, file in files.items() if (folder / name).is_file()}
