"""The EDNAS search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ednas_nni.domains import Domains, Sample
from ednas_nni.nn.spec import TemplateSpec
from ednas_nni.nn.template import MultiTaskSpace
from ednas_nni.nn.tree import domains_of
from search_spaces import members, presets
from search_spaces.table import table


class EdnasSpace(MultiTaskSpace):
    """Multi-task networks of IBN and Fused-IBN blocks around an EfficientNet-like encoder.

    Labels are `stage1_depth`, `stage1_width`, `stage1_block1_op` and so on; values of the latter are operations such as
    `ibn_k5_e6`. `fusion` and `fusion_width` say how features become one, `depth_head` what the head of a task is, and
    `depth_sharing` where it leaves the shared trunk; what it then has of its own is `depth_stage4_block1_op` and so on.
    A label exists only where the preset gives a choice.
    The published work (arXiv 2210.01384) names the kinds of block but not its lists of values; those of the presets
    follow the published relatives: MobileDets (arXiv 2004.14525) and EfficientNetV2 (arXiv 2104.00298).

    Args:
        tasks: Task name to output channels.
        preset: Name of a shipped preset.

    Raises:
        StudyError: The tasks or the preset are wrong.
    """

    def __init__(self, tasks: Mapping[str, int] | None = None, preset: str = "nano") -> None:
        super().__init__()
        self.preset = preset
        self.assemble({"segmentation": 13, "depth": 1, "normals": 3} if tasks is None else tasks, self.spec)

    @property
    def spec(self) -> TemplateSpec:
        """The fixed numbers of the space."""
        return presets.load(self.preset)

    @property
    def domains(self) -> Domains:
        """Labels, values and conditions. Of the space; a network has none."""
        return domains_of(self)

    def member(self, name: str) -> Sample:
        """A named architecture of the space, such as "mobilenet_v2".

        Raises:
            StudyError: The name is unknown, or the space lacks an operation that the architecture needs.
        """
        return members.member(name, self.domains)

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the architectures that are in this space."""
        return members.names(self.domains)

    def describe(self, sample: Mapping[str, Any]) -> str:
        """A table of an architecture for people: stage, stride, channels, blocks.

        Raises:
            SampleError: The sample does not belong to the space.
        """
        return table(self.domains, self.spec, self.tasks, sample)
