"""The plug-in for NNI's service `remote`: see `ednas_nni.bridge.manager.services`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.bridge.manager.exposure import PRELOADS, SWITCH
from ednas_nni.errors import EdnasError, ExperimentError
from ednas_nni.version import __version__
from machines.facts import Facts
from machines.ssh import HostError, RemoteMachine

if TYPE_CHECKING:
    from ednas_nni.bridge.manager.experiment_file import ExperimentFile
    from ednas_nni.search.assembled import Assembled

SCRIPT = Path(__file__).resolve().with_name("manager.js")
TUNNEL = ("-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:9")
"""A reverse tunnel such as a search needs, to a port where nothing listens."""
REFUSED = ("remote port forwarding failed", "administratively prohibited")
AT_A_TIME = 16


class Remote:
    """Machines that are reached by SSH."""

    def environment(self) -> Mapping[str, str]:
        """See `Service`."""
        return {PRELOADS: str(SCRIPT), "EDNAS_VERSION": __version__}

    def faults(self, file: ExperimentFile, assembled: Assembled) -> list[str]:
        """See `Service`."""
        gpus = wanted_gpus(file)
        try:
            machines = machines_of(file)
        except EdnasError as error:
            return [str(error)]
        code = file.resolve(str(file.config.get("trialCodeDirectory") or "."))
        if not any(code.iterdir()):
            return [f"trialCodeDirectory: {code} is empty, which NNI cannot copy. Put a file there."]
        paths = [str(path) for path in needed(assembled)]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            looked = list(pool.map(lambda machine: _looked(machine, bool(gpus), paths), machines))
        texts = [one for one in looked if isinstance(one, str)]
        for machine, seen in zip(machines, looked, strict=True):
            if isinstance(seen, Facts):
                texts += [f"{machine.host}: {text}" for text in differences(seen, machine, gpus)]
        room = sum(
            seen.room(machine, gpus) for machine, seen in zip(machines, looked, strict=True) if isinstance(seen, Facts)
        )
        if not texts and file.concurrency > room:
            texts.append(
                f"trialConcurrency = {file.concurrency}: the machines have room for {room} trials at a time. Write at "
                f"most {room}."
            )
        return texts

    def prepare(self, file: ExperimentFile, assembled: Assembled) -> None:
        """See `Service`: data, and where the evaluator makes one, the supernet, once for each machine."""
        if assembled.needs_network and assembled.preparation is not None:
            assembled.preparation.make(True)
        for machine in machines_of(file):
            bring(machine, assembled)


def machines_of(file: ExperimentFile) -> list[RemoteMachine]:
    """The machines of an experiment; ExperimentError: an entry cannot be used."""
    service = file.config.get("trainingService")
    entries = service.get("machineList") if isinstance(service, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ExperimentError("trainingService.machineList: is empty. `ednas remote FILE.yml USER@HOST ...` writes it.")
    return [RemoteMachine.of(entry if isinstance(entry, dict) else {}) for entry in entries]


def wanted_gpus(file: ExperimentFile) -> int:
    """GPUs of each trial; 0: it needs none."""
    service = file.config.get("trainingService")
    given = file.config.get("trialGpuNumber") or (service.get("trialGpuNumber") if isinstance(service, dict) else None)
    return given if isinstance(given, int) else 0


def look(machine: RemoteMachine, gpus: bool = False, paths: list[str] | None = None) -> Facts:
    """What a machine has, asked through a tunnel such as a search needs.

    Raises:
        HostError: It cannot be reached, refuses the tunnel, or has no EDNAS.
    """
    try:
        text = machine.verb(f"facts {'--gpus' if gpus else ''}", paths or [], () if machine.here else TUNNEL)
        return Facts.of(json.loads(text.splitlines()[-1]))
    except HostError as error:
        if any(words in str(error) for words in REFUSED):
            raise HostError(
                machine,
                "its sshd refuses a reverse tunnel. Have `AllowTcpForwarding remote` or `yes` written into its "
                f"sshd_config; or open NNI's port to it: {SWITCH}, see docs/security.md",
            ) from None
        raise


def _looked(machine: RemoteMachine, gpus: bool, paths: list[str]) -> Facts | str:
    try:
        return look(machine, gpus, paths)
    except EdnasError as error:
        hint = ""
        if "No module named" in str(error):
            hint = (
                f": no EDNAS there ({machine.python}). `ednas remote FILE.yml {machine.user}@{machine.host}` brings it"
            )
            return f"{machine.host}{hint}"
        return str(error)
    except ValueError:
        return f"{machine.host}: its login prints something else than was asked for: make its shell's rc files silent"


def differences(seen: Facts, machine: RemoteMachine, gpus: int) -> Iterator[str]:
    """What a machine lacks of what this one has, or of what trials need."""
    from machines.host import versions

    for name, version in versions().items():
        there = seen.versions.get(name, "missing")
        if plain(there) != plain(version):
            remedy = (
                "`ednas remote` brings it" if name == "ednas" else f"Install it there: {machine.python} -m pip install"
            )
            yield f"{name} is {there} there and {version} here. {remedy}" + (
                "" if name in ("ednas", "python") else f" {name}=={plain(version)}"
            )
    if gpus and len(seen.gpus) < gpus:
        yield f"trialGpuNumber = {gpus}, but NNI sees {len(seen.gpus)} GPUs there (it asks NVML for them)"
    if beyond := [index for index in machine.gpus or () if gpus and index >= len(seen.gpus)]:
        yield f"gpuIndices names {beyond}, but NNI sees {len(seen.gpus)} GPUs there"
    if seen.missing:
        others = f", and {len(seen.missing) - 1} more" if len(seen.missing) > 1 else ""
        yield (
            f"{seen.missing[0]} is not there{others}. `ednas remote` and `ednas search` copy what is missing; or mount "
            "it under the same path"
        )


def plain(version: str) -> str:
    """Without the words for how it was built, as in 2.13.0+cpu."""
    return version.partition("+")[0]


def needed(assembled: Assembled) -> list[Path]:
    """What trials read and do not make themselves: folders and files that the study names, and those a manifest does.

    Example: of `data: {name: manifest, folder: /me/data, allow_outside: true}` /me/data, and each image elsewhere.
    """
    from ednas_nni.data.layouts.base import FolderSource

    if not assembled.needs_network:
        return []
    study, source = assembled.study, assembled.source
    named = [study.init_from, *study.space.options.values(), *study.evaluator.options.values()]
    named += [value for name, value in study.data.options.items() if name != "cache"]
    paths = [Path(value).expanduser() for value in named if isinstance(value, str) and value]
    paths = [path for path in paths if path.is_absolute() and path.exists()]
    if isinstance(source, FolderSource):
        records = [record for split in source.records.values() for record in split]
        files = {file.absolute() for record in records for file in record.files.values()}
        paths += sorted(file for file in files if not file.is_relative_to(source.root))
    return list(dict.fromkeys(paths))


def bring(machine: RemoteMachine, assembled: Assembled) -> None:
    """Copy what is missing on a machine: files that trials read, the data's arrays, a supernet.

    Arrays and supernets lie under names that are digests of all that determines them, so one that is there is right.
    """
    from ednas_nni.data.cache import cache_root
    from ednas_nni.data.source import CachedSource

    if not assembled.needs_network:
        return
    paths = needed(assembled)
    pairs = [(path, str(path)) for path in paths if path.is_dir()]
    files = {str(path): path for path in paths if path.is_file()}
    root = cache_root(None)
    made = [assembled.source.cache_folder] if isinstance(assembled.source, CachedSource) else []
    made += [] if assembled.preparation is None else [assembled.preparation.folder]
    seen = look(machine)
    for folder in made:
        there = f"{seen.cache}/{folder.relative_to(root)}" if folder.is_relative_to(root) else str(folder)
        pairs.append((folder, there))
    absent = set(look(machine, paths=[*files, *(there for _, there in pairs)]).missing)
    if lacking := [path for there, path in files.items() if there in absent]:
        machine.copy_files(lacking, f"copying {len(lacking)} files ({sum(map(_size, lacking)) / 1e6:.0f} MB)")
    for source, there in pairs:
        if there in absent and source.exists():
            machine.copy(source, there, f"copying {source.name} ({_size(source) / 1e6:.0f} MB) to {there}")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
