"""Pictures of NNI's web UI for an experiment: overview, trial detail with labels, hyper-parameters.

    python tools/screenshots.py [EXPERIMENT_ID] [--port N] [--out docs/images]

Without --port the experiment (default: the latest) is opened as by `nnictl view` and closed again. Needs Chromium
(Debian: apt-get install chromium). Chromium is driven over its debugging socket; nothing but this machine is
contacted.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from ednas_nni.bridge.manager import launch
from ednas_nni.errors import ExperimentError

SIZE = (1500, 1000)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-allow-origins=*",
)


class Page:
    """One page of a headless Chromium."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            try:
                answer = json.loads(self._socket.recv(timeout=60))
            except TimeoutError:
                raise RuntimeError(f"Chromium does not answer {method}") from None
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    def open(self, url: str, seconds: float = 6) -> None:
        self.call("Page.navigate", url=url)
        time.sleep(seconds)  # the UI draws in steps and has no sign of being ready

    def click(self, text: str, seconds: float = 2) -> bool:
        """Click the smallest element with this text."""
        found = self.run(
            "(() => { const all = [...document.querySelectorAll('button, a, span, div, li')]"
            f".filter(e => e.innerText && e.innerText.trim() === {json.dumps(text)});"
            " const e = all[all.length - 1]; if (!e) return false; e.click(); return true; })()"
        )
        time.sleep(seconds)
        return bool(found)

    def text(self) -> str:
        return self.run("document.body.innerText") or ""

    def shoot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
        print(f"wrote {path}")


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    sys.exit("Chromium is not installed. On Debian: apt-get install chromium")


def pictures(base: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    port = launch.free_port(19222)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [
                chromium(),
                *FLAGS,
                f"--user-data-dir={profile}",
                f"--remote-debugging-port={port}",
                f"--window-size={SIZE[0]},{SIZE[1]}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with connect(_socket_url(port), max_size=None) as socket:
                page = Page(socket)
                page.call("Page.enable")
                page.open(f"{base}/oview", 8)
                page.shoot(out / "webui_overview.png")
                page.open(f"{base}/detail", 8)
                page.shoot(out / "webui_trials.png")
                for tab, name in (("Hyper-parameter", "hyperparameters"), ("Intermediate result", "curves")):
                    if page.click(tab, 4):
                        page.shoot(out / f"webui_{name}.png")
                    else:
                        print(f"no tab {tab!r} on the page", file=sys.stderr)
                page.open(f"{base}/detail", 6)
                page.run("document.querySelector('[data-automation-key=_expand] i').click()")
                time.sleep(2)
                page.run("document.querySelector('[data-automation-key=_expand]').scrollIntoView()")
                time.sleep(3)
                page.shoot(out / "webui_trial_detail.png")
        finally:
            browser.terminate()
            browser.wait(timeout=20)


def _socket_url(port: int) -> str:
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
                pages = [p for p in json.load(answer) if p["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", nargs="?")
    parser.add_argument("--port", type=int, help="of an experiment that runs already")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    if options.port:
        pictures(f"http://127.0.0.1:{options.port}", options.out)
        return
    folder = Path.home() / "nni-experiments"
    name = options.experiment or (folder / "_latest").resolve().name
    try:
        running = launch.resume(folder / name, view=True)
    except ExperimentError as error:
        sys.exit(str(error))
    try:
        pictures(f"http://127.0.0.1:{running.port}", options.out)
    finally:
        running.stop()


if __name__ == "__main__":
    main()
