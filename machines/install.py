"""EDNAS as a wheel of what runs here, for machines that have its dependencies but no way to a registry."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from urllib.parse import unquote, urlparse

from ednas_nni.errors import ExperimentError

NAME = "ednas-nni"


def wheel(folder: Path) -> Path:
    """Make it in a folder: from the clone of an editable installation, else from the installed files.

    ExperimentError: pip cannot build it, in its own words.
    """
    installed = distribution(NAME)
    source = _clone(installed)
    if source is None:
        return _packed(installed, folder)
    words = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(source),
    ]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    files = sorted(folder.glob("*.whl"))
    if done.returncode or not files:
        raise ExperimentError(f"no wheel of {source} can be built: {' '.join(done.stderr.split())[-300:]}")
    return files[0]


def _clone(installed: Distribution) -> Path | None:
    text = installed.read_text("direct_url.json")
    record = json.loads(text) if text else {}
    if not record.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlparse(record["url"]).path))


def _packed(installed: Distribution, folder: Path) -> Path:
    """The installed files as the wheel that they came from, with a RECORD of their digests."""
    path = folder / f"{NAME.replace('-', '_')}-{installed.version}-py3-none-any.whl"
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in installed.files or []:
            name = str(file)
            if name.startswith("..") or name.endswith(
                (".pyc", "/RECORD", "/INSTALLER", "/REQUESTED", "/direct_url.json")
            ):
                continue
            content = Path(str(file.locate())).read_bytes()
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(content)}")
        record = f"{NAME.replace('-', '_')}-{installed.version}.dist-info/RECORD"
        archive.writestr(record, "\n".join([*lines, f"{record},,"]) + "\n")
    return path
