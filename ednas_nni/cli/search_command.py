"""Search: check the experiment, prepare its data, start NNI for this machine only, show the trials, print the front.

The same file works with `nnictl create --config FILE.yml`.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import port, positive
from ednas_nni.errors import EdnasError, ExperimentError

if TYPE_CHECKING:
    from ednas_nni.bridge.manager.experiment_file import ExperimentFile
    from ednas_nni.data import DataSource
    from ednas_nni.record.journal import History
    from ednas_nni.search.assembled import Assembled

HELP = "search, with a live table and NNI's web UI"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE.yml", help="the experiment")
    parser.add_argument("--port", type=port, metavar="N", help="port of NNI's web UI; a free one near 8080 by default")
    parser.add_argument("--trials", type=positive, metavar="N", help="instead of the file's maxTrialNumber")
    parser.add_argument("--concurrency", type=positive, metavar="N", help="instead of the file's trialConcurrency")
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
    findings = checked(options.file, {name: value for name, value in changes.items() if value is not None})
    if findings.errors or findings.file is None or findings.assembled is None:
        return 1
    with _interruptible():
        if findings.assembled.needs_network:
            _prepare_data(findings.assembled.source)
        return _search(findings.file, findings.assembled, options)


def _prepare_data(source: DataSource) -> None:
    print(f"\nData {source.info.name!r} (made once, kept in a cache) ...", flush=True)
    source.prepare()


@contextmanager
def _interruptible() -> Iterator[None]:
    """`kill` and a closed terminal end the search as Ctrl-C does: no process is left behind."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {name: signal.signal(name, interrupt) for name in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _search(file: ExperimentFile, assembled: Assembled, options: argparse.Namespace) -> int:
    from ednas_nni.bridge.manager import launch
    from ednas_nni.bridge.manager.follow import Tail
    from ednas_nni.bridge.python.searching import create
    from ednas_nni.cli import terminal
    from ednas_nni.record.journal import journal_path

    port = options.port or launch.free_port(pair=file.platform != "local")
    if not launch.port_is_free(port):
        raise ExperimentError(
            f"--port {port}: something listens there already. Leave --port out to have a free one found."
        )
    print("\nStarting NNI ...", flush=True)
    experiment = create(file, port)
    journal = journal_path(file.experiments_folder, experiment)
    stopped = False
    try:
        print(f"NNI's web UI: http://127.0.0.1:{port}   (experiment {experiment})", flush=True)
        _show(file, assembled, port, experiment, journal)
        if not options.keep_running:
            print("Stopping NNI ...", flush=True)
    except KeyboardInterrupt:
        print("\nInterrupted. Stopping NNI; this takes some seconds ...", flush=True)
        launch.stop(experiment, port)
        stopped = True
        _interrupted(Tail(journal).update(), experiment, file)
        return 130
    except EdnasError as error:
        launch.stop(experiment, port)
        stopped = True
        terminal.fail(str(error))
        print(f"NNI's logs: {file.experiments_folder / experiment / 'log'}", file=sys.stderr)
        return 1
    finally:
        if not stopped and not (options.keep_running and sys.exc_info()[0] is None):
            launch.stop(experiment, port)
    return _closing(Tail(journal).update(), journal, experiment, port, options)


def _show(file: ExperimentFile, assembled: Assembled, port: int, experiment: str, journal: Path) -> None:
    from ednas_nni.bridge.manager.follow import follow
    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.cli import terminal
    from ednas_nni.cli.display import Lines, Live, metric_keys

    costs = [o.name for o in assembled.objectives if o.name in assembled.table.names] or ["latency_ms"]
    # A bound that a limit is checked on says little beside the cost itself.
    costs += [c.name for c in assembled.problem.constraints if c.name.removesuffix("_upper90") not in costs]
    metrics = metric_keys(assembled.tasks) if assembled.needs_network else []
    console = terminal.console()
    heading = f"{file.path.name}: experiment {experiment}, http://127.0.0.1:{port}"
    live = Live(console, costs, metrics, heading) if console.is_terminal else Lines(costs, metrics)
    with live:
        follow(Manager.at(port), journal, live, file.trials)


def _interrupted(history: History, experiment: str, file: ExperimentFile) -> None:
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.record.locate import EXPERIMENTS

    done = len(history.results)
    print(f"Stopped. {done} result{'' if done == 1 else 's'} so far; nothing that was reported is lost.")
    elsewhere = file.experiments_folder != Path(EXPERIMENTS).expanduser().resolve()
    where = f" --experiment_dir {shlex.quote(str(file.experiments_folder))}" if elsewhere else ""
    print("To go on:")
    print(f'  eval "$({command("ednas")} loopback)"')
    print(f"  nnictl resume {experiment}{where}")
    if done:
        print("To see what was found:")
        print(f"  {command('ednas')} report {experiment}")


def _closing(history: History, journal: Path, experiment: str, port: int, options: argparse.Namespace) -> int:
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.cli import outcome, terminal
    from ednas_nni.cli.report_command import write

    outcome.show(history)
    code = 0 if history.results else 1
    if not options.no_report and history.results:
        try:
            print(f"Report: {write(journal, options.out, experiment)}")
        except Exception as error:  # the search is done and safe; the report can be written again
            terminal.fail(
                f"the report was not written: {type(error).__name__}: {' '.join(str(error).split())}. The search is "
                f"complete; try `{command('ednas')} report {experiment}`."
            )
            code = 1
    if history.results:
        print(f"Next: {command('ednas')} confirm {experiment}, then {command('ednas')} pick {experiment}")
    if options.keep_running:
        print(f"NNI's web UI stays at http://127.0.0.1:{port}; end it with: {command('nnictl')} stop {experiment}")
    else:
        shell = f'eval "$({command("ednas")} loopback)"'
        print(f"To look at it in NNI's web UI again:  {shell}; nnictl view {experiment}")
    return code
