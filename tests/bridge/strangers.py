"""Who has no business at NNI's port: raw requests of strangers, and a page of another site in a real browser."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

UPGRADE = ("Upgrade: websocket", "Connection: Upgrade")
KEY = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def ask(port: int, *headers: str, method: str = "GET", path: str = "/api/v1/nni/check-status") -> str:
    """The answer to a request as raw bytes say it; "" where the connection was closed."""
    text = "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "Content-Length: 0", "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(text.encode())
            connection.settimeout(5)
            return connection.recv(4096).decode()
        except ConnectionError:
            return ""


def filled(headers: tuple[str, ...], port: int) -> list[str]:
    return [header.replace("PORT", str(port)) for header in headers]


def attacks(port: int) -> set[str]:
    """First lines of what NNI answers to strangers: a foreign Host and a foreign Origin, at each of its doors."""
    answers = set()
    for headers in (("Host: evil.example:PORT",), ("Host: 127.0.0.1:PORT", "Origin: http://evil.example")):
        for method, path in (("GET", "/"), ("GET", "/api/v1/nni/trial-jobs"), ("DELETE", "/api/v1/nni/trial-jobs/x")):
            answers.add(ask(port, *filled(headers, port), method=method, path=path).partition("\r\n")[0])
        for path in ("/tuner/x", "/platform/x"):
            answers.add(ask(port, *filled((*headers, *UPGRADE, *KEY), port), path=path).partition("\r\n")[0])
    return answers


PAGE = """<title>waiting</title><script>
const found = [];
const said = (what, how) => { found.push(what + '=' + how); document.title = found.sort().join(' '); };
for (const host of ['HOST', '127.0.0.1', 'localhost']) {
  const place = host + ':PORT';
  const socket = new WebSocket('ws://' + place + '/tuner/x');
  socket.onopen = () => said('socket ' + host, 'open');
  socket.onerror = () => said('socket ' + host, 'refused');
  fetch('http://' + place + '/api/v1/nni/check-status')
    .then((answer) => said('read ' + host, answer.ok ? 'open' : 'refused'))
    .catch(() => said('read ' + host, 'refused'));
}
</script>"""


def visited(port: int, profile: Path) -> str:
    """What a page of another site got at a port: its own name leads to this machine (DNS rebinding)."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    page = PAGE.replace("PORT", str(port)).replace("HOST", "evil.example")

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    evil = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=evil.serve_forever, args=(0.02,), daemon=True).start()
    words = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP evil.example 127.0.0.1", "--virtual-time-budget=8000", "--dump-dom",
        f"http://evil.example:{evil.server_port}/",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    evil.shutdown()
    evil.server_close()
    (title,) = re.findall("<title>(.*)</title>", done.stdout)
    assert title.count("=") >= 4, done.stdout + done.stderr[-2000:]
    return title
