"""What trials, journals and folders say is shown as it is: no terminal obeys it, no browser runs it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge.manager import follow
from ednas_nni.cli import display, main, outcome, terminal
from ednas_nni.errors import EdnasError, hidden, lenient, printable, quoted
from ednas_nni.record import events
from ednas_nni.record import lines as journal_lines
from ednas_nni.record.journal import load

CLEAR_SCREEN, TITLE, BELL = "\x1b[2J\x1b[H", "\x1b]0;mine\x07", "\x07"
LINK = "\x1b]8;;http://192.0.2.1/\x07here\x1b]8;;\x07"
HTML = "<script>alert(1)</script>"
EVIL = f"{CLEAR_SCREEN}{TITLE}{LINK}\r\u202e{HTML}<img src=x onerror=alert(2)>\x9b2J\x00$x^{{\ud800"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain text, é, 模型, 🚀\n\tindented", "plain text, é, 模型, 🚀\n\tindented"),
        ("\x1b[31mred\x1b[0m \x1b[1;38;5;9mbold\x1b[m", "red bold"),
        (CLEAR_SCREEN, "\\x1b[2J\\x1b[H"),
        (BELL + "\r\x7f\x9b", "\\x07\\x0d\\x7f\\x9b"),
        ("a\u202eb\u2066c\ufeff", "a\\u202eb\\u2066c\\ufeff"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_printable(text: str, wanted: str) -> None:
    assert printable(text) == wanted


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_terminal_ends_in_a_traceback(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    lenient(stream)
    stream.write("├─ 厨房 \udcfc é")
    stream.flush()
    wanted = {
        "ascii": "|- \\u53a8\\u623f \\udcfc \\xe9",
        "latin-1": "|- \\u53a8\\u623f \\udcfc é",
        "utf-8": "├─ 厨房 \\udcfc é",
    }
    assert stream.buffer.getvalue().decode(encoding) == wanted[encoding]


@pytest.mark.parametrize(("asked", "coloured"), [("", True), ("1", False)])
def test_no_color_is_heard(monkeypatch, capsys, asked: str, coloured: bool) -> None:
    monkeypatch.setenv("NO_COLOR", asked)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    terminal.warn("one thing")
    assert ("\x1b[33m" in (said := capsys.readouterr().err)) == coloured and "warning:" in said


def test_shown() -> None:
    assert quoted("a\x1b[2Jb") == "'a\\x1b[2Jb'"
    assert quoted(10**5000) == "a whole number of 16610 bits"
    assert quoted([10**5000]) == "a list that cannot be written"
    assert quoted("x" * 10**7).endswith("...") and len(quoted(["x" * 10**7])) == 80


def hostile_journal(folder: Path) -> Path:
    """A search in which every text is hostile: names, causes, notes, units."""
    head = {
        "experiment": EVIL, "ednas": EVIL, "digest": EVIL, "members": {EVIL: "a0"},
        "study": {"tasks": [EVIL], "objectives": ["quality", "latency_ms"], "space": EVIL, "strategy": EVIL,
                  "data": EVIL, "deploy_size": [32, 32]},
        "columns": [{"name": "latency_ms", "unit": EVIL, "device": EVIL, "origin": EVIL, "note": EVIL}],
    }  # fmt: skip
    lines: list[dict[str, Any]] = [{"event": "study", **head}, {"event": "start", "mode": EVIL}]
    for trial, architecture in enumerate(["a0", EVIL, "a2", EVIL + "3"]):
        costs = {"latency_ms": 1.0 + trial, EVIL: 1.0}
        lines.append({"event": "submitted", "trial": trial, "architecture": architecture, "sample": {EVIL: EVIL}})
        lines[-1]["costs"] = costs
        metrics = {"default": 0.1 * trial, f"{EVIL}_miou": 0.1, EVIL: 0.2}
        if trial != 2:
            lines.append({"event": "result", "trial": trial, "job": EVIL, "metrics": metrics})
        status = "failed" if trial == 2 else "trained"
        lines.append({"event": "ended", "trial": trial, "job": EVIL, "status": status, "cause": EVIL})
    lines += [{"event": "note", "text": EVIL, "kind": EVIL}, {"event": "rejected", "architecture": EVIL}]
    lines += [{"event": "finished", "reason": EVIL}]
    path = folder / "experiment" / "ednas" / "journal.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps({"time": 1.7e9 + i, **line}) + "\n" for i, line in enumerate(lines)))
    return path


def obeyed(text: str) -> str:
    """The first thing that a terminal would obey."""
    return next(filter(None, map(hidden, text.split("\n"))), "")


def told(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """All that is printed of a journal, live and at the end."""
    from rich.console import Console

    history = load(path)
    state = follow.State(history, 4, "RUNNING", (), 1.7e9 + 60, 1.7e9)
    display.Lines(("latency_ms",)).show(state)
    console = Console(file=io.StringIO(), width=200)
    live = display.Live(console, ("latency_ms",), heading="search")
    console.print(live.draw(state))
    outcome.show(history)
    terminal.fail(history.trials[2].cause)
    caught = capsys.readouterr()
    return caught.out + caught.err + console.file.getvalue()


def test_a_terminal_obeys_nothing_of_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(hostile_journal(tmp_path), capsys)
    assert "\\x1b[2J" in text and "cause" in text
    assert obeyed(text) == ""


def test_the_check_rejects_a_journal_that_is_read_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_lines, "printable", lambda text: text.replace("\ud800", ""))
    assert obeyed(told(hostile_journal(tmp_path), capsys)) != ""


def test_a_browser_runs_nothing_of_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = hostile_journal(tmp_path)
    assert main(["report", str(path), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    # The data, and our own script where there is something to draw; CSP lets run what has its digest alone.
    assert page.count("<script") <= 2 and '<script type="application/json"' in page and "script-src 'sha256-" in page
    assert "<img src=x" not in page and "&lt;script&gt;" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page, "and nothing could be loaded"
    assert obeyed(page) == "" and obeyed(capsys.readouterr().out) == ""


def test_tables_and_errors_show_what_they_quote(capsys: pytest.CaptureFixture[str]) -> None:
    table = terminal.table(["name"], title="Names")
    table.add_row(EVIL)
    terminal.console().print(table)
    terminal.warn(EVIL)
    assert obeyed(str(EdnasError(EVIL))) == ""
    caught = capsys.readouterr()
    assert obeyed(caught.out + caught.err) == "" and "\\x1b[2J" in caught.out


def test_a_failed_trial_cannot_draw_on_the_screen(tmp_path: Path) -> None:
    """The last words of a trial become a cause: written by its code, read by everybody."""
    from ednas_nni.record.journal import Journal

    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(events.Submitted(trial=0, architecture="a", sample={}, costs={}))
    journal.append(events.Ended(trial=0, job="J", status="failed", cause="\x1b[31mRuntimeError\x1b[0m: \x1b[2Jgone"))
    journal.close()
    assert load(journal.path).trials[0].cause == "RuntimeError: \\x1b[2Jgone"
