"""Whatever comes in, only our own errors come out: random and mutated studies, samples, codes and journals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ednas_nni.errors import EdnasError, SampleError, StudyError, hidden, printable, quoted
from ednas_nni.record import journal
from ednas_nni.space.dimensions import Dimension, Literal
from ednas_nni.space.domains import Domains
from ednas_nni.study import Study, parse, plain_data
from ednas_nni.study.objectives import parse_constraint, parse_objective

MANY = settings(max_examples=100)

texts = st.text(max_size=12) | st.sampled_from(["nano", "~x/y", "../..", "\x1b[2J", "latency_ms <= 8", "a" * 5000, ""])
numbers = st.integers() | st.floats() | st.sampled_from([10**4000, -(2**63), 2**32, 1e308, float("nan"), -0.0])
scalars = st.none() | st.booleans() | numbers | texts | st.binary(max_size=4) | st.dates()
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers() | st.none(), inner, max_size=3),
    max_leaves=8,
)
VALID: dict[str, Any] = {
    **parse({}).dump(),
    "device": ["edge_tpu", {"name": "roofline", "profile": "phone_cpu"}],
    "hardware_aware": {"cost": "latency_ms", "target": 8.0, "reward": "log", "weight": -0.07},
    "constraints": ["latency_ms <= 8"],
    "evaluator": {"name": "jared", "steps": 3, "weighting": {"name": "fixed", "weights": {"depth": 2.0}}},
}


def ours_or_fine(action: Callable[[], Any], kind: type[EdnasError] = EdnasError) -> Any:
    """The result, or None after an error of ours whose text is fit to print."""
    try:
        return action()
    except kind as error:
        assert str(error).strip() and not any(map(hidden, str(error).splitlines()))
        return None


def paths(data: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [here, *(path for key, value in below for path in paths(value, (*here, key)))]


@st.composite
def mutated(draw: st.DrawFn, data: Any) -> Any:
    """Plain data with one to three of its parts replaced, removed, renamed or put into a list."""
    data = json.loads(json.dumps(data))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(data)[1:] or [()]))
        if not path:
            return draw(plain)
        *way, last = path
        owner = data
        for key in way:
            owner = owner[key]
        change = draw(st.sampled_from(["replace", "remove", "rename", "wrap"]))
        if change == "replace":
            owner[last] = draw(plain)
        elif change == "wrap":
            owner[last] = [owner[last]]
        elif change == "remove" or not isinstance(owner, dict):
            del owner[last]
        else:
            owner[draw(texts)] = owner.pop(last)
    return data


# ---- studies


@MANY
@given(plain | st.dictionaries(st.sampled_from(list(Study.model_fields)), plain, max_size=4))
@example([[[]] * 3] * 3)
def test_any_study(data: Any) -> None:
    study = ours_or_fine(lambda: parse(data), StudyError)
    if study is not None:
        assert parse(study.dump()) == study and len(study.digest) == 16


@MANY
@given(mutated(VALID))
def test_nearly_a_study(data: Any) -> None:
    study = ours_or_fine(lambda: parse(data), StudyError)
    if study is not None:
        assert parse(json.loads(json.dumps(study.dump()))) == study


def test_the_study_that_is_mutated_is_right() -> None:
    assert parse(VALID).device[1].options == {"profile": "phone_cpu"}


@MANY
@given(texts | st.text(alphabet="latency_ms<>= .0123e+-:maxqulity", max_size=30))
def test_any_objective_and_constraint(text: str) -> None:
    ours_or_fine(lambda: parse_objective(text), StudyError)
    ours_or_fine(lambda: parse_constraint(text), StudyError)


def broken_parse(data: Any) -> Any:
    """As it would be without `plain_data.fault`: what is in the data meets its first user somewhere else."""
    if not isinstance(data, dict):
        raise StudyError("no mapping")
    try:
        return Study.model_validate(data).digest
    except ValueError as error:
        raise StudyError(str(error)) from None


def test_the_check_rejects_a_careless_parser() -> None:
    import datetime

    for options in ({"when": datetime.date(2024, 1, 1)}, {"more": {1: 2, "a": 3}}):
        data = {"data": {"name": "rooms", **options}}
        ours_or_fine(lambda data=data: parse(data), StudyError)
        with pytest.raises(TypeError):
            ours_or_fine(lambda data=data: broken_parse(data), StudyError)


# ---- YAML

yaml_bits = st.sampled_from(
    ["a", ": ", "\n", "  ", "- ", "&a ", "*a", "[", "]", "{", "}", "<<: ", "!!int ", "!!timestamp ",
     "!!python/name:os ", "0x_", "2024-13-45", "? ", "|\n",
     "'", '"', "\\e", "#", "%", "---\n", "...\n", "\t", "1e999", ".nan", "\0", "é"]
)  # fmt: skip


@MANY
@given(st.lists(yaml_bits, max_size=24).map("".join) | st.text(max_size=40))
@example("!!bool maybe")
@example("!!int ''")
@example("a: &a [*a]")
@example("a: &a {<<: *a}")
@example("x: " + "9" * 5000)
@example("[" * 5000)
@example("{a: " * 5000)
@example("- " * 5000)
def test_any_yaml(text: str) -> None:
    try:
        found = plain_data.yaml_value(text)
    except ValueError as error:
        assert "YAML" in str(error)
    else:
        assert isinstance(plain_data.fault(found), str)


@MANY
@given(st.binary(max_size=60))
def test_any_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    from ednas_nni.study import read_experiment

    path = tmp_path_factory.mktemp("file") / "study.yml"
    path.write_bytes(content)
    ours_or_fine(lambda: read_experiment(path), StudyError)


# ---- samples

SPACE = Domains(
    [
        Dimension("depth", (1, 2, 3)),
        Dimension("skip", (False, True)),
        Dimension("name", ("a", "b", None)),
        Dimension("second", (0.5, 2), (((Literal("depth", frozenset({2, 3})),),),)),
        Dimension("third", (1, 2), (((Literal("depth", frozenset({3})),), (Literal("skip", frozenset({True})),)),)),
    ]
)
choices = st.fixed_dictionaries({}, optional={d.label: st.sampled_from(d.values) | scalars for d in SPACE.dimensions})


@MANY
@given(choices | plain | mutated({"depth": 3, "skip": True, "name": "a", "second": 2, "third": 1}))
def test_any_sample(sample: Any) -> None:
    done = ours_or_fine(lambda: SPACE.complete(sample), SampleError)
    for read in (SPACE.check, SPACE.canonical, SPACE.active, SPACE.architecture_id, SPACE.encode):
        ours_or_fine(lambda read=read: read(sample), SampleError)
    if done is not None:
        assert SPACE.complete(done) == done == SPACE.decode(SPACE.encode(done))
        assert SPACE.architecture_id(done) == SPACE.architecture_id(SPACE.complete(SPACE.active(done)))


@MANY
@given(plain | st.lists(st.integers(-2, 4) | scalars, min_size=4, max_size=6))
def test_any_code(codes: Any) -> None:
    sample = ours_or_fine(lambda: SPACE.decode(codes), SampleError)
    if sample is not None:
        assert SPACE.canonical(sample) == sample


@MANY
@given(plain | mutated(SPACE.to_json()))
def test_any_space(data: Any) -> None:
    found = ours_or_fine(lambda: Domains.from_json(data))
    if found is not None:
        assert Domains.from_json(json.loads(json.dumps(found.to_json()))) == found


# ---- journals


def entries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "event": "study",
            "time": 1.0,
            "study": VALID,
            "digest": "d",
            "domains": SPACE.to_json(),
            "members": {"a": "b"},
        },
        {"event": "start", "time": 1.0, "mode": "create"},
    ]
    for trial in range(3):
        of = {"time": 2.0 + trial, "trial": trial}
        sample = {"depth": trial + 1}
        found += [
            {"event": "submitted", **of, "architecture": f"a{trial}", "sample": sample, "costs": {"latency_ms": 1.5}},
            {"event": "intermediate", **of, "job": "J", "step": 0, "metrics": {"default": 0.1}},
            {"event": "result", **of, "job": "J", "architecture": f"a{trial}", "metrics": {"default": 0.5}},
            {"event": "ended", **of, "job": "J", "status": "trained", "cause": ""},
        ]
    return [*found, {"event": "note", "time": 9.0, "text": "n"}, {"event": "finished", "time": 9.0, "reason": "r"}]


LINES = [json.dumps(entry).encode() for entry in entries()]


@st.composite
def nearly_a_journal(draw: st.DrawFn) -> bytes:
    """A journal with lines mutated, cut, doubled, dropped or in another order."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        change = draw(st.sampled_from(["mutate", "cut", "double", "drop", "swap", "spoil"]))
        if not lines:
            break
        if change == "mutate":
            data = draw(mutated(json.loads(lines[at]))) if _is_json(lines[at]) else {}
            lines[at] = json.dumps(data, default=str, skipkeys=True).encode() if _is_small(data) else b"9" * 5000
        elif change == "cut":
            lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "drop":
            del lines[at]
        elif change == "swap":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        else:
            place = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:place] + draw(st.binary(max_size=3)) + lines[at][place:]
    content = b"\n".join(lines) + b"\n"
    return content[: len(content) - draw(st.integers(0, 40))]


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _is_small(data: Any) -> bool:
    try:
        json.dumps(data, default=str, skipkeys=True)
    except ValueError:  # a number of more digits than Python writes
        return False
    return True


def use(path: Path) -> None:
    """Everything that a report, a resume and the display do with a journal."""
    from ednas_nni.bridge.manager.follow import State, Tail
    from ednas_nni.cli.display import Lines, footer
    from ednas_nni.report.data import view

    history = journal.load(path)
    assert Tail(path).update().next_trial == history.next_trial
    state = State(history, 5, "RUNNING", (), 10.0, 1.0)
    for record in history.trials:
        assert footer(state) and Lines().line(record, state)
    assert len({record.trial for record in history.trials}) == len(history.trials)
    assert view(history).count("trained") == sum(record.status == "trained" for record in history.trials)


@MANY
@given(st.binary(max_size=80) | st.lists(st.sampled_from(LINES) | st.binary(max_size=20), max_size=6).map(b"\n".join))
def test_any_journal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    path.write_bytes(content)
    ours_or_fine(lambda: use(path))


@MANY
@given(nearly_a_journal())
def test_nearly_a_journal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    path.write_bytes(content)
    ours_or_fine(lambda: use(path))


def test_the_journal_that_is_mutated_is_right(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    use(path)
    assert len(journal.load(path).results) == 3


# ---- printing


@MANY
@given(st.text(alphabet=st.characters()) | st.text(alphabet="\x1b[];m0123\x07\r\n\tab\u202e\ud800"))
def test_printable_is_printable(text: str) -> None:
    found = printable(text)
    assert not any(map(hidden, found.splitlines())) and printable(found) == found
    found.encode()


@MANY
@given(plain)
def test_shown_is_short(value: Any) -> None:
    assert len(quoted(value)) <= 80 and len(quoted(value, 20)) <= 20 + 40
    assert not hidden(quoted(value))
