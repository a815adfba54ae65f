"""The lists of docs/study.md: fields of a study and options of every shipped plugin, read from the code itself.

    python benchmarks/study_page.py

What an option is comes from the line under `Args:` (or `Attributes:`) of its docstring, what it may be from its
annotation, its default from the signature. An option without a line is refused.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union

import yaml
from into_docs import DOCS, put
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ednas_nni import plugins, study
from ednas_nni.cost.profiles import ReadsProfiles
from ednas_nni.cost.registry import KINDS
from ednas_nni.nn.blocks.base import Option
from ednas_nni.search.assembled import DATA_GIVEN, EVALUATOR_GIVEN, SPACE_GIVEN
from ednas_nni.training import recipe

# Group -> heading, how a study names it, what the framework fills in. In the order of the page.
GROUPS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "evaluators": ("Evaluators", "`evaluator: {name: jared, steps: 500}`", EVALUATOR_GIVEN),
    "tasks": ("Tasks", "`evaluator: {name: jared, task_options: {normals: {loss: angular}}}`", ("info", "protocol")),
    "weightings": ("Weightings", "`evaluator: {name: jared, weighting: {name: dwa, window: 50}}`", ("tasks",)),
    "strategies": ("Strategies", "`strategy: {name: ednas, initial: 12}`", ("start", "seed")),
    "search_spaces": ("Search spaces", "`space: {name: nano, sharing: [shared, own_stage4]}`", SPACE_GIVEN),
    "blocks": ("Blocks", "`space: {name: nano, ops: [ibn_k3_e3, ibn_k3_e6, fused_k3_e3_se]}`", ()),
    "datasets": ("Data sets", "`data: {name: streets, depth: metric}`", (*DATA_GIVEN, "crop")),
    "devices": ("Devices", "`device: [{name: roofline, profile: phone_cpu}, params]`", ()),
}
ELSEWHERE = {
    "search_spaces": "What each is: [presets](search_space.md#presets), [earlier networks](earlier_networks.md).",
    "datasets": "What each is: [data.md](data.md#data-sets).",
    "devices": "What each is: [hardware.md](hardware.md); `calibrated` is made by `ednas calibrate`.",
}
"""Groups whose plugins other pages describe: only options are listed."""
FOR_TESTS = ("stub",)
"""Plugins whose options no user needs."""
PLAIN = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}
PLAIN |= {study.PluginChoice: "plugin"}
PLAIN |= dict.fromkeys(study.GROUPS.values(), "mapping, below")
PLAIN |= {dict: "mapping"}
PLAIN |= {recipe.Plugin: PLAIN[study.PluginChoice], recipe.Cooldown: "number, at least 0 or null"}
PLAIN |= {recipe.Precision: "such as `16-mixed` or `bf16-mixed`"}
PLAIN |= {recipe.TaskOptions: "mapping or null", recipe.Size: "two integers"}
PLAIN_VALUES = (str, int, float, list, tuple, dict, type(None))
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def told(documented: Any) -> dict[str, str]:
    """Name -> description, from the sections `Args:` and `Attributes:` of a Google-style docstring."""
    found: dict[str, str] = {}
    doc = (inspect.getdoc(documented) or "") + "\n"
    for block in re.findall(r"^(?:Args|Attributes):\n((?:(?: .*)?\n)+)", doc, re.M):
        for name, text in re.findall(r"^    \*{0,2}(\w+): (.*(?:\n {5,}.*)*)", block, re.M):
            found[name] = " ".join(text.split())
    return found


def between(limits: Mapping[str, float]) -> str:
    """A range in words: `ge` 0 and `le` 3 as ", 0 to 3", one limit alone as ", at least 0".

    What only catches a slip is left out: at most a thousand or more, and, where nothing else is, at least 0 or 1.
    """
    limits = {key: value for key, value in limits.items() if key not in ("le", "lt") or value < 1000}
    if set(limits) == {"ge"} and limits["ge"] in (0, 1):
        return ""
    if set(limits) == {"ge", "le"}:
        return f", {digits(limits['ge'])} to {digits(limits['le'])}"
    return "".join(f", {word} {digits(limits[key])}" for key, word in BOUNDS.items() if key in limits)


def digits(value: float) -> str:
    """A limit as people write it: 10,000 for 10000.0."""
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def allowed(hint: Any) -> str:
    """An annotation in words, "" for what YAML cannot hold; ranges that it does not say stand in the description."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Annotated, Literal) and hint in PLAIN:
        return PLAIN[hint]
    if origin is typing.Annotated:
        given = [entry for part in inner[1:] for entry in (part.metadata if isinstance(part, FieldInfo) else ())]
        texts = [text for part in inner[1:] if isinstance(part, Option) for text in part.texts]
        if texts:
            return ", ".join(f"`{text}`" if text else "nothing" for text in texts)
        limits = {key: getattr(m, key) for m in given for key in BOUNDS if hasattr(m, key)}
        return f"{allowed(inner[0])}{between(limits)}"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(filter(None, map(allowed, inner))))
    if origin is Literal:
        *most, last = [f"`{value}`" for value in inner]
        return f"{', '.join(most)} or {last}" if most else last
    if origin is tuple and len(inner) == 2 and inner[1] is not Ellipsis:
        return f"two of: {allowed(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"list of: {allowed(inner[0])}"
    return PLAIN.get(hint, "mapping" if dataclasses.is_dataclass(hint) else "")


def written(value: Any) -> str:
    """A default as a study writes it."""
    if not isinstance(value, PLAIN_VALUES):
        return "..."
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.strip().removesuffix("...").strip()


def choice(default: str, texts: str) -> str:
    """What is allowed, beside a default: without what the default says itself, such as that it is a text."""
    if default == "null":
        texts = texts.removesuffix(" or null").removeprefix("text").removeprefix(" or ")
    elif default:
        kinds = "|".join(PLAIN[kind] for kind in (bool, int, float, str))
        texts = re.sub(rf"^((list of|two of): )?({kinds})(, |$)", "", texts)
    return f" ({texts})" if texts and texts != PLAIN[study.PluginChoice] else ""


def line(owner: str, name: str, words: Mapping[str, str], hint: Any, default: str) -> str:
    """One field or option as a study writes it with its default, what is allowed, and what it is.

    Raises:
        SystemExit: It is not described, or its annotation has no words.
    """
    if name not in words:
        raise SystemExit(f"{owner}: {name!r} is not described in its docstring, which docs/study.md is made from")
    if not allowed(hint):
        raise SystemExit(f"{owner}: {name!r} is annotated as {hint}, for which benchmarks/study_page.py has no words")
    text = re.sub(r"`?\bNone\b`?", "`null`", words[name].replace("``", "`"))  # a study is YAML
    text = re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", text)
    return f"* `{f'{name}: {default}' if default else name}`{choice(default, allowed(hint))}: {text}"


def fields(model: type[BaseModel]) -> list[str]:
    """Lines of a pydantic model; its defaults as `dump` writes them."""
    words, hints = told(model), typing.get_type_hints(model, include_extras=True)
    defaults = model().dump() if isinstance(model(), study.Study) else model().model_dump()
    return [line(model.__name__, name, words, hints[name], written(defaults[name])) for name in model.model_fields]


def options(owner: str, factory: Any, given: Sequence[str]) -> list[str]:
    """Lines of a plugin: its options but for those that are `given` to it."""
    target = getattr(factory, "__wrapped__", factory)
    code = inspect.unwrap(target.__init__) if inspect.isclass(target) else getattr(target, "__func__", target)
    owners = reversed(inspect.getmro(target)) if inspect.isclass(target) else [getattr(target, "__self__", target)]
    words = {name: text for owner in [*owners, code] for name, text in told(owner).items()}
    found = []
    for parameter in inspect.signature(target).parameters.values():
        if parameter.name in given:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            found.append(f"* any of its fields: {words[parameter.name]}")
            continue
        kept = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})  # others need not resolve
        hint = typing.get_type_hints(kept, globalns=code.__globals__, include_extras=True)[parameter.name]
        default = "" if parameter.default is parameter.empty else written(parameter.default)
        found.append(line(owner, parameter.name, words, hint, default))
    return found


def together(plugin_rows: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], list[str]]:
    """Names of plugins -> options that just these take, in the same words, where a heading of their own saves lines."""
    takers: dict[str, tuple[str, ...]] = {}
    for row in dict.fromkeys(row for rows in plugin_rows.values() for row in rows):
        takers[row] = tuple(name for name, rows in plugin_rows.items() if row in rows)
    blocks: dict[tuple[str, ...], list[str]] = {}
    for row, names in takers.items():
        blocks.setdefault(names, []).append(row)
    return {names: rows for names, rows in blocks.items() if len(rows) * (len(names) - 1) > 1}


def group(name: str) -> str:
    """The section of one group of plugins: each with its summary and its options, those of several only once."""
    heading, example, given = GROUPS[name]
    summaries: dict[str, str] = {}
    plugin_rows: dict[str, list[str]] = {}
    for plugin in plugins.listing(name):
        if plugin.distribution != "ednas-nni":
            continue  # what else is installed is no part of the page
        factory = plugins.load(name, plugin.name)
        summary = (inspect.getdoc(getattr(factory, "__wrapped__", factory)) or "").partition("\n")[0].replace("``", "`")
        summaries[plugin.name], plugin_rows[plugin.name] = summary, []
        by_path = isinstance(factory, type) and issubclass(factory, ReadsProfiles) and not issubclass(factory, KINDS)
        if by_path or plugin.name in FOR_TESTS:
            continue  # named by the path of its profile, and without options; or without such for users
        taken = options(f"{name} {plugin.name}", factory.for_data if name == "tasks" else factory, given)
        plugin_rows[plugin.name] = taken
    blocks = together(plugin_rows)
    common = {row for rows in blocks.values() for row in rows}
    parts = [f"## {heading}", example, *([ELSEWHERE[name]] if name in ELSEWHERE else [])]
    for names, shared in blocks.items():
        parts.append("\n".join([f"**{', '.join(f'`{one}`' for one in names)}** take:\n", *shared]))
    for one, summary in summaries.items():
        own = [row for row in plugin_rows[one] if row not in common]
        if name not in ELSEWHERE:
            parts.append("\n".join([f"**`{one}`**: {summary}", *([""] if own else []), *own]))
        elif own:
            parts.append("\n".join([f"**`{one}`** takes:\n", *own]))
    return "\n\n".join(parts)


def text() -> str:
    """All lists."""
    parts = ["## Fields", "\n".join(fields(study.Study))]
    for name, kind in study.GROUPS.items():
        parts += [f"### `{name}`", "\n".join(fields(kind))]
    return "\n\n".join([*parts, *map(group, GROUPS)])


if __name__ == "__main__":
    put(DOCS / "study.md", "study", text())
