"""The preload in NNI's node process: who is let in. Each attack succeeds on a server without it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ednas_nni.bridge.manager import exposure
from tests.bridge.strangers import UPGRADE, ask, filled, visited

SERVER = """
const http = require('http');
const server = http.createServer((request, answer) => answer.end(`in: ${request.method}`));
server.on('upgrade', (request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n'));
const told = () => console.log(JSON.stringify(server.address()));
"""
FORMS = [  # how programs of node ask for a port: NNI's express uses the first
    "server.listen(0, told)",
    "server.listen(0); server.on('listening', told)",
    "server.listen('0'); server.on('listening', told)",
    "server.listen(0, undefined, 511, told)",
    "server.listen(0, null, told)",
    "server.listen({port: 0}, told)",
    "server.listen({port: 0, backlog: 5}, told)",
]


@contextmanager
def server(
    folder: Path, form: str = FORMS[0], open_to: str | None = None, preload: bool = True, name: str = "nni_node/main.js"
) -> Iterator[tuple[str, int]]:
    """A server of NNI's own node in a file that is called as NNI's: its address and port."""
    import nni_node

    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(SERVER + form)
    changes = {**exposure.variables(open_to), **({} if preload else {"NODE_OPTIONS": None})}
    environment = {k: v for k, v in {**os.environ, **changes}.items() if v is not None}
    node = Path(nni_node.__path__[0]) / "node"
    with subprocess.Popen([node, path], env=environment, stdout=subprocess.PIPE) as process:
        try:
            told = json.loads(process.stdout.readline())
            yield told["address"], told["port"]
        finally:
            process.kill()


@pytest.mark.parametrize("form", FORMS)
def test_it_listens_on_this_machine(form: str, tmp_path: Path) -> None:
    with server(tmp_path, form) as (address, _):
        assert address == "127.0.0.1"


@pytest.mark.parametrize(
    "how", [{"preload": False}, {"open_to": ""}, {"name": "users.js"}], ids=["no preload", "open", "another program"]
)
def test_else_it_listens_everywhere(how: dict[str, object], tmp_path: Path) -> None:
    with server(tmp_path, **how) as (address, _):
        assert address in ("::", "0.0.0.0")


def test_an_address_that_is_named_is_kept(tmp_path: Path) -> None:
    with server(tmp_path, "server.listen(0, '0.0.0.0', told)") as (address, _):
        assert address == "0.0.0.0"


def test_what_stands_in_the_environment_is_kept() -> None:
    given = {"NODE_OPTIONS": "--max-old-space-size=512", "no_proxy": "intranet"}
    once = exposure.variables(environment=given)
    assert once["NODE_OPTIONS"].startswith("--max-old-space-size=512 --require")
    assert exposure.variables(environment=once) == once
    assert once["no_proxy"] == "intranet,localhost,127.0.0.1"


# ---- who is called


LET_IN = [
    ("Host: localhost:PORT",),
    ("Host: LOCALHOST:PORT",),
    ("Host: 127.0.0.1:PORT", "Origin: http://127.0.0.1:PORT", "Sec-Fetch-Site: same-origin"),
    ("Host: [::1]:PORT",),
    ("Host: localhost:PORT", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"),  # a link to the web UI
    ("Host: localhost:PORT", *UPGRADE),
]
KEPT_OUT = [
    (),
    ("Host: evil.example:PORT",),  # DNS rebinding
    ("Host: evil.example",),
    ("Host: localhost",),
    ("Host: localhost:1",),
    ("Host: localhost.evil.example:PORT",),
    ("Host: 127.0.0.1:PORT:PORT",),
    ("Host: evil.example:PORT", "Host: localhost:PORT"),
    ("Host: 192.0.2.7:PORT",),
    ("Host: localhost:PORT", "Origin: http://evil.example"),
    ("Host: localhost:PORT", "Origin: http://localhost:3000"),
    ("Host: localhost:PORT", "Origin: null"),
    ("Host: evil.example:PORT", "Origin: http://evil.example:PORT"),
    ("Host: localhost:PORT", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"),
    ("Host: localhost:PORT", "Origin: http://evil.example", *UPGRADE),
    ("Host: evil.example:PORT", *UPGRADE),
]


def test_who_is_let_in(tmp_path: Path) -> None:
    with server(tmp_path) as (_, port):
        for headers in LET_IN:
            assert re.match(r"HTTP/1.1 (200|101) ", ask(port, *filled(headers, port))), headers
        for headers in KEPT_OUT:
            for method in ("GET", "DELETE"):
                answer = ask(port, *filled(headers, port), method=method)
                assert re.match(r"HTTP/1.1 40[03] ", answer) and "in: " not in answer, (method, headers)
    with server(tmp_path, preload=False) as (_, port):
        for headers in KEPT_OUT[1:]:
            assert re.match(r"HTTP/1.1 (200|101) ", ask(port, *filled(headers, port))), headers


def test_an_open_port_is_called_by_addresses_and_by_the_names_that_the_study_gives(tmp_path: Path) -> None:
    with server(tmp_path, open_to="node7.cluster,") as (_, port):
        for host in ("node7.cluster", "192.0.2.7", "[fd00::2]", "localhost", socket.gethostname()):
            assert ask(port, f"Host: {host}:{port}").startswith("HTTP/1.1 200"), host
        for host in ("evil.example", "node7.cluster.evil.example", ""):
            assert ask(port, f"Host: {host}:{port}").startswith("HTTP/1.1 40"), host


# ---- who calls

ASK = """
import encodings.idna, http.client, os, sys
if sys.argv[3]: os.setuid(int(sys.argv[3]))
try:
    connection = http.client.HTTPConnection("localhost", int(sys.argv[1]), timeout=10)
    connection.request(sys.argv[2], "/api/v1/nni/experiment")
    print(connection.getresponse().status)
except OSError:
    print("closed")
"""


def asked(port: int, method: str = "GET", user: str = "") -> str:
    """The same from another process."""
    words = [sys.executable, "-S", "-c", ASK, str(port), method, user]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_an_experiment_comes_from_the_process_that_started_the_manager(tmp_path: Path) -> None:
    """Else the start that lost a port would hand its study to the one that won it."""
    path = "/api/v1/nni/experiment"
    with server(tmp_path) as (_, port):
        assert asked(port, "POST") == "409"
        assert asked(port, "GET") == asked(port, "PUT") == "200"
        assert ask(port, f"Host: localhost:{port}", method="POST", path=path).startswith("HTTP/1.1 200")
    with server(tmp_path, preload=False) as (_, port):
        assert asked(port, "POST") == "200"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_is_a_stranger(tmp_path: Path) -> None:
    for open_to in (None, ""):
        with server(tmp_path, open_to=open_to) as (_, port):
            assert asked(port) == "200" and asked(port, user="65534") == "closed"
    with server(tmp_path, preload=False) as (_, port):
        assert asked(port, user="65534") == "200"


# ---- a real page in a real browser

SOCKETS = """
server.removeAllListeners('upgrade');
server.on('upgrade', (request, socket) => {
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = require('crypto').createHash('sha1').update(key).digest('base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  socket.write([...lines, `Sec-WebSocket-Accept: ${accept}`, '', ''].join('\\r\\n'));
});
"""


@pytest.mark.slow
@pytest.mark.parametrize("preload", [True, False])
def test_a_page_of_another_site_gets_nowhere(preload: bool, tmp_path: Path) -> None:
    with server(tmp_path, SOCKETS + FORMS[0], preload=preload) as (_, port):
        title = visited(port, tmp_path / "profile")
    assert ("open" in title) == (not preload), title
    assert preload or re.search("socket [a-z0-9.]+=open", title), title
