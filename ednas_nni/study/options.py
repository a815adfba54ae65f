"""Options of a plugin, checked against its signature before anything is built."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import InitVar
from types import SimpleNamespace
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ednas_nni.errors import StudyError, did_you_mean, quoted
from ednas_nni.study.messages import in_words


def check_options(
    factory: Callable[..., object], options: Mapping[str, object], where: str, given: Iterable[str] = ()
) -> None:
    """Check option names and, where the signature is annotated with plain types, their values.

    Args:
        factory: The plugin: a class or function.
        options: What the study says.
        where: Name of the study field, for messages.
        given: Parameters that the framework fills in itself; a study may not set them.

    Raises:
        StudyError: An unknown option (with the closest name), one that the framework sets, or a value of a wrong type.
    """
    try:
        parameters = inspect.signature(inspect.unwrap(factory)).parameters
    except (TypeError, ValueError):
        raise StudyError(
            f"{where}: {quoted(factory)} is not a class or function that could be given options."
        ) from None
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    allowed = [
        name
        for name, p in parameters.items()
        if p.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY) and name != "self"
    ]
    hints = _hints(factory)
    for name, value in options.items():
        if name in given:
            raise StudyError(f"{where}.{name}: is set by the study itself; remove it here.")
        if name not in allowed:
            if open_ended:
                continue
            raise StudyError(
                f"{where}: unknown option {quoted(name)}.{did_you_mean(name, [n for n in allowed if n not in given])}"
            )
        if name in hints:
            check_value(f"{where}.{name}", value, hints[name])


def check_complete(factory: Callable[..., object], options: Mapping[str, object], where: str) -> None:
    """Reject options that lack one without a default.

    Raises:
        StudyError: The message names what lacks.
    """
    parameters = inspect.signature(inspect.unwrap(factory)).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    lacking = [p.name for p in named if p.default is p.empty and p.name not in options]
    if lacking:
        raise StudyError(f"{where}: {' and '.join(map(quoted, lacking))} must be given as well.")


def _hints(factory: Callable[..., object]) -> dict[str, object]:
    """Annotations that can be resolved; the others are left to the plugin itself."""
    target = inspect.unwrap(factory)
    target = inspect.unwrap(target.__init__) if inspect.isclass(target) else target
    annotations = inspect.get_annotations(target) if inspect.isroutine(target) else {}
    hints: dict[str, object] = {}
    for name, annotation in annotations.items():
        one = SimpleNamespace(__annotations__={name: annotation})
        with suppress(Exception):  # whatever evaluating somebody's annotations leads to; one cannot hide the others
            hints |= typing.get_type_hints(one, target.__globals__, include_extras=True)
    return hints


def check_value(where: str, value: object, hint: Any) -> None:
    """Check one value against a type, such as `Annotated[int, Field(ge=1)]`."""
    try:
        adapter: TypeAdapter[object] = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # an annotation that pydantic cannot read: the plugin checks itself
        return
    try:
        if isinstance(adapter.validate_python(value), int | float):
            adapter.validate_python(value, strict=True)  # plugins get the value itself: "8" and 8.0 are no 8
    except ValidationError as error:
        findings = error.errors()
        # One on another member of a union says nothing to somebody who writes a study.
        findings = [finding for finding in findings if finding["type"] != "is_instance_of"] or findings
        reason = " or ".join(dict.fromkeys(map(in_words, findings)))
        raise StudyError(f"{where} = {quoted(value)}: {reason}.") from None


Options = TypeVar("Options")


def filled(model: Callable[..., Options], where: str, *args: Any, **options: Any) -> Options:
    """An options class (a pydantic dataclass, which says each option once) filled with these values.

    Raises:
        StudyError: A value is outside what is allowed; the message names the option, after `where`, and the way out.
    """
    try:
        return model(*args, **options)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            if not item["loc"]:  # of options together, by the class's __post_init__
                lines.append(f"{where}: {in_words(item)}.")
                continue
            name = str(item["loc"][0])
            if item["type"] == "unexpected_keyword_argument":
                lines.append(f"{where}: unknown option {quoted(name)}.{did_you_mean(name, parameters_of(model))}")
            else:
                lines.append(f"{where}.{name} = {quoted(options.get(name, item['input']))}: {in_words(item)}.")
        raise StudyError(" ".join(dict.fromkeys(lines))) from None


def takes(model: Callable[..., object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a plugin's `__init__(self, *args, **options)` the signature and the documentation of an options class.

    So each option is said once: a study is checked against the signature, docs/study.md is made from it, and NNI
    records the arguments of what it sends to trials by it.
    """

    def give(init: Callable[..., None]) -> Callable[..., None]:
        parameters = parameters_of(model)
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        init.__signature__ = inspect.Signature([own, *parameters.values()])  # type: ignore[attr-defined]
        init.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
        classes = reversed(model.__mro__[:-1]) if isinstance(model, type) else (model,)  # a derived class adds options
        init.__doc__ = "\n\n".join(inspect.cleandoc(each.__doc__ or "") for each in classes)
        return init

    return give


def parameters_of(model: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Option -> its parameter, with its annotation as an object."""
    hints = typing.get_type_hints(model, include_extras=True)
    plain = {name: hint.type if isinstance(hint, InitVar) else hint for name, hint in hints.items()}
    given = inspect.signature(model).parameters
    return {name: parameter.replace(annotation=plain[name]) for name, parameter in given.items()}
