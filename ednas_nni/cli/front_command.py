"""The front of a supernet for any device and any limit, in seconds to a minute.

All networks that anybody has scored with this supernet are priced for the device, and some more are scored where its
front has gaps. Qualities are inherited: confirm or train what you take.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_study_arguments, whole, with_changes

if TYPE_CHECKING:
    from ednas_nni.handover.repricing import RepricedFront

HELP = "a front for another device or limit, from one supernet"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study_arguments(parser)
    parser.add_argument(
        "--device", metavar="NAME", action="append", default=[], help="name or profile (.yml), instead of the study's"
    )
    parser.add_argument(
        "--limit", metavar="COST<=X", action="append", default=[], help="such as 'latency_ms<=10'; may be repeated"
    )
    parser.add_argument(
        "--networks", metavar="N", type=whole(0), default=32, help="to score beside those that have a score (32)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with the choices that `ednas train` takes")


def run(options: argparse.Namespace) -> int:
    """Print the front."""
    from ednas_nni.handover.choosing import opened
    from ednas_nni.handover.repricing import repriced

    devices = [str(Path(d).expanduser().resolve()) if d.endswith((".yml", ".yaml")) else d for d in options.device]
    front = repriced(opened(options.source, options.changes)[1], devices, options.limit, options.networks)
    if options.json:
        rows = [
            {"architecture": a.architecture, "quality": a.searched["default"], "costs": a.costs, "sample": a.sample}
            for a in front.members
        ]
        content = {"split": front.split, "images": front.images, "reused": front.reused, "scored": front.scored}
        print(json.dumps({**content, "front": rows}, indent=1))
    else:
        show(front, with_changes(options.source, options.changes))
    return 0


def show(front: RepricedFront, study: str) -> None:
    """Print it as a table, and how to go on with the study."""
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.cli import terminal

    table, assembled = front.assembled.table, front.assembled
    named = {o.name for o in assembled.objectives} | {c.name for c in assembled.problem.constraints}
    columns = [column for column in table.columns if column.name in named]
    primary = [f"{name}_{task.primary}" for name, task in assembled.tasks.items()]
    heads = [f">{column.name}\n{column.device}, {column.origin}" for column in columns]
    rows = [
        (
            a.name,
            a.architecture,
            f"{a.searched['default']:.4f}",
            *(terminal.amount(a.costs[column.name]) for column in columns),
            *(terminal.amount(a.searched.get(name)) for name in primary),
        )
        for a in front.members
    ]
    title = f"Front: high inherited quality, low {assembled.objectives[1].name} at {table.size_text}"
    limits = " and ".join(map(str, assembled.constraints))
    title += f", {limits}" if limits else ""
    terminal.console().print(
        terminal.table(("", "architecture", ">quality", *heads, *(f">{n}" for n in primary)), title, rows)
    )
    print(
        f"{front.reused} scores within the limits were there, {front.scored} networks were scored now, on the "
        f"{front.images} images of {front.split}. The best of many inherited qualities is optimistic.\nTo "
        f"train one of them: {command('ednas')} train {study} ARCHITECTURE"
    )
