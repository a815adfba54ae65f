"""Resume: go on with a search that was stopped or crashed, under its id and with its journal.

Nothing that was reported is lost and nothing is trained twice. A search whose manager was killed within its first
seconds begins anew under the same id.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_experiment_argument, positive
from ednas_nni.cli.search_command import add_common_arguments

if TYPE_CHECKING:
    from pathlib import Path

    from ednas_nni.bridge.manager.launch import Running

HELP = "go on with a search that was stopped or crashed"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_experiment_argument(parser)
    parser.add_argument("--trials", type=positive, metavar="N", help="how many trials there may be in all from now on")
    add_common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Go on to the end. Exit code as `ednas search`."""
    from ednas_nni.bridge.manager.experiment_file import of_experiment
    from ednas_nni.bridge.manager.follow import Tail
    from ednas_nni.cli.search_command import search
    from ednas_nni.errors import ExperimentError
    from ednas_nni.record.journal import FILE, FOLDER
    from ednas_nni.record.locate import folder_of
    from ednas_nni.search.assembled import Assembled

    folder = folder_of(options.experiment)
    file = of_experiment(folder)
    begun = len(Tail(folder / FOLDER / FILE).update().own)
    if options.trials is not None and options.trials < begun:
        raise ExperimentError(f"--trials {options.trials}: {begun} trials have begun already. Name {begun} or more.")
    return search(file, Assembled(file.study, str(file.path)), options, lambda: _resume(folder, options))


def _resume(folder: Path, options: argparse.Namespace) -> Running:
    from ednas_nni.bridge.manager import launch

    running = launch.resume(folder, options.port)
    try:
        if options.trials is not None:
            profile = running.manager.experiment()
            profile["params"]["maxTrialNumber"] = options.trials
            running.manager.put("experiment?update_type=MAX_TRIAL_NUM", profile)
    except BaseException:
        running.stop()
        raise
    return running
