"""The floors of the house are held by import-linter (`make lint`); here: that its contracts reject what they must."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ednas_nni import plugins

ROOT = Path(__file__).resolve().parents[2]
ROOMS = [path.name for path in (ROOT / "ednas_nni").iterdir() if (path / "__init__.py").exists()]
PLUGINS = [package for package in plugins.OURS if package != "ednas_nni"]
MODULES = ["errors", "plugins", "version"]
CONCRETE = {
    plugin.target.partition(":")[0]
    for group in plugins.GROUPS
    for plugin in plugins.listing(group)
    if plugin.distribution == "ednas-nni"
}


def house(folder: Path, where: str = "", source: str = "") -> Path:
    """The rooms of this house, empty but for one module; its linter's configuration is the real one."""
    for package in PLUGINS:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    for room in ROOMS:
        (folder / "ednas_nni" / room).mkdir(parents=True)
        (folder / "ednas_nni" / room / "__init__.py").touch()
    for plugin in CONCRETE:
        (folder / plugin.replace(".", "/")).mkdir(parents=True, exist_ok=True)
        for package in (folder / plugin.replace(".", "/")).relative_to(folder).parents:
            (folder / package / "__init__.py").touch()
        (folder / plugin.replace(".", "/") / "__init__.py").touch()
    for name in ["__init__", *MODULES]:
        (folder / "ednas_nni" / f"{name}.py").touch()
    if where:
        (folder / where).write_text(source, encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def verdict(folder: Path) -> str:
    """What import-linter says of a house."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize(
    ("where", "source", "contract"),
    [
        ("", "", ""),
        ("ednas_nni/space/x.py", "import ednas_nni.search", "A floor imports only lower floors"),
        ("ednas_nni/data/x.py", "def f():\n    import ednas_nni.tasks", "A floor imports only lower floors"),
        ("ednas_nni/compat/x.py", "import ednas_nni.errors", "A floor imports only lower floors"),
        ("ednas_nni/study/x.py", "def f():\n    import search_spaces", "never imports the plug-in packages"),
        ("ednas_nni/search/x.py", "import devices.roofline", "never imports the plug-in packages"),
        ("data_sets/x.py", "import strategies", "know the framework, not each other"),
        ("devices/edge_tpu/x.py", "import devices.roofline", "A device knows no other device"),
        ("ednas_nni/record/x.py", "import torch", "know neither torch nor NNI"),
        ("ednas_nni/cli/x.py", "import matplotlib.pyplot", "Only the report plots"),
        ("tasks/edges/x.py", "import tasks.depth", "Nobody imports a concrete task"),
    ],
)
def test_the_linter_accepts_the_house_and_rejects_a_breach(
    where: str, source: str, contract: str, tmp_path: Path
) -> None:
    said = verdict(house(tmp_path, where, source))
    broken = [line for line in said.splitlines() if line.endswith("BROKEN")]
    assert [contract in line for line in broken] == ([True] if contract else []), said


def test_every_registered_task_is_protected() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = " ".join(re.findall(r"^protected_modules = \[(.*?)\]", text, flags=re.M | re.S))
    tasks = {plugin.target.partition(":")[0] for plugin in plugins.listing("tasks")} & CONCRETE
    assert set(re.findall(r'"(tasks\.\w+)"', names)) == tasks


def nni_internals(folder: Path) -> set[str]:
    """Rooms that import `nni.runtime` or `nni.tools`; import-linter tells no submodules of other packages apart."""
    rooms = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.startswith(("nni.runtime", "nni.tools")) for name in names):
                rooms.add(path.relative_to(folder).parts[0])
    return rooms


def test_nnis_internals_stay_in_the_bridge(tmp_path: Path) -> None:
    assert nni_internals(ROOT / "ednas_nni") == {"bridge", "compat"}
    assert not set().union(*(nni_internals(ROOT / package) for package in PLUGINS))
    broken = house(tmp_path, "ednas_nni/search/x.py", "def f():\n    from nni.runtime.env_vars import trial_env_vars")
    assert nni_internals(broken / "ednas_nni") == {"search"}


def past_the_doorway(folder: Path) -> list[str]:
    """Files that import `nni.nas` or torchvision by themselves, and so may get them unpatched."""
    files = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.startswith(("nni.nas", "torchvision")) for name in names):
                files.append(path.relative_to(folder).as_posix())
                break
    return files


def test_nnis_nas_is_imported_through_its_doorway_only(tmp_path: Path) -> None:
    for folder in (*plugins.OURS, "benchmarks", "experiments", "tests"):
        allowed = ("compat/", "plain/")  # patches and their tests; NNI without us
        assert [path for path in past_the_doorway(ROOT / folder) if not path.startswith(allowed)] == []
    house(tmp_path, "ednas_nni/nn/x.py", "def f():\n    from nni.nas.nn.pytorch import LayerChoice")
    assert past_the_doorway(tmp_path) == ["ednas_nni/nn/x.py"]


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
