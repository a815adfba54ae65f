"""A program `ssh` of the test's own: it runs commands here, or fails as the name of the host says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from machines.host import versions

SSH = """#!/bin/sh
# usage: ssh [options] -- HOST COMMAND
all="$*"
while [ "$1" != "--" ]; do shift; done
host=$2; command=$3
echo "$all" >> {folder}/asked
case "$host" in
  away) echo "ssh: connect to host away port 22: Connection timed out" >&2; exit 255 ;;
  stranger) echo "Host key verification failed." >&2; exit 255 ;;
  closed) echo "Error: remote port forwarding failed for listen port 0" >&2; exit 255 ;;
  bare) echo "/usr/bin/python3: No module named machines" >&2; exit 1 ;;
esac
case "$all" in
  *" -M "*) echo "Allocated port 4242 for remote forward to somewhere" >&2; echo EDNAS; echo $$ > {folder}/master
    [ "$host" = brief ] && {{ sleep 0.3; echo "Timeout, server brief not responding." >&2; exit 255; }}
    exec cat > /dev/null ;;
esac
if [ -f {folder}/$host.json ]; then cat > /dev/null; cat {folder}/$host.json; else sh -c "$command"; fi
"""
Fake = Callable[..., None]


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Call it with a host's name and fields of `facts` that differ from what a good host says."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    (folder / "ssh").write_text(SSH.format(folder=folder))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def host(name: str, **other: object) -> None:
        facts = {"cores": 4, "memory_bytes": 8e9, "free_bytes": 1e9, "gpus": [], "cache": "/tmp/c", "missing": []}
        facts = {"versions": versions(), **facts, "memory_bytes": 1, "free_bytes": 1, **other}
        (folder / f"{name}.json").write_text(json.dumps(facts))

    return host
