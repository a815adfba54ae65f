"""Check an experiment without starting it: study, plugins, data, space, costs, constraints, strategy, trial command."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ednas_nni.cli.arguments import add_file_arguments, with_changes

if TYPE_CHECKING:
    from ednas_nni.bridge.findings import Findings

HELP = "say what an experiment would search, and what is wrong with it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_file_arguments(parser, short=True)


def run(options: argparse.Namespace) -> int:
    """Print a summary; exit code 0 when a search could start, else 1."""
    findings = checked(options.file, study=options.changes)
    if findings.errors:
        return 1
    from ednas_nni.bridge.manager.launch import command

    words = with_changes(options.file, options.changes)
    print(f"\nMore about costs: {command('ednas')} plan {words}")
    print(f"Ready. To search: {command('ednas')} search {words}")
    return 0


def checked(file: str, changes: Mapping[str, object] | None = None, study: Sequence[str] = ()) -> Findings:
    """Examine a file with changes, as `examine`, and print what was found: the summary, or the errors."""
    from ednas_nni.bridge.findings import examine
    from ednas_nni.cli import summary, terminal

    findings = examine(file, changes, study)
    if findings.errors:
        for line in findings.errors:
            terminal.fail(line if line.startswith(str(findings.path)) else f"{findings.path}: {line}")
    elif findings.file and findings.assembled and findings.plan:
        print(f"{findings.path}")
        summary.show(findings.file, findings.assembled, findings.plan)
    for line in findings.warnings:
        terminal.warn(line)
    for line in findings.notes:
        terminal.note(line)
    return findings
