"""What is wrong with a study, in words: pydantic's findings for people who never heard of pydantic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ednas_nni.errors import did_you_mean, shown

EXAMPLES = {
    "space": "space: nano",
    "tasks": "tasks: [segmentation, depth, normals]",
    "data": "data: rooms",
    "train_size": "train_size: [64, 128]",
    "deploy_size": "deploy_size: [512, 1024]",
    "evaluator": "evaluator: jared",
    "objectives": "objectives: [quality, latency_ms]",
    "device": "device: edge_tpu",
    "constraints": "constraints: ['latency_ms <= 19']",
    "strategy": "strategy: ednas",
    "hardware_aware": "hardware_aware: {cost: latency_ms, target: 8}",
    "start": "start: [mobilenet_v2]",
    "seed": "seed: 0",
    "trial_start": "trial_start: prefork",
    "allow_open_port": "allow_open_port: false",
    "trial_time_limit_s": "trial_time_limit_s: 3600",
    "retries": "retries: 1",
    "stop_after_failures": "stop_after_failures: 5",
}
_KINDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "path_type": "must be a path",
    "none_required": "must be null",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "missing": "has too few entries",
    "too_short": "has too few entries",
    "too_long": "has too many entries",
}


def lines(findings: Iterable[Any], fields: Collection[str], groups: Mapping[str, Collection[str]]) -> list[str]:
    """One line per fault: field, value, what is allowed, an example or the closest name.

    Args:
        findings: `ValidationError.errors()`.
        fields: Names of a study's fields.
        groups: Fields that are mappings -> the names below them.
    """
    found = []
    for item in findings:
        *inner, last = item["loc"] or ("",)
        path = [part for part in inner if not (isinstance(part, str) and _of_pydantic(part))]
        # The name of an unknown field is the user's own, even where it looks like one of pydantic's.
        if item["loc"] and (item["type"] == "extra_forbidden" or not (isinstance(last, str) and _of_pydantic(last))):
            path.append(last)
        mapping = path[:1] and path[0] in groups and len(path) == 1
        # A field that is a word or a mapping has one finding for each: the one that fits what was written is told.
        if mapping and item["type"] == ("literal_error" if isinstance(item.get("input"), dict) else "model_type"):
            continue
        found.append(_line(item, path, fields, groups))
    return list(dict.fromkeys(found))


def empty(data: Mapping[str, Any], nullable: Collection[str]) -> list[str]:
    """Fields whose value is missing in the YAML, a name, a colon and nothing, and may not be.

    Args:
        data: The study.
        nullable: Fields that may be null.
    """
    names = [name for name, value in data.items() if value is None and name in EXAMPLES and name not in nullable]
    return [f"{name}: is empty. Write `{EXAMPLES[name]}`, or remove the line for its default." for name in names]


def _line(item: Any, path: list[Any], fields: Collection[str], groups: Mapping[str, Collection[str]]) -> str:
    field = ".".join(str(part) for part in path)
    if item["type"] == "extra_forbidden":
        return f"unknown field {field!r}.{did_you_mean(path[-1], groups.get(path[0], fields))}"
    told_so = in_words(item)
    example = EXAMPLES.get(path[0]) if path else None
    told = item["type"] == "value_error" or example is None
    value = f"{field} = {shown(item.get('input'))}: " if field else ""
    return f"{value}{told_so}." + ("" if told else f" For example `{example}`.")


def in_words(item: Any) -> str:
    """One of pydantic's findings, without field and value: "must be a whole number"."""
    if item["type"] in _KINDS:
        return _KINDS[item["type"]].format(**item.get("ctx", {}))
    message = item["msg"].removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}".replace("input should be", "must be")


def _of_pydantic(part: str) -> bool:
    """Pydantic puts the names of alternatives and validators between those of fields."""
    return "[" in part or part in ("HardwareReward", "Plugin", "literal", "str")
