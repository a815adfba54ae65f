"""Correct the model of a device by networks that were measured on the real one.

  ednas calibrate edge_tpu --study FILE.yml --propose 12 --out FOLDER    what to measure: CSV and ONNX files
  ednas calibrate litert_cpu --study FILE.yml --propose 12 --to litert-int8 --out FOLDER          ... .tflite files
  ednas calibrate edge_tpu --study FILE.yml --measurements FOLDER/measurements.csv --out my_tpu.yml

The profile that is written can stand under `device:` of a study. Nothing is written where the measurements do not show
that the correction helps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ednas_nni.cli.arguments import add_changes, whole
from ednas_nni.errors import EdnasError, did_you_mean

HELP = "correct a device's model by measurements of your own"
GROUP = "for experts"
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
    add_changes(parser)
    parser.add_argument("--cost", metavar="NAME", default="latency_ms", help="the measured cost (latency_ms)")
    out = "the profile to write (DEVICE_calibrated.yml), or the new folder of --propose"
    parser.add_argument("--out", metavar="PATH", type=Path, help=out)
    parser.add_argument("--name", metavar="NAME", help="name of the corrected device; that of the file by default")
    formats = ("onnx", "litert", "litert-int8")
    parser.add_argument("--to", choices=formats, default="onnx", help="with --propose: form of the networks (onnx)")
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
    assembled = Assembled(experiment.read(options.study, options.changes).study)
    size = tuple(assembled.study.deploy_size)
    table = cost_table(assembled.space, [options.device], size, classes=assembled.classes)
    own = [column.name for column in table.devices[0].columns]
    if options.cost not in own:
        raise EdnasError(f"--cost {options.cost}: is not a cost of {options.device}.{did_you_mean(options.cost, own)}")
    from devices.calibrated.files import correct, propose

    return (propose if options.propose else correct)(options, assembled, table)
