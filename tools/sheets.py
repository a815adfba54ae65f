"""Contact sheets of the rendered data sets, for the documentation.

python tools/sheets.py [--out docs/images] [--rows 5]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ednas_nni.data.contact_sheet import contact_sheet
from scenes.rooms import Rooms
from scenes.streets import Streets

SIZE = (128, 256)


def main() -> None:
    """Draw both sheets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--rows", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        for source in (Rooms, Streets):
            data = source(size=SIZE, train=arguments.rows, search=1, select=1, test=1, cache=cache)
            path = arguments.out / f"{data.info.name}.png"
            contact_sheet(data, n=arguments.rows).save(path, optimize=True)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
