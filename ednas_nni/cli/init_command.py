"""Write a study to start from into a folder: DIR/experiments/ednas.yml. Nothing that exists is overwritten.

With --data the study is for your own photos: a manifest of them is drafted into DIR/data, and tasks, sizes and crop are
filled in. What a file cannot tell, such as the unit of depth in whole numbers, is open: `--fill depth_scale=0.001`.
"""

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
    parser.add_argument("--data", metavar="FOLDER", type=Path, help="images with labels, for images/, seg/, depth/ ...")
    parser.add_argument("--fill", metavar="COLUMN=CELL", action="append", default=[], help="with --data: what is open")


def run(options: argparse.Namespace) -> int:
    """Write the studies and print the next two commands."""
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.errors import EdnasError

    folder = Path(options.folder) / "experiments"
    first = folder / STUDIES[0]
    if first.exists():
        raise EdnasError(f"{first}: exists and is not overwritten. Name another folder: `ednas init DIR`.")
    if options.fill and options.data is None:
        raise EdnasError("--fill: fills a manifest; name the images as well: --data FOLDER.")
    texts = {name: packaged(name) for name in STUDIES}
    if options.data is not None:
        from ednas_nni.cli.own_study import study_of

        photos = options.data.expanduser().resolve()
        if not photos.is_dir():
            raise EdnasError(f"--data {options.data}: there is no such folder.")
        data = (Path(options.folder) / "data").resolve()
        texts = {STUDIES[0]: study_of(photos, data, texts[STUDIES[0]], options.fill)}
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / name
            if path.exists():
                continue
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
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
