"""Repeat: one study searched with several seeds, and with several strategies or values of a field, through NNI.

Searches run one after the other, all arms of a seed before the next seed. What is finished is not run again, so the
same command goes on after a stop or a crash, and more seeds add searches. At the end the arms are compared, as by
`ednas compare`.

  ednas repeat FILE.yml --strategies ednas,random --seeds 3 --trials 24
  ednas repeat FILE.yml --set evaluator.depth_loss=l1,jared --seeds 5
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.cli.arguments import positive, whole
from ednas_nni.errors import EdnasError

if TYPE_CHECKING:
    from ednas_nni.bridge.manager.launch import Running
    from ednas_nni.search.assembled import Assembled

HELP = "one study with several seeds, strategies or values, compared"
GROUP = "start"
RECORD = "repeat.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE.yml", help="the experiment")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="searches an arm (3)")
    parser.add_argument("--first-seed", type=whole(0), default=0, metavar="N", help="the others follow it (0)")
    parser.add_argument("--strategies", metavar="A,B", help="an arm each; the file's by default")
    said = "an arm for each value of a field of the study; may be repeated, then every combination is an arm"
    parser.add_argument("--set", metavar="FIELD=A,B", dest="changes", action="append", default=[], help=said)
    parser.add_argument("--trials", type=positive, metavar="N", help="instead of the file's maxTrialNumber")
    parser.add_argument("--concurrency", type=positive, metavar="N", help="instead of the file's trialConcurrency")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of the comparison; repeats/FILE by default")


def run(options: argparse.Namespace) -> int:
    """Search, then compare. Exit code 0 done, 1 an error, 130 interrupted."""
    from ednas_nni.bridge.findings import examine
    from ednas_nni.bridge.manager.experiment_file import read
    from ednas_nni.cli import terminal
    from evidence.searches.compare_command import arms_of, compare

    arms = arms_of(options.strategies, options.changes)
    given = {"maxTrialNumber": options.trials, "trialConcurrency": options.concurrency}
    changes = {name: value for name, value in given.items() if value is not None}
    print(f"Checking {options.file}: {len(arms)} arm{'' if len(arms) == 1 else 's'} ...", flush=True)
    examined = {}
    for arm in arms:
        examined[_named(arm)] = examine(options.file, changes, arm)
        if errors := examined[_named(arm)].errors:
            terminal.fail("\n".join(f"{options.file} {_named(arm)}: {line}" for line in errors))
            return 1
    check_arms({name: of.assembled for name, of in examined.items() if of.assembled is not None})
    out = options.out or Path("repeats") / Path(options.file).stem
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    wanted = [(*arm, f"seed={seed}") for seed in seeds for arm in arms]
    of = {"file": str(Path(options.file).resolve()), "changes": changes, "experiment": read(options.file).config}
    searches = Searches(out / RECORD, of)
    for number, fields in enumerate(wanted, 1):
        if searches.finished(fields):
            continue
        print(f"\n[{number} of {len(wanted)}] {_named(fields)}", flush=True)
        if code := searches.run(options.file, fields):
            print(f"After {number - 1} of {len(wanted)} searches. The same command goes on.")
            return code
    return compare([searches.folders[_named(fields)] for fields in wanted], (), out)


def check_arms(arms: Mapping[str, Assembled]) -> None:
    """Reject, before anything is searched, arms that could not be compared at the end; data are read for it."""
    from ednas_nni.record.head import CostRecord, JournalHead, TaskRecord
    from evidence.searches.comparing import check_comparable, measures

    confirmed = all(arm.study.finish is not None for arm in arms.values())
    heads = {
        name: JournalHead(
            study=arm.study.dump(),
            data=arm.source.info.identity if arm.needs_network else arm.source.info.fingerprint,
            tasks=tuple(map(TaskRecord.model_validate, arm.tasks.values())),
            inherits=arm.evaluator.inherits,
            columns=tuple(map(CostRecord.model_validate, arm.table.columns)),
        )
        for name, arm in arms.items()
        if len(arms) > 1
    }
    check_comparable([(name, measures(head, confirmed)) for name, head in heads.items()])


def _named(fields: tuple[str, ...]) -> str:
    return ", ".join(fields).replace('"', "") or "as it is"


def _edited(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Fields of an experiment, and of its study, that differ."""
    one, other = ({**config, **config["tuner"]["classArgs"], "tuner": ""} for config in (before, now))
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


class Searches:
    """Which search belongs to which fields, kept in a file from the moment that NNI has started it.

    Args:
        path: The file; it is made with the first search.
        of: The experiment's file, its content and changes: searches of others are not mixed in.

    Raises:
        EdnasError: The file holds searches of another experiment, or of this one before it was edited.
    """

    def __init__(self, path: Path, of: Mapping[str, Any]) -> None:
        self._path, self._of = path, json.loads(json.dumps(of, default=str))
        self.folders: dict[str, str] = {}
        if path.exists():
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                other, self.folders = {**record["of"]}, record["searches"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise EdnasError(f"{path}: cannot be read ({error}). Name another folder with --out.") from None
            before, now = other.pop("experiment", None), {**self._of}
            content = now.pop("experiment")
            if other != now:
                raise EdnasError(f"{path}: holds searches of {other}, not of {now}. Name another folder: --out.")
            if edited := _edited(before or content, content):
                raise EdnasError(
                    f"{now['file']} was edited after the first of the searches in {path} ({', '.join(edited)}). "
                    "Undo that, or name another folder: --out."
                )

    def finished(self, fields: tuple[str, ...]) -> bool:
        """Whether the search of these fields has come to its end; one without a result is begun anew."""
        from ednas_nni.record.journal import FILE, FOLDER, load

        journal = Path(self.folders.get(_named(fields), ""), FOLDER, FILE)
        if not journal.is_file() or (history := load(journal)).finished is None:
            return False
        if not history.results:
            del self.folders[_named(fields)]
        return bool(history.results)

    def run(self, file: str, fields: tuple[str, ...]) -> int:
        """Start or resume it, and follow it to its end; exit code as of `ednas search`."""
        from ednas_nni.bridge.manager import launch
        from ednas_nni.bridge.manager.experiment_file import read
        from ednas_nni.cli.search_command import search
        from ednas_nni.record.whole_file import write_whole
        from ednas_nni.search.assembled import Assembled

        experiment = read(file, fields)
        experiment.config.update(self._of["changes"])

        def start() -> Running:
            folder = self.folders.get(_named(fields))
            if folder is not None and Path(folder).is_dir():
                return launch.resume(Path(folder), None)
            running = launch.create(experiment.resolved(), None)
            self.folders[_named(fields)] = str(running.folder)
            write_whole(self._path, json.dumps({"of": self._of, "searches": self.folders}, indent=1))
            return running

        plain = argparse.Namespace(port=None, no_report=True, out=None, keep_running=False)
        return search(experiment, Assembled(experiment.study, file), plain, start)
