"""What runs on each machine of a search: `python3 -m machines.host VERB ...`, called over SSH by a search or `ednas`.

  facts [--gpus]              what the machine has, as JSON
  probe                       train a study's first network for a step; the study is on standard input
  keep EXPERIMENT KEEPER      start NNI's trial keeper; its settings are on standard input
  pack EXPERIMENT KEEPER      what trials have left, on standard output; their ids are lines of standard input

`keep` starts a supervisor, which starts the keeper and, once the code has come, a trial server. When the keeper ends,
for whatever reason, so do the trials: the search tries them again elsewhere. Example: the network is cut for an hour;
after 40 seconds the keeper ends (keeper.js) and its supervisor ends two trials, and after 60 the search starts them on
another machine.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import redirect_stdout, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.manager.exposure import LOOPBACK, path_variable
from ednas_nni.bridge.manager.places import HOME, make_experiment_folder
from ednas_nni.bridge.manager.processes import CALL, Process
from ednas_nni.bridge.trial.limits import TRIALS_HERE
from ednas_nni.record.failures import CAUSE, DISK_FULL, HOST_LOST
from ednas_nni.record.whole_file import write_whole
from ednas_nni.version import __version__

START_S = 90.0
PACKAGES = ("nni", "torch", "torchvision", "pytorch-lightning", "numpy")
ERRORS = "trial.stderr"
FILES = ("result.json", "trial.log", "trial.stdout", ERRORS, "phases.json", "examples.npz")
ROOM = 1 << 16
"""Bytes; a disk with less is full."""
FULL = f"{CAUSE}{DISK_FULL}: not even the trial's last words have room\n".encode()
LARGEST = 1 << 28
"""Bytes of a file that a trial has left; a larger one stays where it is."""
CONFIG, DONE, SUPERVISOR = "trial_keeper_config.json", "success.flag", "supervisor.json"
_PR_SET_PDEATHSIG = 1


def versions() -> dict[str, str]:
    """Of what a trial's numbers depend on, as far as it is installed."""
    installed = {"ednas": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed


def facts(gpus: bool = False, paths: Iterable[str] = ()) -> dict[str, object]:
    """What this machine has: versions, cores, memory and free disk in bytes; GPUs as NNI's own scheduler sees them.

    Of the paths it names those that are missing.
    """
    from ednas_nni.data.cache import cache_root

    return {
        "versions": versions(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "free_bytes": shutil.disk_usage(Path.home()).free,
        "gpus": _gpus() if gpus else [],
        "cache": str(cache_root(None)),
        "missing": [path for path in paths if not Path(path).exists()],
    }


def _gpus() -> list[dict[str, object]]:
    command = [sys.executable, "-m", "nni.tools.nni_manager_scripts.collect_gpu_info", "--detail"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return []
    return [gpu for gpu in answer.get("gpus", []) if isinstance(gpu, dict)]


def probe(study: dict[str, object]) -> dict[str, float]:
    """Build the study's first network and train it for a step, if it trains any; the seconds that each takes."""
    begun = time.monotonic()
    from ednas_nni.search.assembled import Assembled  # torch
    from ednas_nni.study import parse

    assembled = Assembled(parse(study))
    domains = assembled.domains
    sample = domains.canonical({dimension.label: dimension.values[0] for dimension in domains.dimensions})
    seconds = {"space": time.monotonic() - begun}
    if assembled.needs_network:
        assembled.source.prepare()
        with redirect_stdout(sys.stderr):
            assembled.again(assembled.study.seed, steps=1).trained(sample)
        seconds["training"] = time.monotonic() - begun - seconds["space"]
    return seconds


# ---- the keeper


def keep(experiment: str, keeper: str, settings: dict[str, object]) -> dict[str, object]:
    """Start the keeper of this machine, after whatever an earlier connection left running has been ended.

    Returns:
        `upload`: where the code goes; `results`: trials of earlier connections that ended with one.
    """
    os.umask(0o077)
    folder = Path(HOME).expanduser() / experiment
    make_experiment_folder(folder)
    for file in folder.glob(f"environments/*/keeper*/{SUPERVISOR}"):
        with suppress(OSError, ValueError):
            if (process := Process.parse(json.loads(file.read_text())["process"])) is not None:
                process.end()
    orphans.end_all(folder, None, f"{HOST_LOST}: the search has connected anew")
    place = folder / "environments" / keeper
    number = sum(1 for _ in place.glob("keeper*"))
    work, upload = place / f"keeper{number}", place / "upload"
    work.mkdir(parents=True)
    upload.mkdir(exist_ok=True)
    config = {
        "experimentId": experiment,
        "environmentId": keeper,
        "platform": "remote",
        "managerCommandChannel": settings["channel"],
        "logLevel": settings["log_level"],
        "experimentsDirectory": str(folder.parent),
        "pythonInterpreter": sys.executable,
    }
    write_whole(work / CONFIG, json.dumps(config), mode=0o600)
    environment = {
        **os.environ,
        "PATH": path_variable(),
        "NODE_OPTIONS": f"--require {LOOPBACK} --require {Path(__file__).with_name('keeper.js')}",
        "EDNAS_LEASE_S": str(settings["lease_s"]),
        CALL: str(settings["call"]),
        TRIALS_HERE: str(settings["trials"]),
    }
    with (work / "keeper.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "machines.host", "supervise", str(work)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + START_S
    while not (work / DONE).exists():
        if supervisor.poll() is not None or time.monotonic() > end:
            supervisor.kill()
            words = (work / "keeper.log").read_text(errors="replace").strip().splitlines()
            raise SystemExit(f"the trial keeper does not start: {' '.join(words[-3:])}")
        time.sleep(0.05)
    return {"upload": str(upload), "results": sorted(file.parent.name for file in place.glob(f"trials/*/{FILES[0]}"))}


def supervise(work: Path) -> None:
    """Run the keeper to its end, then end its trials."""
    import nni_node

    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.bridge.trial.prefork.starter import TrialServer

    mine = Process.of(os.getpid())
    write_whole(work / SUPERVISOR, json.dumps({"process": mine.text if mine else ""}))
    node = Path(nni_node.__path__[0])
    command = [str(node / "node"), "--max-old-space-size=4096", str(node / "common/trial_keeper/main.js"), str(work)]
    keeper = subprocess.Popen(command, cwd=node, preexec_fn=_dies_with_parent)  # NNI's keeper needs this folder
    experiment = work.parents[2]
    code = work.parent / "upload" / "trial_code"
    server: TrialServer | None = None
    try:
        while keeper.poll() is None:
            if server is None and code.is_dir() and sys.platform == "linux":
                try:
                    tuner = Manager(os.environ[CALL]).experiment()["params"].get("tuner")
                    study = tuner.get("classArgs") if isinstance(tuner, dict) else None
                    if isinstance(study, dict) and study.get("trial_start", "prefork") == "prefork":
                        server = TrialServer(experiment.name, study, code, work, keeper.pid)
                except Exception as error:
                    print(f"no trial server: {error}; trials import everything themselves", file=sys.stderr, flush=True)
                code = Path("/nonexistent")
            with suppress(subprocess.TimeoutExpired):
                keeper.wait(0.2 if server is None else 5.0)
    finally:
        orphans.end_all(experiment, None, f"{HOST_LOST}: the connection to the search has ended")
        if server is not None:
            server.close()


def _dies_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


# ---- what trials leave


def pack(experiment: str, keeper: str, job: str, out: BinaryIO) -> None:
    """Send a trial's files, and the weights of its network, which are removed here.

    A line of JSON goes before each, and one at the end.
    """
    place = Path(HOME).expanduser() / experiment / "environments" / keeper
    folder = place / "trials" / job
    for name in FILES:
        silent = name == ERRORS and not (folder / FILES[0]).exists() and _is_full(folder / name)
        _send(folder / name, "trial", out, FULL if silent else b"")
    with suppress(OSError, ValueError, KeyError, TypeError):
        key = json.loads((folder / FILES[0]).read_bytes())["architecture"]
        if re.fullmatch(r"[0-9a-f-]{1,40}", key):
            weights = place / "ednas" / "weights" / f"{key}.safetensors"
            _send(weights, "weights", out)
            weights.unlink(missing_ok=True)
    out.write(json.dumps({"kind": "end", "name": "", "size": 0}).encode() + b"\n")
    out.flush()


def _is_full(errors: Path) -> bool:
    """Whether the disk has no room, not even for a trial's last words."""
    try:
        return shutil.disk_usage(errors.parent).free < ROOM and CAUSE.encode() not in errors.read_bytes()
    except OSError:
        return False


def _send(path: Path, kind: str, out: BinaryIO, more: bytes = b"") -> None:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1) + more
    except OSError:
        return
    if len(content) > LARGEST:
        print(f"{path} stays on this machine: it is larger than {LARGEST} bytes", file=sys.stderr)
        return
    out.write(json.dumps({"kind": kind, "name": path.name, "size": len(content)}).encode() + b"\n" + content)
    out.flush()


def main(words: list[str]) -> int:
    """Run one of the verbs."""
    verb, rest = words[0], words[1:]
    if verb == "facts":
        text = sys.stdin.read()
        print(json.dumps(facts("--gpus" in rest, json.loads(text) if text else ())))
    elif verb == "probe":
        print(json.dumps(probe(json.load(sys.stdin))))
    elif verb == "keep":
        print(json.dumps(keep(rest[0], rest[1], json.load(sys.stdin))))
    elif verb == "supervise":
        supervise(Path(rest[0]))
    elif verb == "pack":
        for line in sys.stdin:
            pack(rest[0], rest[1], line.strip(), sys.stdout.buffer)
    else:
        raise SystemExit(f"{verb} is unknown")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
