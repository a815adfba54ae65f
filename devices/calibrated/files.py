"""What `ednas calibrate` does: networks to measure as files, and a correction with what it is worth.

Errors are told before and after, on rows that had no part in the correction.
"""

from __future__ import annotations

import argparse
import math
import shlex
import shutil
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

from devices.calibrated.correction import FEWEST, SIGNIFICANCE, Calibration, calibrate
from devices.calibrated.device import calibrated_profile
from devices.calibrated.measurements import (
    Measurements,
    PricedTerms,
    priced_terms,
    read_measurements,
    write_measurements,
)
from devices.calibrated.proposing import informative
from devices.parts.measured_device import MeasuredDevice
from ednas_nni.cli import terminal
from ednas_nni.cli.describe_command import sample_of
from ednas_nni.cli.terminal import amount
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import EdnasError, StudyError
from ednas_nni.graphs.capture import network_graph
from ednas_nni.graphs.graph import cut
from ednas_nni.graphs.onnx_file import onnx_bytes
from ednas_nni.graphs.tflite_file import Precision, tflite_bytes
from ednas_nni.nn.heads import answering_classes
from ednas_nni.record.whole_file import write_whole
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import plain_data
from ednas_nni.study.objectives import Constraint

FILE = "measurements.csv"
BOARD = """  pip install ai-edge-litert
  for f in *.tflite; do litert-benchmark --num_threads 1 --num_runs 200 --model $f --result_json $f.json; done
or otherwise:"""
PRECISIONS: dict[str, Precision] = {"litert": "float32", "litert-int8": "int8"}
STRANGE = 50.0
"""Measured and modelled costs further apart than this are probably in different units."""


def propose(options: argparse.Namespace, assembled: Assembled, table: CostTable) -> int:
    """Choose networks, and write them into a new folder: all of it, or nothing."""
    folder = options.out
    if folder is None:
        raise EdnasError("--propose: name a new folder for the files: --out FOLDER")
    if folder.exists():
        raise EdnasError(f"--out {folder}: is there already. Name a new folder, so that nothing is overwritten.")
    # Limits on costs of the study's other devices cannot be checked on this table.
    ours = {column.name for column in assembled.table.columns if column.device in table.device_names}
    constraints = [c for c in assembled.constraints if c.name in ours & {*table.names}]
    codes = informative(table, options.cost, options.propose, constraints, options.seed)
    samples = [table.domains.decode(row) for row in codes]
    costs = table.encoded(codes)[:, table.names.index(options.cost)]
    ids = [table.domains.architecture_id(sample) for sample in samples]
    form = "" if options.no_onnx else options.to
    column = "tflite" if form in PRECISIONS else "onnx"
    files = [f"{architecture}.{column}" if form else "" for architecture in ids]
    part = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        rows = list(zip(ids, samples, map(float, costs), files, strict=True))
        write_measurements(part / FILE, options.cost, rows, column)
        pairs = list(zip(files, samples, strict=True)) if form else []
        for file, sample in tqdm(pairs, desc="writing networks", unit="file", delay=1.0, leave=False, disable=None):
            # Random weights do not change how long it takes; a file ends where the device's costs end.
            with answering_classes(assembled.classes):
                graph = network_graph(assembled.space, sample, size := table.deploy_size)
            whole = isinstance(table.devices[0], MeasuredDevice) and table.devices[0].enlarges
            graph = graph if whole else cut(graph, size)
            content = onnx_bytes(graph) if form == "onnx" else tflite_bytes(graph, 0, PRECISIONS[form])
            (part / file).write_bytes(content)
        part.rename(folder)
    except StudyError as error:
        raise EdnasError(f"--propose: {error}. Or leave them out with --no-onnx: the CSV file names all") from None
    except OSError as error:
        raise EdnasError(f"--out {folder}: cannot be written ({error.strerror}).") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _summarise(options, table, constraints, costs, folder)
    return 0


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
    print(f"wrote {folder / FILE}" + ("" if options.no_onnx else f" and {len(costs)} {options.to} networks beside it"))
    if options.to != "onnx" and not options.no_onnx:
        print(f"On the device, in a copy of {folder}; put the .json files beside {FILE} then, they are read:\n{BOARD}")
    print(
        f"Measure each on the device with one image of {height} x {width} px (outputs as the network gives them), "
        f"write\nthe figures into column {options.cost}, and run:\n"
        f"  ednas calibrate {shlex.quote(options.device)} --study {shlex.quote(str(options.study))} "
        f"--measurements {shlex.quote(str(folder / FILE))} --out my_device.yml"
    )
    if len(costs) < 10:
        terminal.warn(f"{len(costs)} networks correct a model only roughly; 10 or more are advised, 5 are the fewest.")


def correct(options: argparse.Namespace, assembled: Assembled, table: CostTable) -> int:
    """Fit a correction, say what it is worth, and write its profile; exit code 1 where it does not help."""
    out = options.out or Path(f"{Path(options.device).stem}_calibrated.yml")
    name = options.name or out.stem
    if not name.isidentifier():
        named = f"--name {name}" if options.name else f"--out {out}"
        raise EdnasError(f"{named}: {name!r} must be of letters, digits and _. Write --name my_device")
    _check_out(out)
    measured = read_measurements(
        options.measurements,
        options.cost,
        table.domains,
        lambda wanted: sample_of(assembled, wanted, options.journal),
    )
    codes = np.stack([table.domains.encode(sample) for sample in measured.samples])
    terms = priced_terms(table, options.cost, codes)
    result = calibrate(terms.matrix, measured.values)
    _show(table, options, measured, terms, result)
    if not result.helps:
        return 1
    height, width = assembled.study.deploy_size
    at = f"{height} x {width} px, space {assembled.study.space.name}"
    unit = table.columns[table.names.index(options.cost)].unit
    here = table.devices[0].measured_on
    profile = calibrated_profile(name, options.device, (options.cost, unit), measured, terms, result, at, here)
    text = "# A device's model, corrected by measurements; written by `ednas calibrate`. See docs/planning.md.\n"
    try:
        write_whole(out, text + yaml.safe_dump(profile.model_dump(), sort_keys=False))
    except OSError as error:
        raise EdnasError(f"--out {out}: cannot be written ({error.strerror}).") from None
    print(f"\nwrote {out}\nTo use it, write in a study: device: {out.absolute()}")
    return 0


def _check_out(out: Path) -> None:
    """Before the work: the folder is there, and no file but an older calibration is written over."""
    if out.suffix not in (".yml", ".yaml"):
        raise EdnasError(f"--out {out}: a profile ends in .yml, such as my_device.yml")
    if not out.absolute().parent.is_dir():
        raise EdnasError(f"--out {out}: {out.absolute().parent} is not a folder. Make it, or name another one.")
    if not out.exists():
        return
    try:
        present = plain_data.read_yaml(out, EdnasError)
    except EdnasError:
        present = None
    if not isinstance(present, dict) or present.get("kind") != "calibrated":
        raise EdnasError(f"--out {out}: is there already and is no calibration. Name another file.")


def _show(
    table: CostTable, options: argparse.Namespace, measured: Measurements, terms: PricedTerms, result: Calibration
) -> None:
    column = table.columns[table.names.index(options.cost)]
    modelled = terms.matrix.sum(axis=1)
    print(f"{options.measurements}: {len(measured.values)} architectures, {measured.repeats.sum()} runs")
    if measured.empty:
        print(f"  {measured.empty} rows have no {options.cost} yet and are left out")
    if measured.spread is not None:
        print(f"  rows of one architecture differ by {100 * measured.spread:.1f} % (mean relative standard deviation)")
    heads = (f">measured, {column.unit}", f">{options.device}, {column.origin}", ">error", ">held out, corrected")
    rows = terminal.table(("architecture", *heads, ">error"))
    for i, sample in enumerate(measured.samples):
        value = measured.values[i]
        rows.add_row(
            table.domains.architecture_id(sample),
            amount(value),
            amount(modelled[i]) + (" (extrapolated)" if terms.extrapolated[i] else ""),
            f"{100 * (modelled[i] / value - 1):+.1f} %",
            amount(result.held_out[i]),
            f"{100 * (result.held_out[i] / value - 1):+.1f} %",
        )
    errors = terminal.table(("", ">mean error", ">largest", ">Kendall's tau", "of"))
    for name, kind, of in (
        ("before", result.before, f"all {len(measured.values)} rows, as the model is"),
        ("after", result.after, "held-out rows: no fit and no choice of a form has seen the row it predicts"),
    ):
        tau = "-" if math.isnan(kind.tau) else f"{kind.tau:.2f}"
        errors.add_row(name, f"{100 * kind.mape:.1f} %", f"{100 * kind.worst:.1f} %", tau, of)
    console = terminal.console()
    console.print(rows)
    console.print(errors)
    ratio = float(sorted(measured.values / modelled)[len(modelled) // 2])
    if not 1 / STRANGE < ratio < STRANGE:
        terminal.warn(f"measured costs are {ratio:.3g} times the modelled ones: are they in {column.unit}?")
    _conclude(column.unit, options, terms, result)


def _conclude(unit: str, options: argparse.Namespace, terms: PricedTerms, result: Calibration) -> None:
    if not result.helps:
        worse = result.after.mape >= result.before.mape
        reason = (
            f"held-out errors are {'no smaller than' if worse else 'smaller, but not significantly so, than'} those of "
            f"{options.device} as it is (one-sided Wilcoxon test: p = {result.p_value:.2g}, needed is {SIGNIFICANCE:g})"
        )
        more = (
            "Measure more networks (`--propose` says which)" if len(result.held_out) < 4 * FEWEST else "Keep the model"
        )
        terminal.fail(f"no correction is written: {reason}. {more}, or check how they were measured")
        return
    correction = result.correction
    print(f"correction: {correction.form}, the simplest that holds out well (p = {result.p_value:.2g} against none)")
    if correction.form == "terms":
        parts = ", ".join(f"{name} x {scale:.3g}" for name, scale in zip(terms.names, correction.scales, strict=True))
        print(f"  {parts}")
    else:
        offset = f" {correction.offset:+.4g} {unit}" if correction.offset else ""
        print(f"  {options.cost} = {correction.scales[0]:.4g} x {options.device}{offset}")
    if result.upper_ratio is None:
        print("  no upper 90 % bound: it takes nine rows. Limits will be checked on the corrected cost itself")
    else:
        print(f"  upper 90 % bound: {result.upper_ratio:.3f} times the corrected cost; limits are checked there")
