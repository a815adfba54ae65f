"""List all plugins: search spaces, strategies, evaluators, tasks, data sets, devices, loss weightings."""

from __future__ import annotations

import argparse
from collections.abc import Callable

HELP = "list all plugins, and those that cannot be loaded with the reason"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from ednas_nni.plugins import GROUPS

    parser.add_argument("group", nargs="?", metavar="GROUP", help=f"only this one: {', '.join(GROUPS)}")
    parser.add_argument("--fast", action="store_true", help="names only; do not try to load them")


def run(options: argparse.Namespace) -> int:
    """Print the table; exit code 1 when a plugin is broken."""
    from ednas_nni import plugins
    from ednas_nni.cli import added, terminal
    from ednas_nni.errors import PluginError

    groups = [options.group] if options.group else list(plugins.GROUPS)
    typed = {} if options.fast else {"commands": added, **_typed()}
    table = terminal.table(("group", "name", "from", "loads"))
    reasons = []
    for group in groups:
        for plugin in plugins.listing(group):
            reason = ""
            if not options.fast:
                try:
                    typed[group](plugin.name) if group in typed else plugins.load(group, plugin.name)
                except PluginError as error:
                    reason = " ".join(str(error).split())
            state = "not tried" if options.fast else "broken" if reason else "ok"
            origin = f"{plugin.distribution} {plugin.version} ({plugin.target})"
            table.add_row(group, plugin.name, origin, state)
            reasons += [f"broken: {reason}"] if reason else []
    terminal.console().print(table)
    for reason in reasons:
        terminal.fail(reason)
    return 1 if reasons else 0


def _typed() -> dict[str, Callable[[str], object]]:
    """What loads a plugin and knows the group's base class, where it has one."""
    from ednas_nni.bridge.manager.services import SERVICES
    from ednas_nni.data.kinds import LABEL_KINDS
    from ednas_nni.networks.export.base import EXPORTERS
    from ednas_nni.nn.blocks.base import BLOCKS
    from ednas_nni.tasks.base import TASKS
    from ednas_nni.tasks.weighting.base import WEIGHTINGS
    from ednas_nni.training.evaluator import EVALUATORS

    groups = (BLOCKS, EVALUATORS, EXPORTERS, LABEL_KINDS, SERVICES, TASKS, WEIGHTINGS)
    return {group.name: group.load for group in groups}
