"""Record all golden values anew: `python tests/golden/record.py [sequences costs ...]`.

The journals themselves stay; `searches.py` makes them.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("sequences", "costs", "training", "data", "baselines", "journals")


def main(names: list[str]) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as cache:
        os.environ["EDNAS_CACHE"] = cache
        for name in names or NAMES:
            begin = time.monotonic()
            importlib.import_module(f"tests.golden.test_{name}").record()
            print(f"{name}: {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
