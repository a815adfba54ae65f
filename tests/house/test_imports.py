"""Which module may import what; importing the package stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("errors", "objectives", "pareto", "journal", "plugins", "domains")


def imports_of(path: Path) -> set[str]:
    """Every module a file names in an import, at any depth."""
    return imports_in(path.read_text(encoding="utf-8"))


def imports_in(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def breaches(path: Path, names: set[str]) -> list[str]:
    """Rules of the house that a file's imports break."""
    relative = path.relative_to(ROOT)
    part = relative.parts[1] if len(relative.parts) > 1 else ""
    found = []
    if relative.parent == Path("ednas_nni") and path.stem in PURE and tops(names) & {"torch", "nni"}:
        found.append("a pure module imports torch or nni")
    if part == "compat" and any(n.startswith("ednas_nni") and not n.startswith("ednas_nni.compat") for n in names):
        found.append("compat imports something of ours")
    if relative.parts[0] == "ednas_nni" and tops(names) & {"search_spaces", "strategies"}:
        found.append("the core imports a plugin package")
    if part not in ("bridge", "compat") and any(n.startswith(("nni.runtime", "nni.tools")) for n in names):
        found.append("nni.runtime or nni.tools outside of bridge and compat")
    if part != "report" and relative.parts[0] != "tests" and "matplotlib" in tops(names):
        found.append("plotting outside of report")
    return found


SOURCES = files("ednas_nni", "search_spaces", "strategies")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows(path: Path) -> None:
    assert breaches(path, imports_of(path)) == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("ednas_nni/record/journal.py", "import torch"),
        ("ednas_nni/compat/x.py", "from ednas_nni.errors import EdnasError"),
        ("ednas_nni/study.py", "import strategies"),
        ("ednas_nni/study.py", "def f():\n    from search_spaces import nano"),
        ("strategies/x.py", "from nni.runtime.env_vars import trial_env_vars"),
        ("ednas_nni/cli/x.py", "import matplotlib.pyplot"),
    ],
)
def test_arrows_reject_a_breach(where: str, source: str) -> None:
    assert breaches(ROOT / where, imports_in(source))


def test_import_is_light() -> None:
    """No torch, no nni; the time is printed, not judged."""
    code = "import sys, ednas_nni; print(sorted({'torch', 'nni', 'pydantic', 'matplotlib'} & set(sys.modules)))"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(f"import ednas_nni in a new process: {time.perf_counter() - start:.2f} s")
    assert done.stdout.strip() == "[]"


def test_advisor_module_is_torch_free() -> None:
    """NNI's manager waits ten seconds for the Advisor's connection; torch must not come first."""
    code = "import sys, ednas_nni.bridge.advisor; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
