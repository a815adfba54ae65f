"""What an exported file says of itself, as JSON in its own metadata: enough to use it without EDNAS and without docs.

The input is an RGB image, `bytes / 255`; whatever else a network does with colours is inside the graph. Where the
input is quantised, scale and zero point say the same: with 1/255 and -128 an int8 value is `byte - 128`, with 1/255
and 0 a uint8 value is the byte itself.
"""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from ednas_nni.errors import NetworkError
from ednas_nni.tasks.decoding import Operation, Outputs

KEY = "ednas"
"""Name of the metadata entry."""
Layout: TypeAlias = Literal["NCHW", "NHWC", "NHW"]
ElementType: TypeAlias = Literal["float32", "int8", "uint8", "int64", "int32"]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TensorFacts(_Facts):
    """An input or an output.

    Attributes:
        shape: With the batch axis, in the order of `layout`: N images, C channels, H rows, W columns.
        type: Of its elements.
        scale: The value is `scale * (element - zero_point)`; 0 where elements are values.
    """

    name: str
    shape: tuple[int, ...]
    layout: Layout
    type: ElementType = "float32"
    scale: float = 0.0
    zero_point: int = 0


class OutputFacts(TensorFacts):
    """The output of a task.

    Attributes:
        enlarge: Factor by which the host enlarges it (bilinear, half-pixel centres; whole numbers are classes: the
            nearest) before it decodes; 1 = none. What then lies beyond height and width of the predictions is padding,
            to be cut off.
        decode: What the host then does; see `ednas_nni.tasks.decoding`.
        factor: What the decoded value, in `unit`, is multiplied by.
        classes: Names of the decoded values 0, 1, ...
    """

    task: str
    enlarge: int | float = 1
    decode: Operation = "none"
    factor: float = 1.0
    unit: str = ""
    classes: tuple[str, ...] = ()


class FileFacts(_Facts):
    """The whole entry: EDNAS' version, network, architecture, exporter, kind of `Outputs`, input, one result a task.

    `resolution` is height and width of the input as shares of those that predictions are compared with labels at: the
    host scales what it grabs to the input's size: stretched, or as large as it fits, in the upper left, with the last
    row or column repeated (`letterbox`), as in training.
    """

    version: str
    network: str
    architecture: str
    format: str
    outputs: Outputs
    image: str = "RGB, bytes / 255"
    fit: Literal["letterbox", "stretch"] = "letterbox"
    resolution: int | float = 1
    input: TensorFacts
    results: tuple[OutputFacts, ...]

    def text(self) -> str:
        """As it stands in a file."""
        return json.dumps(self.model_dump(mode="json"))

    @classmethod
    def read(cls, text: str | bytes | None, where: object) -> FileFacts:
        """From a file's entry.

        Raises:
            NetworkError: There is none, or it is damaged.
        """
        if not text:
            raise NetworkError(f"{where}: was not exported by EDNAS: it has no metadata entry {KEY!r}.")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise NetworkError(
                f"{where}: its metadata entry {KEY!r} is damaged ({error.errors()[0]['msg']})."
            ) from None
