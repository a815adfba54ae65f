"""The EDNAS search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.errors import StudyError
from ednas_nni.nn.checkpoint import fingerprint
from ednas_nni.nn.template import MultiTaskSpace
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Domains, Sample, Scalar
from search_spaces import members, presets
from search_spaces.encoder_files import encoder_files
from search_spaces.table import table


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
        encoder_weights: Weights of published encoders: a folder, or encoder -> file; None = they start at random.
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
        **overrides: Any,
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
        """What networks start from beside the seed: `encoder_weights.resnet18` -> fingerprint of the file's content.

        Raises:
            StudyError: A file cannot be read any more.
        """
        return {f"encoder_weights.{name}": fingerprint(file) for name, file in self.encoder_files.items()}

    def member(self, name: str) -> Sample:
        """A named architecture of the space, such as "mobilenet_v2" (with published encoders, "resnet18").

        Raises:
            StudyError: The name is unknown, or the space lacks an operation that the architecture needs.
        """
        return members.member(name, self.domains, self.spec.encoders)

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the architectures that are in this space."""
        return members.names(self.domains, self.spec.encoders)

    def describe(self, sample: Mapping[str, Scalar], domains: Domains | None = None) -> str:
        """A table of an architecture for people: stage, stride, channels, blocks.

        Args:
            sample: The architecture.
            domains: Of the space, where the caller has read them already.

        Raises:
            SampleError: The sample does not belong to the space.
        """
        return table(domains or self.domains, self.spec, self.tasks, sample, self.encoder_files)
