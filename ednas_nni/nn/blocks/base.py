"""What a block is: a kind that plug-ins register, its options in its name, and a module built for a place in a network.

`ibn_k5_e6` is the block registered as `ibn`, with a 5 x 5 kernel and expansion 6. docs/adding_a_block.md adds a kind.
"""

from __future__ import annotations

import inspect
import itertools
import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import ClassVar, TypeVar

from torch import nn

from ednas_nni.errors import PluginError, StudyError, did_you_mean, quoted
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.elementwise import Channels
from ednas_nni.plugins import OURS, Group
from ednas_nni.record.whole_file import file_digest

B = TypeVar("B", bound="Block")


@dataclass(frozen=True)
class Slot:
    """A place in a network: what the space decides, whatever block stands there.

    Attributes:
        inputs: Input channels; where widths are searched, NNI's expression for them. `outputs` likewise.
        stride: 1 or 2.
        residual: Whether the block adds its input to its output. The position in the stage decides that, never a
            comparison of widths, which may be searched. Only at stride 1, with as many inputs as outputs.
        activation: A key of `elementwise.ACTIVATIONS`.
    """

    inputs: Channels
    outputs: Channels
    stride: int = 1
    residual: bool = False
    activation: str = "relu6"


@dataclass(frozen=True, eq=False)
class Option:
    """How an option of a block is written in the block's name.

    Attributes:
        texts: What stands in the name -> the option's value.
    """

    texts: Mapping[str, int | bool | str]


def number(letter: str, values: Iterable[int]) -> Option:
    """A number that follows a letter: `number("k", (3, 5))` is written `_k3` or `_k5`."""
    return Option({f"_{letter}{value}": value for value in values})


def flag(word: str) -> Option:
    """A word that is there or not: `flag("se")` is written `_se` or not at all."""
    return Option({"": False, f"_{word}": True})


@dataclass(frozen=True)
class Block(ABC):
    """A kind of block with its options settled: one candidate of a searched block.

    A subclass is a frozen dataclass that the group `ednas_nni.blocks` registers under its kind. Its fields are its
    options, in the order of the name: `kernel: Annotated[int, number("k", (3, 5))]` is all it takes to be written
    `KIND_k3`. A kind with a grammar of its own overrides `read`, `suffix` and `examples`.

    Modules are made of NNI's `Mutable*` layers and those of `ednas_nni.nn.elementwise`, so that costs, ONNX files and
    one-shot strategies read a block's layers and know nothing of the block.
    """

    shares_weights: ClassVar[bool] = False
    """Whether all blocks of this kind share weights in a supernet: a smaller kernel is the centre of the largest, fewer
    channels are its first ones (`ednas_nni.nn.elastic`). Only for kinds whose parameters of one name mean the same
    whatever the options are; otherwise each operation has weights of its own."""

    @abstractmethod
    def build(self, slot: Slot) -> nn.Module:
        """A new module, from (N, slot.inputs, H, W) to (N, slot.outputs, H / slot.stride, W / slot.stride) rounded up.

        Its weights are drawn from torch's global generator.
        """

    @classmethod
    def read(cls: type[B], suffix: str) -> B:
        """The block that a suffix means: `_k3_e6` of `ibn_k3_e6`, or nothing.

        Raises:
            ValueError: There is no such block; its text says what names are made of.
        """
        options = _options(cls)
        groups = (f"(?P<{name}>{'|'.join(map(re.escape, option.texts))})" for name, option in options.items())
        match = re.fullmatch("".join(groups), suffix)
        if match is None:
            parts = (f"{name} {' or '.join(filter(None, option.texts))}" for name, option in options.items())
            raise ValueError(f"Options follow in this order: {', '.join(parts)}" if options else "It has no options")
        return cls(**{name: option.texts[match[name]] for name, option in options.items()})

    @property
    def suffix(self) -> str:
        """What follows the kind in the name; `read` makes this block of it."""
        given = vars(self)
        return "".join(
            text
            for name, option in _options(type(self)).items()
            for text, value in option.texts.items()
            if value == given[name]
        )

    @classmethod
    def examples(cls: type[B]) -> list[B]:
        """Some blocks of the kind, for its tests: the first and the last value of each option."""
        options = _options(cls)
        values = [tuple(option.texts.values()) for option in options.values()]
        ends = [dict.fromkeys((all_[0], all_[-1])) for all_ in values]
        return [cls(**dict(zip(options, picks, strict=True))) for picks in itertools.product(*ends)]


BLOCKS: Group[type[Block]] = Group("blocks", Block)


@cache
def _options(kind: type[Block]) -> dict[str, Option]:
    """Name of each field -> how it is written."""
    hints = typing.get_type_hints(kind, include_extras=True)
    options = {}
    for field in fields(kind):
        option = next((x for x in typing.get_args(hints[field.name]) if isinstance(x, Option)), None)
        if option is None:
            raise PluginError(
                f"{kind.__name__}.{field.name} does not say how it is written in a name. Annotate it, for example "
                f'Annotated[int, number("k", (3, 5))], or override read, suffix and examples.'
            )
        options[field.name] = option
    return options


@cache
def operation(name: str) -> Block:
    """The block of a name: its registered kind, then its options.

    Raises:
        StudyError: No such kind is registered, or it has no such options.
        PluginError: The plug-in cannot be loaded, or is not a kind of block.
    """
    kinds = BLOCKS.names()
    if not kinds:
        raise PluginError("No blocks are registered: the installation is older than the code. Run pip install -e .")
    kind = _kind(name)
    if kind is None or not isinstance(name, str):
        raise StudyError(
            f"Unknown operation {quoted(name)}: a name begins with the kind of block, for example ibn_k3_e6 (a kind of "
            "your own is known once its distribution is installed, again after each change of its entry points)."
            f"{did_you_mean(str(name).partition('_')[0], kinds)}"
        )
    block = BLOCKS.load(kind)
    try:
        return block.read(name.removeprefix(kind))
    except ValueError as error:
        example = kind + block.examples()[0].suffix
        raise StudyError(f"Unknown operation {name!r}. {error}; for example {example}.") from None


def _kind(name: object) -> str | None:
    """`strip_wide_k3` is a `strip_wide` rather than a `strip`, where both are registered."""
    return max((k for k in BLOCKS.names() if f"{name}_".startswith(f"{k}_")), key=len, default=None)


def own_code(arguments: object, *kinds: type) -> dict[str, str]:
    """Module -> digest of its file: of `kinds` and of blocks that arguments name, where they are not EDNAS's."""
    digests, words = {}, re.findall(r"[\w.-]+", repr(arguments))
    for kind in (*kinds, *map(BLOCKS.load, sorted(set(filter(None, map(_kind, words)))))):
        if kind.__module__.partition(".")[0] not in OURS:
            with suppress(OSError, TypeError):  # typed in at a prompt
                digests[kind.__module__] = file_digest(Path(inspect.getfile(kind)))[:16]
    return digests


def block_choice(names: Sequence[str], slot: Slot, label: str) -> nn.Module:
    """A searched block among named ones; a single one is not a choice and gets no label."""
    blocks = {name: operation(name) for name in names}
    families = {name: type(block).__qualname__ for name, block in blocks.items() if block.shares_weights}
    return choice_or_only({name: partial(block.build, slot) for name, block in blocks.items()}, label, families)
