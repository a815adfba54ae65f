"""The page in a browser: no error, nothing from elsewhere, hover, click, axes, two widths, two searches, live."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.cli import main, report_command
from ednas_nni.handover.stages import NetworkStage
from ednas_nni.record.front import front_of
from ednas_nni.record.journal import load
from ednas_nni.report import write
from tests.report.browser import CHROMIUM, Browser, browser
from tests.report.test_html import hostile_journal

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)")
STAGES = (NetworkStage("stem", 16, 256, 512, 57_000_000, 464, "1 conv 3x3"),)
TIP = "document.getElementById('tip').innerText"
DETAIL = "document.getElementById('detail').innerText"


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def clean(page: Browser) -> Iterator[Browser]:
    page.faults.clear()
    yield page
    assert page.faults == []


def confirmed(synthetic: Any, folder: Path, **options: Any) -> Path:
    """A search whose front was trained again, each 0.05 worse than searched."""
    path = synthetic.write(folder, trials=20, **options)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for record in front_of(load(path)):
        for seed in (2000, 2001, 2002):
            metrics = {**record.metrics, "default": record.quality - 0.05 + 0.001 * (seed - 2001)}
            lines.append({"event": "confirmed", "time": synthetic.t0, "architecture": record.architecture})
            lines[-1] |= {"seed": seed, "metrics": metrics}
    return synthetic.dump(folder, lines)


def test_a_point_shows_its_numbers_and_its_network(clean: Browser, synthetic: Any, tmp_path: Path) -> None:
    journal = confirmed(synthetic, tmp_path / "abc")
    clean.open(write(journal, tmp_path / "out", stages=lambda sample: STAGES))
    record = front_of(load(journal))[0]
    best = max(r.quality for r in front_of(load(journal)))
    assert f"{best - 0.05:.3f}" in clean.run("document.querySelector('.card.best').innerText"), "the confirmed one"
    clean.point(f"[data-id='{record.architecture}']")
    assert f"quality: {record.quality - 0.05:.3f} ± 0.002" in clean.run(TIP) and "3 fresh seeds" in clean.run(TIP)
    clean.point(f"[data-id='{record.architecture}']", click=True)
    text = clean.run(DETAIL)
    assert record.architecture in text and f"ednas train abc {record.architecture}" in text
    assert "256 x 512 · 57 M MAC (100 %)" in text and f"{record.costs['latency_ms']:.2f}" in text
    # Keys do the same, and the state is in the address.
    clean.run("document.querySelector('.dot').focus()")
    clean.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13)
    first = clean.run("document.querySelector('.dot').dataset.id")
    assert f"at={first}" in clean.run("location.hash")


def test_axes_and_values_can_be_chosen(clean: Browser, synthetic: Any, tmp_path: Path) -> None:
    clean.open(write(confirmed(synthetic, tmp_path / "abc"), tmp_path / "out"))
    keys = clean.run("[...document.getElementById('x').options].map(o => o.value)")
    assert {"quality", "segmentation_miou", "depth_abs_error_m", "latency_ms", "params"} <= set(keys)
    change = "(s => {{ s.value = {!r}; s.dispatchEvent(new Event('change')); }})(document.getElementById({!r}))"
    heights = set()
    for values in ("searched", "confirmed"):
        clean.run(change.format(values, "values"))
        heights.add(
            clean.run("[...document.querySelectorAll('.dot :last-child')].map(e => e.getAttribute('cy')).join()")
        )
    assert len(heights) == 2
    for x in keys:
        clean.run(change.format(x, "x"))
        label = clean.run("document.querySelector('#front svg').getAttribute('aria-label')")
        assert clean.run(f"QUANTITIES[{x!r}].name") in label
        assert "NaN" not in clean.run("document.querySelector('#front').innerHTML")
    clean.run(change.format("depth_abs_error_m", "y"))
    assert "depth" in clean.run("document.querySelector('#front svg').getAttribute('aria-label')")


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_page(clean: Browser, synthetic: Any, tmp_path: Path, width: int) -> None:
    journal = confirmed(synthetic, tmp_path / "abc")
    clean.open(write(journal, tmp_path / "out"), width)
    assert clean.run("document.documentElement.scrollWidth") <= width
    assert clean.run("document.querySelectorAll('#importance tr').length") > 3
    assert (
        clean.run("Math.min(...[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height))")
        > 10
    )
    assert "bbbb" not in clean.run(DETAIL)


@pytest.mark.parametrize("state", ["empty", "running", "hostile"])
def test_any_search_can_be_opened(clean: Browser, synthetic: Any, tmp_path: Path, state: str) -> None:
    journal = {
        "empty": lambda: synthetic.dump(tmp_path / "abc", []),
        "running": lambda: synthetic.write(tmp_path / "abc", trials=5, finished=False),
        "hostile": lambda: hostile_journal(synthetic, tmp_path),
    }[state]()
    clean.open(write(journal, tmp_path / "out"))
    if state != "empty":
        clean.point(".dot", click=True)
        assert clean.run("document.querySelectorAll('#detail script, #tip script').length") == 0


def test_the_browser_notices_a_foreign_script(page: Browser, synthetic: Any, tmp_path: Path) -> None:
    """The broken variant: a script that is not ours is not run, and is a fault."""
    path = write(synthetic.write(tmp_path / "abc", trials=3), tmp_path / "out")
    path.write_text(path.read_text().replace("</main>", "</main><script>window.foreign = 1</script>"))
    page.open(path)
    assert page.run("window.foreign === undefined") and any("Security Policy" in fault for fault in page.faults)


def test_live_goes_on_until_the_search_is_over(
    synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = synthetic.write(tmp_path / "abc", trials=5, finished=False)
    whole = synthetic.write(tmp_path / "whole" / "abc", trials=5).read_text()

    def later(seconds: float) -> None:
        assert 'http-equiv="refresh" content="10"' in (tmp_path / "out" / "report.html").read_text()
        journal.write_text(whole)

    monkeypatch.setattr(report_command, "of_the_space", lambda journal, weights=True: (None, None))
    monkeypatch.setattr(report_command.time, "sleep", later)
    assert main(["report", str(journal), "--live", "--out", str(tmp_path / "out")]) == 0
    assert "refresh" not in (tmp_path / "out" / "report.html").read_text()
    assert capsys.readouterr().out.count("still running") == 1


@pytest.mark.parametrize("reports", [1, 2])
def test_trainings_that_are_scored_once_have_no_curves(
    clean: Browser, synthetic: Any, tmp_path: Path, reports: int
) -> None:
    path = synthetic.write(tmp_path / "abc", trials=8)
    seen: Counter[int] = Counter()
    lines = []
    for line in map(json.loads, path.read_text().splitlines()):
        if line["event"] == "intermediate":
            seen[line["trial"]] += 1
        if line["event"] != "intermediate" or seen[line["trial"]] <= reports:
            lines.append(line)
    clean.open(write(synthetic.dump(tmp_path / "abc", lines), tmp_path / "out"))
    assert clean.run("!!document.querySelector('#curves path')") == (reports == 2)
    assert clean.run("!!document.querySelector('#curves')") == (reports == 2) and clean.run(
        "!!document.querySelector('#growth path')"
    )
