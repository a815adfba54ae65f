"""Take a study to other machines, reached by SSH: check them, bring EDNAS and the data, write the study's twin.

  ednas remote experiments/ednas.yml me@fast me@slow:2222        two machines
  ednas remote experiments/ednas.yml me@fast --with-this-one     this machine takes part, too
  ednas remote experiments/ednas.yml me@box --gpus 1             trials with a GPU each
  ednas search experiments/ednas_remote.yml                      then search as ever

Each machine needs an SSH server, a key of yours (no password), and a Python with NNI and torch; see docs/machines.md.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import shlex
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ednas_nni.cli.arguments import positive
from ednas_nni.errors import EdnasError, ExperimentError
from machines.ssh import HostError, RemoteMachine

HELP = "take a study to other machines over SSH"
GROUP = "start"
OWN = "~/.ednas/bin"
"""Where a user may have made an environment for EDNAS, as docs/machines.md says."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE.yml", help="the experiment")
    parser.add_argument("machines", metavar="USER@HOST[:PORT]", nargs="*", help="machines; names of ~/.ssh/config too")
    parser.add_argument("--with-this-one", action="store_true", help="run trials on this machine, too")
    parser.add_argument("--python", metavar="DIR", help="folder with `python3` there; found by default")
    parser.add_argument("--key", metavar="FILE", help="private key; OpenSSH's choice by default")
    parser.add_argument("--gpus", metavar="N", type=positive, default=0, help="GPUs of each trial; none by default")
    parser.add_argument("--trials-per-gpu", metavar="N", type=positive, default=1, help="trials that share a GPU")
    parser.add_argument(
        "--concurrency", metavar="N", type=positive, help="trials at a time; by cores or GPUs by default"
    )
    parser.add_argument("--out", metavar="FILE", help="the twin; FILE_remote.yml by default")
    parser.add_argument("--no-probe", action="store_true", help="do not try a training on each machine")


def run(options: argparse.Namespace) -> int:
    """Write the twin. Exit code 0 done, 1 an error."""
    from ednas_nni.bridge.manager import experiment_file
    from ednas_nni.bridge.manager.launch import command
    from ednas_nni.record.whole_file import write_whole
    from ednas_nni.search.assembled import Assembled
    from machines.service import AT_A_TIME, bring, differences, look
    from machines.twin import twin

    path = Path(options.file)
    file = experiment_file.read(path)
    assembled = Assembled(file.study, str(path))
    machines = [parsed(text, options) for text in options.machines]
    if options.with_this_one:
        from ednas_nni.bridge.manager.processes import BIN

        machines.append(RemoteMachine("localhost", getpass.getuser(), folder=str(BIN), key=str(path.resolve())))
    if not machines:
        raise ExperimentError("no machine is named. Write USER@HOST, or --with-this-one.")
    if assembled.needs_network:
        print("data, and what else all trials stand on ...", flush=True)
        assembled.prepare(True)
    with tempfile.TemporaryDirectory() as folder:
        machines = [equipped(machine, Path(folder)) for machine in machines]

    def prepared(machine: RemoteMachine) -> int:
        seen = look(machine, bool(options.gpus))
        if texts := list(differences(seen, machine, options.gpus)):
            raise ExperimentError("\n".join(f"{machine.host}: {text}" for text in texts))
        bring(machine, assembled)
        if not options.no_probe:
            seconds = json.loads(machine.verb("probe", file.study.dump(), seconds=600).splitlines()[-1])
            print(f"{machine.host}: tried: {', '.join(f'{name} {value:.1f} s' for name, value in seconds.items())}")
        trials = seen.suggested(machine, options.gpus)
        print(f"{machine.host}: {seen.cores} cores, {len(seen.gpus)} GPUs: {trials} trial(s) at a time", flush=True)
        return trials

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        concurrency = sum(pool.map(prepared, machines))
    out = Path(options.out) if options.out else path.with_name(f"{path.stem}_remote.yml")
    write_whole(out, twin(path.read_text(encoding="utf-8"), machines, options.concurrency or concurrency, options.gpus))
    experiment_file.read(out)
    print(f"Written: {out}\nTo search: {command('ednas')} search {shlex.quote(str(out))}")
    return 0


def parsed(text: str, options: argparse.Namespace) -> RemoteMachine:
    """A machine as it is named on the command line."""
    match = re.fullmatch(r"(?:([\w.-]+)@)?([\w.-]+)(?::(\d{1,5}))?", text)
    if match is None or match[2].startswith("-"):
        raise ExperimentError(f"{text}: is not of the form USER@HOST or USER@HOST:PORT.")
    key = str(Path(options.key).expanduser().resolve()) if options.key else None
    machine = RemoteMachine(match[2], match[1] or getpass.getuser(), int(match[3] or 22), key, options.python)
    return replace(machine, per_gpu=options.trials_per_gpu)


def equipped(machine: RemoteMachine, wheels: Path) -> RemoteMachine:
    """The machine with the place of a Python that has this EDNAS, which is installed there where its needs are met.

    The wheel is made in the folder `wheels`, once for all machines.

    Raises:
        HostError: There is no Python with NNI and torch.
    """
    from ednas_nni.bridge.manager.processes import BIN
    from machines.host import versions
    from machines.install import wheel

    home = machine.run("echo ~").strip()
    folders = [machine.folder] if machine.folder else [str(BIN), OWN.replace("~", home), None]
    has_needs, lacks = [], []
    for folder in folders:
        one = replace(machine, folder=folder)
        try:
            if json.loads(one.verb("facts", []).splitlines()[-1])["versions"].get("ednas") == versions()["ednas"]:
                return one
        except (EdnasError, ValueError, KeyError):
            pass
        try:
            one.run(f'{one.python} -c \'from importlib.metadata import version; version("nni"), version("torch")\'')
            has_needs.append(one)
        except HostError as error:
            if "must work without a question" in str(error):
                raise
            lacks.append(f"{one.python}: {str(error).removeprefix(f'{machine.host}: ')}")
    if not has_needs:
        own = OWN.removesuffix("/bin")
        raise HostError(
            machine,
            f"no Python there has NNI and torch ({'; '.join(lacks)}). Make one: python3 -m venv {own}; {OWN}/pip "
            "install 'nni==3.0' ..., see docs/machines.md",
        )
    chosen = has_needs[0]
    made = next(wheels.glob("*.whl"), None) or wheel(wheels)
    there = f"{home}/.cache/ednas/{made.name}"
    chosen.copy(made, there, f"installing EDNAS {versions()['ednas']} for {chosen.python}")
    pip = "-m pip install --quiet --no-deps --no-index --force-reinstall"
    chosen.run(f"{chosen.python} {pip} {shlex.quote(there)} && rm {shlex.quote(there)}")
    return chosen
