"""Networks to measure, as files: a CSV file to fill in, and the networks in ONNX."""

from __future__ import annotations

import argparse
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli import terminal
from ednas_nni.cli.terminal import amount
from ednas_nni.errors import EdnasError

if TYPE_CHECKING:
    import numpy as np

    from ednas_nni.compat.nas import ModelSpace
    from ednas_nni.cost.table import CostTable
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.space.dimensions import Sample
    from ednas_nni.study.objectives import Constraint

FILE = "measurements.csv"


def propose(options: argparse.Namespace, assembled: Assembled, table: CostTable) -> int:
    """Choose networks, and write them into a new folder: all of it, or nothing."""
    from ednas_nni.calibration.measurements import write_measurements
    from ednas_nni.calibration.proposing import informative

    folder = options.out
    if folder is None:
        raise EdnasError("--propose: name a new folder for the files: --out FOLDER")
    if folder.exists():
        raise EdnasError(f"--out {folder}: is there already. Name a new folder, so that nothing is overwritten.")
    if not options.no_onnx:
        from ednas_nni.graphs.onnx_file import INSTALL

        try:
            import onnx  # noqa: F401
        except ImportError:
            raise EdnasError(
                f"--propose: ONNX files need the package onnx. Install it: {INSTALL}. Or leave them out with "
                "--no-onnx: the CSV file names every architecture"
            ) from None
    # Limits on costs of the study's other devices cannot be checked on this table.
    constraints = [c for c in assembled.constraints if c.name in table.names]
    codes = informative(table, options.cost, options.propose, constraints, options.seed)
    samples = [table.domains.decode(row) for row in codes]
    costs = table.encoded(codes)[:, table.names.index(options.cost)]
    ids = [table.domains.architecture_id(sample) for sample in samples]
    files = ["" if options.no_onnx else f"{architecture}.onnx" for architecture in ids]
    part = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        write_measurements(part / FILE, options.cost, list(zip(ids, samples, map(float, costs), files, strict=True)))
        if not options.no_onnx:
            _write_networks(part, files, samples, assembled.space, table.deploy_size)
        part.rename(folder)
    except OSError as error:
        raise EdnasError(f"--out {folder}: cannot be written ({error.strerror}).") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _summarise(options, table, constraints, costs, folder)
    return 0


def _write_networks(
    folder: Path, files: list[str], samples: list[Sample], space: ModelSpace, size: tuple[int, int]
) -> None:
    """The networks with random weights, which do not change how long they take; all shapes are written down."""
    import onnx
    import torch
    from tqdm import tqdm

    from ednas_nni.graphs.capture import capture
    from ednas_nni.graphs.onnx_file import onnx_bytes
    from ednas_nni.nn.tree import build

    with torch.device("meta"):
        image = torch.empty(1, 3, *size)
    pairs = list(zip(files, samples, strict=True))
    for file, sample in tqdm(pairs, desc="writing networks", unit="file", delay=1.0, leave=False, disable=None):
        model = onnx.load_from_string(onnx_bytes(capture(build(space, sample), (image,))))
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(model)
        onnx.save(model, str(folder / file))


def _summarise(
    options: argparse.Namespace, table: CostTable, constraints: list[Constraint], costs: np.ndarray, folder: Path
) -> None:
    height, width = table.deploy_size
    column = table.columns[table.names.index(options.cost)]
    within = f" within {', '.join(map(str, constraints))}" if constraints else ""
    print(
        f"{len(costs)} networks{within}, {amount(float(costs.min()))} .. {amount(float(costs.max()))} {column.unit} "
        f"({column.device}, {column.origin}), chosen to tell the model's terms apart (greedy D-optimal design)"
    )
    print(f"wrote {folder / FILE}" + ("" if options.no_onnx else f" and {len(costs)} ONNX networks beside it"))
    print(
        f"Measure each on the device with one image of {height} x {width} px (outputs as the network gives them), "
        f"write\nthe figures into column {options.cost}, and run:\n"
        f"  ednas calibrate {shlex.quote(options.device)} --study {shlex.quote(str(options.study))} "
        f"--measurements {shlex.quote(str(folder / FILE))} --out my_device.yml"
    )
    if len(costs) < 10:
        terminal.warn(f"{len(costs)} networks correct a model only roughly; 10 or more are advised, 5 are the fewest.")
