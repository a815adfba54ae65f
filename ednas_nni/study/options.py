"""Options of a plugin, checked against its signature before anything is built."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ednas_nni.errors import StudyError, did_you_mean, shown
from ednas_nni.study.messages import in_words

# Findings on the other members of a union that say nothing to somebody who writes a study.
_ECHOES = ("is_instance_of",)


def check_options(factory: Callable[..., Any], options: dict[str, Any], where: str, given: Iterable[str] = ()) -> None:
    """Check option names and, where the signature is annotated with plain types, their values.

    Args:
        factory: The plugin: a class or function.
        options: What the study says.
        where: Name of the study field, for messages.
        given: Parameters that the framework fills in itself; a study may not set them.

    Raises:
        StudyError: An unknown option (with the closest name), one that the framework sets, or a value of a wrong type.
    """
    signature = _signature(factory, where)
    parameters = signature.parameters
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    known = [
        name
        for name, p in parameters.items()
        if p.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY) and name != "self"
    ]
    hints = _hints(factory)
    for name, value in options.items():
        if name in given:
            raise StudyError(f"{where}.{name}: is set by the study itself; remove it here.")
        if name not in known:
            if open_ended:
                continue
            raise StudyError(
                f"{where}: unknown option {shown(name)}.{did_you_mean(name, [k for k in known if k not in given])}"
            )
        if name in hints:
            _check_value(f"{where}.{name}", value, hints[name])


def _signature(factory: Callable[..., Any], where: str) -> inspect.Signature:
    target = getattr(factory, "__wrapped__", factory)
    try:
        return inspect.signature(target)
    except (TypeError, ValueError):
        raise StudyError(f"{where}: {shown(factory)} is no class or function that could be given options.") from None


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """Annotations that can be resolved; the others are left to the plugin itself."""
    target = getattr(factory, "__wrapped__", factory)
    target = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:  # whatever evaluating somebody's annotations leads to
        return {}


def _check_value(where: str, value: Any, hint: Any) -> None:
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # an annotation that pydantic cannot read: the plugin checks itself
        return
    try:
        if isinstance(adapter.validate_python(value), int | float):
            adapter.validate_python(value, strict=True)  # plugins get the value itself: "8" and 8.0 are no 8
    except ValidationError as error:
        found = error.errors()
        found = [item for item in found if item["type"] not in _ECHOES] or found
        reason = " or ".join(dict.fromkeys(map(in_words, found)))
        raise StudyError(f"{where} = {shown(value)}: {reason}.") from None
