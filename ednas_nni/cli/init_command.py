"""Write a study to start from into a folder: DIR/experiments/ednas.yml. Nothing that exists is overwritten."""

from __future__ import annotations

import argparse
import shlex
from importlib import resources
from pathlib import Path

HELP = "write a study to start from"
STUDIES = ("ednas.yml", "separate.yml", "streets.yml", "stub.yml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", nargs="?", default=".", help="where; this folder by default")


def run(options: argparse.Namespace) -> int:
    """Write the studies and print the next two commands."""
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.errors import EdnasError

    folder = Path(options.folder) / "experiments"
    first = folder / STUDIES[0]
    if first.exists():
        raise EdnasError(f"{first}: exists and is not overwritten. Name another folder: `ednas init DIR`.")
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in STUDIES:
            path = folder / name
            if path.exists():
                continue
            with path.open("x", encoding="utf-8") as file:
                file.write(packaged(name))
            written.append(path)
    except OSError as error:
        raise EdnasError(
            f"{error.filename or folder}: cannot be written ({error.strerror}). Name another folder."
        ) from None
    for path in written:
        print(f"wrote {path}")
    print("\nNext:")
    ednas, study = command("ednas"), shlex.quote(str(first))
    print(f"  {ednas} check {study}    # what will be searched")
    print(f"  {ednas} search {study}   # search; shows a live table and the address of NNI's web UI")
    return 0


def packaged(name: str) -> str:
    """Text of a study that ships with the package."""
    return resources.files("ednas_nni.cli").joinpath("studies", name).read_text(encoding="utf-8")
