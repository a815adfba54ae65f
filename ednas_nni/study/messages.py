"""What is wrong with a study, in words: pydantic's findings for people who never heard of pydantic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import yaml
from pydantic_core import ErrorDetails

from ednas_nni.errors import did_you_mean, quoted

EXAMPLES: dict[str, object] = {
    "constraints": ["latency_ms <= 19"],
    "finish": {"networks": 6, "steps": 500, "seeds": 2},
    "hardware_aware": {"cost": "latency_ms", "target": 8},
    "prune": True,
    "start": ["mobilenet_v2"],
    "start_from": ["EXPERIMENT"],
    "stop_when": {"hypervolume_gain_below": 0.01, "over": 20},
    "trial_time_limit_s": 3600,
}
"""Fields whose default is not an example of what they take."""
_KINDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number (YAML reads 1e-3 as text: write 0.001)",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "list_type": "must be a list",
    "sequence_str": "must be a list",
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


def lines(
    findings: Iterable[ErrorDetails], defaults: Mapping[str, object], groups: Mapping[str, Collection[str]]
) -> list[str]:
    """One line per fault: field, value, what is allowed, an example or the closest name.

    Args:
        findings: `ValidationError.errors()`.
        defaults: A study's fields with their defaults, as plain data.
        groups: Fields that are mappings -> the names below them.
    """
    faults, findings = [], list(findings)
    for finding in findings:
        *inner, last = finding["loc"] or ("",)
        path = [part for part in inner if not _of_pydantic(part)]
        # The name of an unknown field is the user's, even where it looks like one of pydantic's.
        if finding["loc"] and (finding["type"] == "extra_forbidden" or not _of_pydantic(last)):
            path.append(last)
        # A field that is a word or a mapping has one finding for each: the one that fits what was written counts.
        unfit = "literal_error" if isinstance(finding.get("input"), dict) else "model_type"
        of_field = [one for one in findings if one["loc"][:1] == finding["loc"][:1]]
        if len(path) == 1 and len(of_field) > 1 and path[0] in groups and finding["type"] == unfit:
            continue
        faults.append(_line(finding, path, defaults, groups))
    return list(dict.fromkeys(faults))


def example(field: str, defaults: Mapping[str, object]) -> str:
    """How a field is written in YAML: `train_size: [64, 128]`."""
    value = EXAMPLES.get(field, defaults[field])
    written = yaml.safe_dump({field: value}, default_flow_style=True, sort_keys=False, width=1000)
    return written.strip()[1:-1]


def _line(
    finding: ErrorDetails, path: list[int | str], defaults: Mapping[str, object], groups: Mapping[str, Collection[str]]
) -> str:
    field, top = ".".join(map(str, path)), str(path[0]) if path else ""
    if finding["type"] == "extra_forbidden":
        return f"unknown field {field!r}.{did_you_mean(path[-1], groups.get(top, defaults))}"
    value = f"{field} = {quoted(finding.get('input'))}: " if field else ""
    # A fault in our own words says what is allowed; null is no example of a field that may be null.
    bare = finding["type"] == "value_error" or EXAMPLES.get(top, defaults.get(top)) is None
    return f"{value}{in_words(finding)}." + ("" if bare else f" For example `{example(top, defaults)}`.")


def in_words(finding: ErrorDetails) -> str:
    """One of pydantic's findings, without field and value: "must be a whole number"."""
    if finding["type"] in _KINDS:
        return _KINDS[finding["type"]].format(**finding.get("ctx", {}))
    message = finding["msg"].removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}".replace("input should be", "must be")


def _of_pydantic(part: int | str) -> bool:
    """Pydantic puts the names of alternatives and validators between those of fields."""
    return isinstance(part, str) and ("[" in part or part in ("HardwareReward", "PluginChoice", "literal", "str"))
