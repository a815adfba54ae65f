"""Whole reports: complete, self-contained, escaped, and written for every state of a search."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ednas_nni import report
from ednas_nni.errors import EdnasError, JournalError
from ednas_nni.report import style, write

HOSTILE = "<script>alert('$x^{$')</script> \"quoted\" \\frac \U0001f600 & $\\alpha$"


class Page(HTMLParser):
    """Tags with their attributes, and the text that a reader sees."""

    def __init__(self, html):
        super().__init__()
        self.html, self.tags, self.text, self.scripts, self._inside = html, [], "", [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "script" and "type" not in dict(attrs):
            self.scripts.append("")

    def handle_data(self, data):
        if self._inside[-1:] == ["script"] and "type" not in self.tags[-1][1]:
            self.scripts[-1] += data
        elif self._inside[-1:] not in (["style"], ["script"]):
            self.text += data

    def problems(self):
        """Whatever could reach out of the file or run in it."""
        found = []
        for tag, attributes in self.tags:
            if tag in ("link", "iframe", "object", "embed", "base", "form"):
                found.append(tag)
            for name, value in attributes.items():
                leads = name in ("src", "href") and not value.startswith(("data:image/png", "data:text/plain", "#"))
                if name.startswith("on") or leads:
                    found.append(f"{tag} {name}={value[:40]}")
        script = (Path(report.__file__).parent / "templates" / "report.js").read_text(encoding="utf-8")
        allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        if f"script-src 'sha256-{allowed}'" not in self.html or any(
            s.strip() not in ("", script.strip()) for s in self.scripts
        ):
            found.append("script")
        return found


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    monkeypatch.setattr(style, "DPI", 40)


@pytest.fixture
def written(synthetic, tmp_path):
    def make(**options):
        folder = tmp_path / "abc"
        journal = synthetic.write(folder, **options)
        return write(journal, tmp_path / "out")

    return make


def test_a_finished_search(synthetic, tmp_path):
    journal = synthetic.write(tmp_path / "abc", trials=12)
    for number in range(12):
        synthetic.leave(tmp_path / "abc", f"job{number:02d}", synthetic.examples())
    path = write(journal, tmp_path / "new" / "out")
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert path.name == "report.html" and page.problems() == []
    assert {p.name for p in path.parent.iterdir()} == {"front.csv", "front.tex", "predictions.png", "report.html"}
    assert len(html) < 8e6
    embedded = {base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', html)}
    assert embedded == {p.read_bytes() for p in path.parent.glob("*.png")}
    for told in (
        "EDNAS search abc",
        "optimistic",
        "n = 11 noisy single trainings",
        "modelled for edge_tpu",
        "held-out error mean 17%",
        "512 x 1024",
        "mobilenet_v2, trained by the same recipe",
        "The loss is not finite",
        "f74423d33bdf4d45",
        "0123456789abcdef",
        "not picked by hand",
        "parameters of another one",
        "latency_ms &lt;= 7",
    ):
        assert told in (html if "&" in told else page.text), told


def test_the_protocol_is_the_one_of_the_metrics(written):
    assert (
        "Protocol of task metrics: standard (docs/metrics.md), that is sums" in Page(written(trials=5).read_text()).text
    )
    tasks = [{"name": "depth", "metrics": [{"name": "adashare_abs_error_m", "protocol": "adashare"}]}]
    text = Page(written(trials=5, tasks=tasks).read_text()).text
    assert "Protocol of task metrics: adashare (docs/metrics.md)." in text and "sums over" not in text


def test_equal_journals_give_equal_reports(synthetic, tmp_path):
    journal = synthetic.write(tmp_path / "abc", trials=8)
    first = write(journal, tmp_path / "a").read_bytes()
    assert write(journal.parent.parent, tmp_path / "b").read_bytes() == first


def test_a_running_search(written):
    text = Page(written(trials=5, finished=False).read_text()).text
    assert "still running or was interrupted" in text and "2 running" in text


def test_an_empty_search_says_so(synthetic, tmp_path):
    for lines in ([], [{"event": "study", "time": synthetic.t0, "study": synthetic.study, "columns": []}]):
        text = Page(write(synthetic.dump(tmp_path / "abc", lines), tmp_path / "out").read_text()).text
        assert "There is no result yet" in text and "No trial" in text


def test_only_failures(synthetic, tmp_path):
    path = synthetic.write(tmp_path / "abc", trials=6)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [e for e in events if e["event"] != "result"]
    for event in kept:
        if event["event"] == "ended":
            event.update(status="failed", cause="out of memory")
    text = Page(write(synthetic.dump(tmp_path / "abc", kept), tmp_path / "out").read_text()).text
    assert "There is no result yet" in text and "out of memory" in text


def hostile_journal(synthetic, tmp_path):
    study = {**synthetic.study, "data": {"name": HOSTILE}, "tasks": [HOSTILE], "space": HOSTILE, "start": [HOSTILE]}
    columns = [{"name": "latency_ms", "unit": HOSTILE, "device": HOSTILE, "origin": HOSTILE, "note": HOSTILE}]
    path = synthetic.write(tmp_path / "abc", trials=7, study=study, experiment=HOSTILE, columns=columns, domains=None)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    architecture = next(e["architecture"] for e in events if e["event"] == "submitted")
    events[0]["members"] = {HOSTILE: architecture}
    for event in events:
        if event["event"] == "submitted":
            event["sample"] = {"stage1_op": HOSTILE, HOSTILE: 1}
        if event["event"] == "result":
            event["metrics"][HOSTILE] = 1.0
            event["metrics"]["odd"] = [HOSTILE]
        if event["event"] == "ended" and event["status"] == "failed":
            event["cause"] = HOSTILE
        if event["event"] in ("submitted", "result") and event.get("trial") == 2:
            event["architecture"] = HOSTILE
    events.append({"event": "rejected", "time": synthetic.t0, "architecture": "x", "reasons": [HOSTILE]})
    events.append({"event": "note", "time": synthetic.t0, "kind": "x", "text": HOSTILE})
    events.append({"event": "finished", "time": synthetic.t0, "reason": HOSTILE})
    return synthetic.dump(tmp_path / "abc", events)


def test_hostile_strings_are_escaped(synthetic, tmp_path):
    html = write(hostile_journal(synthetic, tmp_path), tmp_path / "out").read_text()
    page = Page(html)
    assert page.problems() == []
    assert "<script>" in page.text  # shown to the reader as text


def test_a_page_without_escaping_is_rejected(synthetic, tmp_path, monkeypatch):
    import jinja2

    plain = jinja2.Environment

    def unescaped(**options):
        return plain(**{**options, "autoescape": False})

    monkeypatch.setattr(jinja2, "Environment", unescaped)
    html = write(hostile_journal(synthetic, tmp_path), tmp_path / "out").read_text()
    assert "script" in Page(html).problems()


def test_a_finished_networks_examples_are_shown_before_those_of_the_search(synthetic, tmp_path):
    from ednas_nni.record.events import Confirmed
    from ednas_nni.record.journal import Journal, load
    from ednas_nni.report.data import view

    path = synthetic.write(tmp_path / "abc", trials=8)
    search = view(load(path))
    fits = {result.architecture for result in search.record.results}
    best, *_, last = sorted((t for t in search.results if t.architecture in fits), key=lambda trial: -trial.quality)
    synthetic.leave(tmp_path / "abc", best.job, synthetic.examples())
    assert (
        f"Predictions of architecture {best.architecture} (trial" in Page(write(path, tmp_path / "a").read_text()).text
    )
    journal = Journal(path)
    for trial, quality in ((best, 0.5), (last, 0.6)):
        finished = {"architecture": trial.architecture, "seed": 2000, "metrics": {"default": quality}}
        journal.append(Confirmed(trial=trial.number, job=f"done{trial.number}", options={"steps": 5}, **finished))
        synthetic.leave(tmp_path / "abc", f"done{trial.number}", synthetic.examples())
    journal.close()
    text = Page(write(path, tmp_path / "after").read_text()).text
    assert f"Predictions of architecture {last.architecture} (finished by trial {last.number}, quality 0.6" in text
    assert "of the select split, not picked by hand" in text


def test_damaged_examples_are_told_and_the_next_best_is_shown(synthetic, tmp_path):
    from ednas_nni.record.journal import load
    from ednas_nni.report.data import view

    journal = synthetic.write(tmp_path / "abc", trials=8)
    ranked = sorted(view(load(journal)).results, key=lambda trial: -trial.quality)
    synthetic.leave(tmp_path / "abc", ranked[0].job, {"image": synthetic.examples()["image"]})
    synthetic.leave(tmp_path / "abc", ranked[1].job, synthetic.examples())
    text = Page(write(journal, tmp_path / "out").read_text()).text
    assert f"the best network, {ranked[0].architecture}, left no examples" in text
    assert "holds no prediction" in text


@pytest.mark.parametrize(
    "objectives",
    [["quality"], ["quality", "latency_ms", "params"], ["max:segmentation_miou", "macs"], ["latency_ms"], ["?"]],
)
def test_other_objectives(written, synthetic, objectives):
    path = written(trials=8, study={**synthetic.study, "objectives": objectives, "constraints": ["params <= 1e9"]})
    assert (path.parent / "front.csv").exists()


def test_many_trials_on_the_front_and_one_outlier(synthetic, tmp_path):
    path = synthetic.write(tmp_path / "abc", trials=60)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        if event["event"] == "submitted":
            event["costs"]["latency_ms"] = 3 + 0.06 * event["trial"]
        if event["event"] == "result":
            event["metrics"]["default"] = -40.0 if event["trial"] == 30 else 0.2 + 0.004 * event["trial"]
    text = Page(write(synthetic.dump(tmp_path / "abc", events), tmp_path / "out").read_text()).text
    assert "The first 12 of" in text


def test_missing_journal_and_unwritable_folder(written, synthetic, tmp_path):
    with pytest.raises(JournalError, match="cannot read"):
        write(tmp_path / "nothing.jsonl", tmp_path / "out")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(EdnasError, match="Give another folder"):
        write(synthetic.write(tmp_path / "abc", trials=2), blocked)


def test_the_users_matplotlib_is_left_alone(written):
    import matplotlib

    matplotlib.rcParams["lines.linewidth"] = 3.25
    before = dict.copy(matplotlib.rcParams)  # a plain copy does not make matplotlib choose a backend
    try:
        written(trials=3)
        assert dict.copy(matplotlib.rcParams) == before
    finally:
        matplotlib.rcParams["lines.linewidth"] = matplotlib.rcParamsDefault["lines.linewidth"]


def test_drawing_libraries_are_loaded_on_use_only():
    code = "import sys, ednas_nni.report; print([m for m in ('matplotlib', 'jinja2', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
