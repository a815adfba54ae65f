"""Which code a figure came from."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def commit() -> str:
    """The commit of this checkout; `+` where its code differs from it (results and docs are what benchmarks write)."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!/benchmarks/results", ":!/docs")
    return git("rev-parse", "HEAD") + ("+" if changed else "")
