"""How commands declare arguments. Light: every command declares its arguments before one runs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from ednas_nni.errors import EdnasError


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number from `least` to `most`."""

    def number(text: str) -> int:
        good = text.isdecimal() and len(text) <= 18 and int(text) >= least and (most is None or int(text) <= most)
        if not good:
            allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text!r}: needs a whole number {allowed}")
        return int(text)

    return number


positive = whole(1)
port = whole(1, 65535)


def size(text: str) -> str | tuple[int, int]:
    """The type of `--size`: train, deploy, or height and width in pixels."""
    if text in ("train", "deploy"):
        return text
    height, _, width = text.replace("x", ",").partition(",")
    if not (height.strip().isdecimal() and width.strip().isdecimal() and len(text) < 12):
        raise argparse.ArgumentTypeError(f"{text!r} is not train, deploy, or height and width such as 256,512")
    return int(height), int(width)


def add_file_arguments(parser: argparse.ArgumentParser, short: bool = False) -> None:
    """Declare the experiment's file, and changes of its study as `add_changes`."""
    parser.add_argument("file", metavar="FILE.yml", help="the experiment")
    add_changes(parser, short)


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `handover.choosing.opened` takes: a file or a search, and changes of its study."""
    help = "experiment's YAML, or a search (id, journal, `latest`)"
    parser.add_argument("source", metavar="FILE_OR_ID", help=help)
    add_changes(parser)


def add_changes(parser: argparse.ArgumentParser, short: bool = False) -> None:
    """Declare `--set`, which changes a study that a command reads; `short` = with `--seed` and `--strategy`."""

    def add(option: str, value: str, kind: Callable[[str], str], text: str) -> None:
        parser.add_argument(option, metavar=value, dest="changes", action="append", default=[], type=kind, help=text)

    fields = "a field of the study, such as evaluator.steps=100 or deploy_size=[256,512]; may be given many times"
    add("--set", "FIELD=VALUE", str, fields)
    if short:
        add("--seed", "N", lambda text: f"seed={whole(0)(text)}", "the same as --set seed=N")
        add("--strategy", "NAME", lambda text: f"strategy={text}", "the same as --set strategy=NAME")


def with_changes(source: str, changes: Sequence[str]) -> str:
    """A file or a search with its `--set`, to be typed again."""
    return shlex.join([source, *(word for change in changes for word in ("--set", change))])


def add_experiment_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that `journal_of` understands."""
    help = "experiment id, its folder, a journal file, or `latest` (default)"
    parser.add_argument("experiment", metavar="ID_OR_JOURNAL", nargs="?", default="latest", help=help)


def add_picture_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--picture PATH.png`, which `check_picture` and `write_picture` take."""
    parser.add_argument("--picture", metavar="PATH.png", type=Path, help="draw it too")


def check_picture(path: Path | None) -> None:
    """Say before the work, not after it, that a name cannot be written."""
    if path is None:
        return
    if path.suffix.lower() != ".png":
        raise EdnasError(f"--picture {path}: only PNG can be written. Name a file ending in .png, such as plan.png.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise EdnasError(f"--picture {path}: {path.absolute().parent} is no folder. Make it, or name another one.")


def write_picture(path: Path, png: bytes) -> None:
    """Write it."""
    try:
        path.write_bytes(png)
    except OSError as error:
        raise EdnasError(f"--picture {path}: cannot be written ({error.strerror}). Name another file.") from None
