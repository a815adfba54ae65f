"""What EDNAS asks of a model space beside its module tree; everything has a default.

NNI's `ModelSpace` says what is searched. Which tasks a network has, which parts some samples never use, what named
architectures there are: that is said here. A space of ours mixes `Capabilities` in; any other NNI space is read through
`capabilities_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ednas_nni.errors import StudyError
from ednas_nni.space.domains import Condition, Domains, Sample, Scalar


class Capabilities:
    """Mix-in of a model space: `class MySpace(Capabilities, ModelSpace)`; override what the space can say.

    Attributes:
        tasks: Names of the tasks that its networks predict.
        stride: Costs are priced at the next multiples of it, to which a network pads an image by itself; a space whose
            networks cannot pad says 1.
        resolutions: All values that `resolution` can have.
        size_labels: Choices that decide the sizes of features, see `ednas_nni.nn.sizes`; costs are read once for each
            of their values.
    """

    tasks: tuple[str, ...] = ()
    stride: int = 1
    resolutions: tuple[float, ...] = (1,)
    size_labels: tuple[str, ...] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """NNI wraps constructors and hides what they take; a study's options are checked against it."""
        own = cls.__init__
        super().__init_subclass__(**options)
        if cls.__init__ is not own:
            vars(cls.__init__)["__wrapped__"] = own

    @property
    def resolution(self) -> float:
        """At which share of the image's height and width a network computes; of a space, that which is settled.

        Where it is not 1, `forward(image, shrunk=True)` takes the image as it enters on a device.
        """
        return 1

    def liveness(self) -> Mapping[str, Condition]:
        """When parts are used that not every sample uses, though the module tree cannot tell.

        Returns:
            Module path -> condition, which is added to everything below that path. Example: a trunk that both tasks
            `a` and `b` may leave is used where one of them does not:
            `{"trunk": ((Literal("a", {"shared"}), Literal("b", {"shared"})),)}`.
        """
        return {}

    def set_output_bias(self, task: str, values: Tensor) -> None:
        """Let a task start from a typical answer, values (C,) of its raw output; by default it starts as it is."""

    @property
    def weight_fingerprints(self) -> Mapping[str, str]:
        """Files of weights that networks start from: name -> fingerprint of the content.

        Raises:
            StudyError: A file cannot be read any more.
        """
        return {}

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the architectures that `member` knows."""
        return ()

    def member(self, name: str) -> Sample:
        """The canonical sample of a named architecture.

        Raises:
            StudyError: There is no such member.
        """
        raise StudyError(f"{name!r}: this search space has no named members.")

    def describe(self, sample: Mapping[str, Scalar], domains: Domains) -> str:
        """An architecture for people, in some lines; by default its active labels.

        Raises:
            SampleError: The sample does not belong to the space.
        """
        lines = [f"  {label}: {value}" for label, value in domains.active(sample).items()]
        return "\n".join([f"architecture {domains.architecture_id(sample)}", *lines])


def capabilities_of(space: nn.Module) -> Capabilities:
    """What a model space, or a network of it, says of itself: itself, or a view of it that adds the defaults."""
    return space if isinstance(space, Capabilities) else _Foreign(space)


class _Foreign(Capabilities):
    """A space whose author knows NNI alone, or writes the methods of `Capabilities` without the mix-in."""

    def __init__(self, space: nn.Module) -> None:
        self._space = space
        self.tasks = tuple(self._get("tasks", super().tasks))
        self.stride = self._get("stride", super().stride)

    def _get(self, name: str, default: Any) -> Any:
        # By name: there is no type that such a space could be asked for.
        return getattr(self._space, name, default)

    def liveness(self) -> Mapping[str, Condition]:
        return self._get("liveness", super().liveness)()

    def set_output_bias(self, task: str, values: Tensor) -> None:
        self._get("set_output_bias", super().set_output_bias)(task, values)

    @property
    def weight_fingerprints(self) -> Mapping[str, str]:
        return self._get("weight_fingerprints", super().weight_fingerprints)

    @property
    def member_names(self) -> tuple[str, ...]:
        return tuple(self._get("member_names", super().member_names))

    def member(self, name: str) -> Sample:
        return self._get("member", super().member)(name)

    def describe(self, sample: Mapping[str, Scalar], domains: Domains) -> str:
        text = self._get("describe", None)
        return super().describe(sample, domains) if text is None else text(sample)
