"""The terminal command `ednas`. A command is a module with HELP, `configure(parser)` and `run(options) -> exit code`.

Plug-ins add commands of their own: the group `ednas_nni.commands` names their `run`, and the module's GROUP says where
`ednas --help` lists it. All import torch, NNI and rich only inside of `run`, so that `ednas --help` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from ednas_nni.errors import EdnasError, PluginError, lenient, place_of
from ednas_nni.plugins import Group
from ednas_nni.version import __version__

GROUPS = {
    "start": ("init", "data", "check", "plan", "search", "resume"),
    "look": ("report", "describe", "plugins"),
    "after a search": ("confirm", "pick", "front", "train", "export", "benchmark", "predict"),
    "for experts": ("reference", "supernet", "verify", "register", "loopback"),
}
ADDED: Group[Callable[[argparse.Namespace], int]] = Group("commands")
COMMANDS = tuple(name for names in GROUPS.values() for name in names)
INTERRUPTED = 130  # what shells use for Ctrl-C


def added(name: str) -> tuple[Any, Callable[[argparse.Namespace], int]]:
    """The module and the function of a plug-in's command; PluginError: it cannot be one."""
    run = ADDED.load(name)
    module: Any = import_module(run.__module__)
    if name in COMMANDS:
        raise PluginError(f"commands {name!r}: EDNAS has a command of that name itself. Rename the plug-in's.")
    try:
        str(module.HELP), module.configure(argparse.ArgumentParser())
    except Exception as error:  # whatever an author's module lacks or does
        why = f"{type(error).__name__}: {error}{place_of(error)}"
        raise PluginError(f"commands {name!r}: its module needs HELP and configure(parser) ({why}).") from error
    return module, run


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="ednas",
        description="Search multi-task dense-prediction networks that are accurate and fast on an edge device.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    modules: dict[str, Any] = {name: import_module(f"ednas_nni.cli.{name}_command") for name in COMMANDS}
    runs = {name: module.run for name, module in modules.items()}
    groups = {group: [*names] for group, names in GROUPS.items()}
    for name in ADDED.names():
        with suppress(PluginError):  # `ednas plugins` says why
            modules[name], runs[name] = added(name)
            groups.setdefault(vars(modules[name]).get("GROUP", "of plug-ins"), []).append(name)
    texts = (
        "\n".join([f"{group}:", *(f"  {name:<10} {modules[name].HELP}" for name in names)])
        for group, names in groups.items()
    )
    top.epilog = "\n\n".join([*texts, "To begin: ednas init mine; cd mine; ednas search experiments/ednas.yml"])
    top.add_argument("--version", action="version", version=f"ednas {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", help="one of these; COMMAND --help says more")
    for name, module in modules.items():
        raw = argparse.RawDescriptionHelpFormatter
        command = commands.add_parser(name, description=module.__doc__, formatter_class=raw)
        module.configure(command)
        command.set_defaults(run=runs[name])
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `ednas` with these words, the process's own by default.

    The exit code is 0 done, 1 an error that was explained, 2 a wrong command line, 130 interrupted.
    """
    lenient(sys.stdout)
    grammar = parser()
    options = grammar.parse_args(arguments)
    if options.command is None:
        grammar.print_help()
        return 0
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except EdnasError as error:
        if os.environ.get("EDNAS_DEBUG"):
            raise
        return _failed(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `ednas ... | head`
        _drop_output()
        return 1
    except OSError as error:  # a place that cannot be read or written, where no command has words of its own for it
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        if (error.filename is None and not full) or os.environ.get("EDNAS_DEBUG"):
            raise
        try:
            sys.stdout.flush()
        except OSError:  # what is left of the output would be tried again at the end
            _drop_output()
        place = f"{error.filename or 'standard output, or a file'}: {error.strerror}"
        return _failed(f"{place}. Name another place, or free this one. (EDNAS_DEBUG=1 shows where)")


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(text: str) -> int:
    from ednas_nni.cli.terminal import fail  # a study's objectives come with it

    fail(text)
    return 1
