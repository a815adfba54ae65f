"""Search: check the experiment, prepare its data, start NNI for this machine only, show the trials, print the front.

The same file works with `nnictl create --config FILE.yml`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_file_arguments, port, positive
from ednas_nni.errors import EdnasError

if TYPE_CHECKING:
    from ednas_nni.bridge.manager.experiment_file import ExperimentFile
    from ednas_nni.bridge.manager.launch import Running
    from ednas_nni.record.journal import History
    from ednas_nni.search.assembled import Assembled

HELP = "search, with a live table and NNI's web UI"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_file_arguments(parser, short=True)
    parser.add_argument("--trials", type=positive, metavar="N", help="instead of the file's maxTrialNumber")
    parser.add_argument("--concurrency", type=positive, metavar="N", help="instead of the file's trialConcurrency")
    add_common_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """What a start and a resume share."""
    parser.add_argument("--port", type=port, metavar="N", help="port of NNI's web UI; a free one near 8080 by default")
    parser.add_argument("--no-report", action="store_true", help="do not write the HTML report at the end")
    parser.add_argument("--out", metavar="DIR", help="folder of the report; reports/<experiment id> by default")
    parser.add_argument(
        "--keep-running", action="store_true", help="leave NNI's web UI running after the search has ended"
    )


def run(options: argparse.Namespace) -> int:
    """Search to the end. Exit code 0 done, 1 an error, 130 interrupted."""
    from ednas_nni.cli.check_command import checked

    print(f"Checking {options.file} ...", flush=True)
    changes = {"maxTrialNumber": options.trials, "trialConcurrency": options.concurrency}
    findings = checked(
        options.file, {name: value for name, value in changes.items() if value is not None}, options.changes
    )
    if findings.errors or findings.file is None or findings.assembled is None:
        return 1
    from ednas_nni.bridge.manager import launch

    file = findings.file
    return search(file, findings.assembled, options, lambda: launch.create(file.resolved(), options.port))


def search(
    file: ExperimentFile, assembled: Assembled, options: argparse.Namespace, start: Callable[[], Running]
) -> int:
    """Start NNI, follow the search to its end, stop NNI; exit code as `run`."""
    from ednas_nni.bridge.manager.running import handled
    from ednas_nni.bridge.manager.services import service_of

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    # `kill` and a closed terminal end the search as Ctrl-C does: no process is left behind.
    with handled((signal.SIGTERM, signal.SIGHUP), interrupt):
        if assembled.needs_network:
            print("\nMade once and kept: data, and what else all trials stand on ...", flush=True)
            assembled.prepare(file.platform == "local")
        if (service := service_of(file)) is not None:
            service.prepare(file, assembled)
        return _search(file, assembled, options, start)


def _search(
    file: ExperimentFile, assembled: Assembled, options: argparse.Namespace, start: Callable[[], Running]
) -> int:
    from ednas_nni.bridge.manager.follow import Tail
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.cli import terminal
    from ednas_nni.record.journal import FILE, FOLDER
    from ednas_nni.record.locate import command_name

    print("\nStarting NNI ...", flush=True)
    began, running = time.time(), start()
    journal = running.folder / FOLDER / FILE
    try:
        print(f"NNI's web UI: http://127.0.0.1:{running.port}   (experiment {running.id})", flush=True)
        _show(file, assembled, running, journal, began)
    except KeyboardInterrupt:
        print("\nInterrupted. Stopping NNI; this takes some seconds ...", flush=True)
        with suppress(KeyboardInterrupt):  # one more, of somebody in a hurry: what is said below is wanted all the same
            running.stop()
        done, id = len(Tail(journal).update().results), command_name(journal)
        print(f"Stopped. {done} result{'' if done == 1 else 's'} so far; nothing that was reported is lost.")
        print(f"To go on:  {command('ednas')} resume {id}")
        if done:
            print(f"To see what was found:  {command('ednas')} report {id}")
        return 130
    except EdnasError as error:
        running.stop()
        terminal.fail(str(error))
        print(f"NNI's logs: {running.folder / 'log'}", file=sys.stderr)
        return 1
    except BaseException:
        running.stop()
        raise
    if not options.keep_running:
        print("Stopping NNI ...", flush=True)
        running.stop()
    return _closing(Tail(journal).update(), journal, running, options)


def _show(file: ExperimentFile, assembled: Assembled, running: Running, journal: Path, began: float) -> None:
    from ednas_nni.bridge.manager.follow import follow
    from ednas_nni.cli import terminal
    from ednas_nni.cli.display import Lines, Live, primary_metrics

    costs = [o.name for o in assembled.objectives if o.name in assembled.table.names] or ["latency_ms"]
    # A bound that a limit is checked on says little beside the cost itself.
    costs += [c.name for c in assembled.problem.constraints if c.name.removesuffix("_upper90") not in costs]
    metrics = primary_metrics(assembled.tasks) if assembled.needs_network else ()
    console = terminal.console()
    heading = f"{file.path.name}: experiment {running.id}, http://127.0.0.1:{running.port}"
    redraws = console.is_terminal and not console.is_dumb_terminal
    live = Live(console, costs, metrics, heading) if redraws else Lines(costs, metrics)
    with live if isinstance(live, Live) else nullcontext():
        follow(running.manager, journal, live, file.trials, began)


def _closing(history: History, journal: Path, running: Running, options: argparse.Namespace) -> int:
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.cli import outcome, terminal
    from ednas_nni.cli.report_command import write
    from ednas_nni.record.locate import command_name

    outcome.show(history)
    id = command_name(journal)
    code = 0 if history.results else 1
    if not options.no_report and history.results:
        try:
            print(f"Report: {write(journal, options.out)}")
        except Exception as error:  # the search is done and safe; the report can be written again
            terminal.fail(
                f"the report was not written: {type(error).__name__}: {' '.join(str(error).split())}. The search is "
                f"complete; try `{command('ednas')} report {id}`."
            )
            code = 1
    if history.confirmed:
        print(
            f"Next: {command('ednas')} pick {id}, then {command('ednas')} train {id} ARCHITECTURE (--steps 0: as it is)"
        )
    elif history.results:
        print(f"Next: {command('ednas')} confirm {id}, then {command('ednas')} pick {id}")
    if options.keep_running and running.process.alive:  # nobody has stopped it meanwhile
        print(
            f"NNI's web UI stays at http://127.0.0.1:{running.port}; end it with: {command('nnictl')} stop {running.id}"
        )
    else:
        shell = f'eval "$({command("ednas")} loopback)"'
        print(f"To look at it in NNI's web UI again:  {shell}; nnictl view {running.id}")
    return code
