"""What ImageNet weights are worth on real images: EfficientNet-Lite0 on NYUv2 (13 classes, depth) against random ones.

    python benchmarks/pretrained.py FOLDER [--seeds 3]     resumable: a training that is in the results is not run again
    python benchmarks/pretrained.py --render               the table of results/README.md again

The folder holds NYUv2 as `worlds.nyuv2_frames` says. Every network is the same, the space's member
`efficientnet_lite0`, trained for the same steps on the training split and scored on `select`, where nothing was chosen.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from into_docs import EVIDENCE, grid, put
from worlds import FULL_WEIGHT

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "pretrained.json"
STEPS, SIZES = 300, ((96, 128), (120, 160))
ARMS: dict[str, tuple[str | None, float]] = {
    "ImageNet, a tenth of the learning rate": ("packages", 0.1),
    "random": (None, 1.0),
    "ImageNet, the whole learning rate": ("packages", 1.0),
}
"""Start of the encoder -> `encoder_weights`, `encoder_learning_rate`."""


def measure(folder: Path, arm: str, size: tuple[int, int], seed: int) -> dict[str, float]:
    """Train one network; its metrics on `select`."""
    from ednas_nni.search.assembled import trained
    from ednas_nni.training import JaredEvaluator
    from search_spaces import efficientnet_lite

    weights, factor = ARMS[arm]
    evaluator = JaredEvaluator(
        ("segmentation", "depth"),
        {"name": "manifest", "folder": str(folder), "allow_outside": True},
        size,  # a study takes multiples of 32 alone; the network pads any other
        **FULL_WEIGHT,
        encoder_learning_rate=factor,
        steps=STEPS,
        scored_on="select",
        reports=1,
        threads=1,
        accelerator="cpu",
        seed=seed,
    )
    space = efficientnet_lite({"segmentation": 13, "depth": 1}, weights, encoders=["efficientnet_lite0"])
    return trained(space, space.member("efficientnet_lite0"), evaluator)[1]


def render(runs: dict[str, dict[str, float]]) -> str:
    """The table: mean and standard deviation over seeds."""
    rows = []
    for height, width in SIZES:
        for arm in ARMS:
            got = [run for key, run in runs.items() if key.startswith(f"{height}x{width}, {arm}, ")]
            if got:
                cells = [_spread([run[name] for run in got], digits) for name, digits in METRICS.values()]
                rows.append([f"{height} x {width}", arm, str(len(got)), *cells])
    how = f"{STEPS} steps, scored on the 101 images of `select`, mean and standard deviation over seeds"
    return f"{how}:\n\n{grid(['size', 'start of the encoder', 'seeds', *METRICS], rows)}"


METRICS = {
    "mIoU": ("segmentation_miou", 3),
    "depth, mean absolute error (m)": ("depth_abs_error_m", 3),
    "quality": ("default", 3),
}


def _spread(values: list[float], digits: int) -> str:
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="NYUv2 as above")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--render", action="store_true", help="only make the table of results/README.md again")
    given = parser.parse_args()
    runs = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if given.folder is not None and not given.render:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        with tempfile.TemporaryDirectory() as folder:
            from worlds import described, nyuv2_frames

            data = given.folder.resolve()
            described(Path(folder), nyuv2_frames(data), data / "classes13.txt")
            for size in SIZES:
                for seed in range(given.seeds):
                    for arm in list(ARMS)[
                        : 3 if seed == 0 and size == SIZES[0] else 2
                    ]:  # the third arm says only why the first is as it is
                        key = f"{size[0]}x{size[1]}, {arm}, seed {seed}, {STEPS} steps"
                        if key not in runs:
                            runs[key] = measure(Path(folder), arm, size, seed)
                            RESULTS.write_text(json.dumps(runs, indent=1) + "\n")
    print(render(runs))
    put(EVIDENCE, "pretrained", render(runs))


if __name__ == "__main__":
    main()
