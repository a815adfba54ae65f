"""Changes of a study on the command line: `--set evaluator.steps=100`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ednas_nni.errors import StudyError, quoted
from ednas_nni.study.plain_data import fault, yaml_value


def changed(
    study: dict[str, Any], changes: Iterable[str], plugins: Mapping[str, str] | None = None, option: str = "--set"
) -> dict[str, Any]:
    """A study as plain data with fields set to other values; the given one stays as it is.

    Each change is `KEY=VALUE`, its value YAML; a dot leads into the options of a plugin, also of one that the study
    gives by its name alone: `evaluator.steps=100` makes `{name: jared, steps: 100}` of `jared`. `plugins` are the names
    in fields that the study leaves out.

    Raises:
        StudyError: A change is not of that form, or leads into what has no options.
    """
    made = dict(study)
    for text in changes:
        name, equals, value = text.partition("=")
        *way, last = name.split(".")
        if not equals or not all(part.isidentifier() for part in (*way, last)):
            raise StudyError(f"{option} {quoted(text)}: write KEY=VALUE, for example seed=1 or evaluator.steps=100.")
        # The study's one field of two names: a change replaces what the other one says.
        made.pop({"device": "devices", "devices": "device"}.get(name, ""), None)
        place = made
        for part in way:
            below = place.get(part) or (plugins or {}).get(part) or {}
            if not isinstance(below, dict | str):
                raise StudyError(f"{option} {quoted(text)}: {part} = {quoted(below)} has no fields; set it as a whole.")
            inner = {"name": below} if isinstance(below, str) else dict(below)
            place[part], place = inner, inner
        try:
            place[last] = yaml_value(value)
        except ValueError as error:
            raise StudyError(f"{option} {quoted(text)}: {error}.") from None
        if wrong := fault({last: place[last]}):
            raise StudyError(f"{option} {quoted(text)}: {wrong}.")
    return made
