"""The EDNAS search space, and where the weights of its published encoders come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.nn.checkpoint import fingerprint
from ednas_nni.nn.efficientnet_lite import packaged_weights
from ednas_nni.nn.template import MultiTaskSpace
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Domains, Sample, Scalar
from search_spaces import members, presets
from search_spaces.table import table

PACKAGES = "packages"
# torchvision's files are called resnet18-f37072fd.pth or efficientnet_b0_rwightman-7f5810bc.pth.
_FILE = r"(_rwightman)?(-[0-9a-f]{8})?\.(safetensors|pth|pt)"


class EdnasSpace(MultiTaskSpace):
    """Multi-task networks of IBN and Fused-IBN blocks around an EfficientNet-like encoder.

    Labels are `stage1_depth`, `stage1_width`, `stage1_block1_op` and so on; values of the latter are operations such as
    `ibn_k5_e6`. `fusion` and `fusion_width` say how features become one, `depth_head` what the head of a task is, and
    `depth_sharing` where it leaves the shared trunk; what it then has of its own is `depth_stage4_block1_op` and so on.
    A preset with published encoders has the label `encoder` instead of the stages'. A label exists only where there is
    a choice.
    The published work (arXiv 2210.01384) names the kinds of block but not its lists of values; those of the presets
    follow the published relatives: MobileDets (arXiv 2004.14525) and EfficientNetV2 (arXiv 2104.00298).

    Args:
        tasks: Task name to output channels.
        preset: Name of a shipped preset.
        encoder_weights: Weights of published encoders: a folder, "packages", or encoder -> file or "packages"; None =
            they start at random.
        **overrides: Fields of the preset, such as `sharing` or `fusion`, that are given otherwise; see
            `presets.OVERRIDES`.

    Raises:
        StudyError: The tasks, the preset, one of its fields or a file of weights are wrong.
    """

    def __init__(
        self,
        tasks: Mapping[str, int] | None = None,
        preset: str = "nano",
        encoder_weights: str | dict[str, str | None] | None = None,
        **overrides: object,
    ) -> None:
        super().__init__()
        tasks = {"segmentation": 13, "depth": 1, "normals": 3} if tasks is None else tasks
        self.preset = preset
        self.spec = presets.load(preset, overrides)
        most = self.spec.max_tasks
        if most is not None and isinstance(tasks, Mapping) and len(tasks) > most:
            raise StudyError(
                f"The search space {preset} is for {'one task' if most == 1 else f'at most {most} tasks'}, but `tasks` "
                f"names {len(tasks)}: {', '.join(map(str, tasks))}. Keep {most} of them, or take another space, such "
                "as nano."
            )
        self.encoder_files = encoder_files(encoder_weights, self.spec.encoders)
        self.assemble(tasks, self.spec, self.encoder_files)

    @property
    def domains(self) -> Domains:
        """Labels, values and conditions. Of the space; a network has none."""
        return domains_of(self)

    @property
    def weight_fingerprints(self) -> dict[str, str]:
        """What networks start from beside the seed: `encoder_weights.resnet18` -> fingerprint of the file's content."""
        return {f"encoder_weights.{name}": fingerprint(file) for name, file in self.encoder_files.items()}

    def member(self, name: str) -> Sample:
        """A named architecture of the space, such as "mobilenet_v2" (with published encoders, "resnet18")."""
        return members.member(name, self.domains, self.spec.encoders)

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the architectures that are in this space."""
        return members.names(self.domains, self.spec.encoders)

    def describe(self, sample: Mapping[str, Scalar], domains: Domains | None = None) -> str:
        """A table of an architecture for people: stage, stride, channels, blocks."""
        return table(domains or self.domains, self.spec, self.tasks, sample, self.encoder_files)


def encoder_files(given: str | Mapping[str, str | None] | None, names: Sequence[str]) -> dict[str, Path]:
    """Encoder -> file.

    Given is a folder with one file for each encoder, under torchvision's name for it (`resnet18-f37072fd.pth`) or just
    `resnet18.pth`; or "packages", for the files inside installed packages; or a file or "packages" for each encoder,
    null for one that starts at random; or None, all start at random.
    """
    if given is None:
        return {}
    if not names:
        raise StudyError(
            "encoder_weights: this space has no published encoders; use the space `pretrained` or `efficientnet_lite`."
        )
    if given == PACKAGES:
        return {name: packaged_weights(name) for name in names}
    if isinstance(given, str):
        return _in_folder(_absolute(given), names)
    if not isinstance(given, Mapping):
        raise StudyError(f"encoder_weights = {given!r} must be a folder, or a mapping from encoder to file.")
    for name in given:
        if name not in names:
            raise StudyError(f"encoder_weights: {name!r} is not an encoder of this space.{did_you_mean(name, names)}")
    lacking = [name for name in names if name not in given]
    if lacking:
        raise StudyError(
            f"encoder_weights: no file for {', '.join(lacking)}. An encoder from random weights beside trained ones "
            f"would only lose: leave it out of `encoders`, or say so: {lacking[0]}: null."
        )
    files = {
        name: packaged_weights(name) if file == PACKAGES else _absolute(file)
        for name, file in given.items()
        if file is not None
    }
    for name, file in files.items():
        if not file.is_file():
            raise StudyError(f"encoder_weights: {file} of {name} does not exist. Nothing is downloaded.")
    return files


def _absolute(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_absolute():
        raise StudyError(
            f"encoder_weights: {given!r} is a relative path; write an absolute one (or one that begins with ~), "
            f"because searches and trials are started in different folders. From here it would be {path.resolve()}."
        )
    return path


def _in_folder(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise StudyError(f"encoder_weights: {folder} is not a folder. Nothing is downloaded.")
    present = sorted(path for path in folder.iterdir() if path.is_file())
    files = {}
    for name in names:
        matching = [path for path in present if re.fullmatch(re.escape(name) + _FILE, path.name)]
        if len(matching) != 1:
            there = ", ".join(path.name for path in matching) or "none"
            raise StudyError(
                f"encoder_weights: {folder} must hold one file for {name}, such as {name}.pth; there is {there}. "
                "Nothing is downloaded. Put the file there, name it in a mapping, or leave it out of `encoders`."
            )
        files[name] = matching[0]
    return files
