"""Look at data, check it, draft a manifest for your own, write it in other layouts.

`ednas data SUBCOMMAND --help` says more of each.
"""

# A subcommand is a module like a command: HELP, `configure(parser)`, `run(options)`.

from __future__ import annotations

import argparse
from importlib import import_module

HELP = "look at data, check it, draft a manifest for your own"
SUBCOMMANDS = ("preview", "init", "check", "write", "lambda")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    commands = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)
    for name in SUBCOMMANDS:
        module = import_module(f"ednas_nni.cli.data_{name}")
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(command)
        command.set_defaults(work=module.run)


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    return options.work(options)
