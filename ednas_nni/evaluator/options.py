"""Options of plugins come from a study: a mistyped one is named before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ednas_nni.errors import StudyError, did_you_mean


def call_with_options(owner: str, factory: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a plugin's factory, refusing options that it does not have.

    Args:
        owner: For messages, e.g. "data 'rooms'".
        factory: The plugin's class or function.
        args: What the framework passes on its own.
        options: What the study says.

    Raises:
        StudyError: An option is unknown.
    """
    parameters = inspect.signature(factory).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        allowed = [p.name for p in parameters][len(args) :]
        for name in options:
            if name not in allowed:
                raise StudyError(f"{owner} has no option {name!r}.{did_you_mean(name, allowed)}")
    return factory(*args, **options)


def own_options(plugin: Mapping[str, Any]) -> dict[str, Any]:
    """The options in {"name": ..., **options}."""
    return {key: value for key, value in plugin.items() if key != "name"}
