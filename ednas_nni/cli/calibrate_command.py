"""Correct the model of a device by networks that were measured on the real one.

  ednas calibrate edge_tpu --study FILE.yml --propose 12 --out FOLDER    what to measure: CSV and ONNX files
  ednas calibrate edge_tpu --study FILE.yml --measurements FOLDER/measurements.csv --out my_tpu.yml

The profile that is written can stand under `device:` of a study. Nothing is written where the measurements do not show
that the correction helps.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import whole
from ednas_nni.errors import EdnasError, did_you_mean

if TYPE_CHECKING:
    from ednas_nni.cost.table import CostTable
    from ednas_nni.search.assembled import Assembled

HELP = "correct a device's model by measurements of your own"
STUDY = Path("experiments/ednas.yml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("device", metavar="DEVICE", help="name of a device, or the path of a profile")
    todo = parser.add_mutually_exclusive_group(required=True)
    todo.add_argument(
        "--measurements", metavar="FILE.csv", type=Path, help="columns: architecture, latency_ms, repeats"
    )
    todo.add_argument(
        "--propose", metavar="N", type=whole(1, 200), help="write the N most informative networks to measure"
    )
    parser.add_argument(
        "--study", metavar="FILE.yml", type=Path, default=STUDY, help=f"whose space and deploy_size ({STUDY})"
    )
    parser.add_argument("--cost", metavar="NAME", default="latency_ms", help="the measured cost (latency_ms)")
    out = "the profile to write (DEVICE_calibrated.yml), or the new folder of --propose"
    parser.add_argument("--out", metavar="PATH", type=Path, help=out)
    parser.add_argument("--name", metavar="NAME", help="name of the corrected device; that of the file by default")
    parser.add_argument("--no-onnx", action="store_true", help="with --propose: the CSV file alone")
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="N", help="with --propose: seed of the candidates (0)"
    )
    parser.add_argument(
        "--journal", metavar="ID_OR_JOURNAL", default="latest", help="search that the file's architecture ids are from"
    )


def run(options: argparse.Namespace) -> int:
    """Propose or calibrate; exit code 1 where the correction does not help."""
    from ednas_nni.bridge.manager import experiment_file as experiment
    from ednas_nni.cost import cost_table
    from ednas_nni.cost.profiles import SUFFIXES
    from ednas_nni.search.assembled import Assembled

    if options.study == STUDY and not STUDY.is_file():
        raise EdnasError(f"--study: there is no {STUDY} here; name the experiment whose space the networks are from.")
    if options.device.endswith(SUFFIXES):
        options.device = str(Path(options.device).expanduser().absolute())
    assembled = Assembled(experiment.read(options.study).study)
    table = cost_table(assembled.space, [options.device], deploy_size=tuple(assembled.study.deploy_size))
    own = [column.name for column in table.devices[0].columns]
    if options.cost not in own:
        raise EdnasError(f"--cost {options.cost}: is not a cost of {options.device}.{did_you_mean(options.cost, own)}")
    if options.propose:
        from ednas_nni.cli.proposal import propose

        return propose(options, assembled, table)
    return _calibrate(options, assembled, table)


def _calibrate(options: argparse.Namespace, assembled: Assembled, table: CostTable) -> int:
    import numpy as np
    import yaml

    from ednas_nni.calibration.correction import calibrate
    from ednas_nni.calibration.device import calibrated_profile
    from ednas_nni.calibration.measurements import priced_terms, read_measurements
    from ednas_nni.cli.calibration_report import show
    from ednas_nni.cli.describe_command import sample_of
    from ednas_nni.record.whole_file import write_whole

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
    show(table, options, measured, terms, result)
    if not result.helps:
        return 1
    height, width = assembled.study.deploy_size
    at = f"{height} x {width} px, space {assembled.study.space.name}"
    unit = table.columns[table.names.index(options.cost)].unit
    profile = calibrated_profile(name, options.device, (options.cost, unit), measured, terms, result, at)
    text = "# A device's model, corrected by measurements; written by `ednas calibrate`. See docs/planning.md.\n"
    try:
        write_whole(out, text + yaml.safe_dump(profile.model_dump(), sort_keys=False))
    except OSError as error:
        raise EdnasError(f"--out {out}: cannot be written ({error.strerror}).") from None
    print(f"\nwrote {out}\nTo use it, write in a study: device: {out.absolute()}")
    return 0


def _check_out(out: Path) -> None:
    """Before the work: the folder is there, and no file but an older calibration is written over."""
    from ednas_nni.study import plain_data

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
