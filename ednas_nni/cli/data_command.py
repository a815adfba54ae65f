"""Look at data, check it, draft a manifest for your own, write it in other layouts.

`ednas data SUBCOMMAND --help` says more of each.
"""

from __future__ import annotations

import argparse
import inspect
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.cli.arguments import add_file_arguments, positive, with_changes
from ednas_nni.errors import DataError, did_you_mean, printable

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, DataSource
    from ednas_nni.data.drafting import Draft
    from ednas_nni.data.survey import Survey

STUDIES = (".yml", ".yaml")
MANIFESTS = (".csv", ".jsonl")
HELP = "look at data, check it, draft a manifest for your own"
_USES = "fitting weights", "scoring candidates", "choosing among finalists", "final numbers only"  # of the `SPLITS`


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands: each is a function whose docstring is what `--help` says of it."""
    commands = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)

    def add(name: str, work: Callable[[argparse.Namespace], int], text: str) -> Callable[..., Any]:
        raw = argparse.RawDescriptionHelpFormatter
        command = commands.add_parser(name, help=text, description=inspect.getdoc(work), formatter_class=raw)
        command.set_defaults(work=work)
        if work in (preview, check, write):
            named = "a data set by name (`ednas plugins datasets`), an experiment's YAML, or a manifest"
            command.add_argument("data", metavar="DATA_OR_FILE", help=named)
            option = "an option of the data, such as size=[128,256] or folder=~/data/drone; may be given many times"
            command.add_argument("--set", metavar="KEY=VALUE", dest="changes", action="append", default=[], help=option)
        elif work is measure_lambda:
            add_file_arguments(command)
        return command.add_argument

    argument = add("preview", preview, "draw images with their labels")
    argument("--out", metavar="SHEET.png", type=Path, help="the picture; DATA-SPLIT.png by default")
    argument("--split", default="train", help="train (default), search, select or test")
    argument("-n", metavar="N", type=positive, default=8, help="number of images (default 8)")

    argument = add("init", init, "say which data set a folder is, or draft a manifest for it")
    argument("folder", metavar="FOLDER", type=Path, help="a folder with images and labels")
    argument("--manifest", action="store_true", help="draft a manifest even if the layout is known")
    argument("--force", action="store_true", help="replace manifest.csv and classes.txt, with what you wrote into them")
    argument("--out", metavar="FOLDER", type=Path, help="write there, where the folder itself is read-only")
    fill = "fill the cells `?` of a column, for example depth_scale=0.001, also of a manifest that is there"
    argument("--fill", metavar="COLUMN=CELL", action="append", default=[], help=fill)

    argument = add("check", check, "read all of a data set and say what is wrong with it")
    argument("--out", metavar="SHEET.png", type=Path, help="the picture; DATA-check.png by default")

    argument = add("write", write, "write a data set in another layout")
    argument("layout", metavar="LAYOUT", help="manifest, mtan, adashare, nyud_mt, cityscapes, nyuv2, or a plugin's")
    argument("folder", metavar="FOLDER", help="a new or empty folder")
    details = "an option of the layout, for example labels=labelTrainIds; may be given many times"
    argument("--with", metavar="KEY=VALUE", dest="details", action="append", default=[], help=details)

    argument = add("lambda", measure_lambda, "measure the weight of the relative error in the depth loss")
    argument("--seeds", metavar="N", type=positive, default=2, help="trainings (default 2)")
    argument("--workers", metavar="N", type=positive, help="trainings side by side (default: one per core)")
    option = "the same as --set data.KEY=VALUE"
    argument("--option", metavar="KEY=VALUE", dest="changes", action="append", type="data.{}".format, help=option)
    argument("--out", metavar="FILE.json", type=Path, help="add it to a table instead of the user's folder")


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    return options.work(options)


def preview(options: argparse.Namespace) -> int:
    """Draw the first images of a data set with all their labels, to see what a network would see."""
    _draw(source_of(options.data, options.changes)[0], options.split, options.n, options.out, "ednas data preview")
    return 0


def check(options: argparse.Namespace) -> int:
    """Read all of a data set, say what is in it, and point at what is wrong or probably not meant.

    Every file is decoded. The splits and each label (classes, depths, normals) are summed up in tables, and the first
    training images are drawn. The exit code is 1 when something must be repaired, and 0 when there are only warnings.
    """
    from tqdm import tqdm

    from ednas_nni.cli import terminal
    from ednas_nni.data import SPLITS
    from ednas_nni.data.layouts.base import FolderSource
    from ednas_nni.data.survey import faults, one_place, survey, suspicions, two_types

    source, entry = source_of(options.data, options.changes)
    source.prepare()
    info, files = source.info, source if isinstance(source, FolderSource) else None
    with tqdm(total=sum(info.counts.values()), desc="checking", unit="image", delay=1.0, file=sys.stderr) as bar:
        surveys = [survey(source.split(name, "ednas data check"), bar.update) for name in SPLITS]
    groups = {split: len({one.group for one in records}) for split, records in files.records.items()} if files else {}
    _show(info, surveys, groups)
    _draw(source, "train", 8, options.out or Path(f"{info.name}-check.png"), "ednas data check")
    for line in files.remarks() if files else ():
        terminal.note(line)
    doubts = [*suspicions(info, surveys), *one_place(source), *two_types(source)]
    for line in doubts:
        terminal.warn(line)
    wrong = faults(info, surveys, _needed(options.data), source)
    for line in wrong:
        terminal.fail(line)
    if wrong:
        return 1
    verdict = "It can be used, but look at the warnings first." if doubts else "Good to use."
    print(f"\n{verdict} In a study:\n  {snippet(entry)}\n  tasks: [{', '.join(info.targets)}]")
    print(f"  train_size: {list(info.size)}")
    return 0


def _draw(source: DataSource, split: str, n: int, out: Path | None, opened_by: str) -> None:
    """Write a contact sheet and say where it is."""
    from ednas_nni.data.contact_sheet import contact_sheet

    path, sheet = out or Path(f"{source.info.name}-{split}.png"), contact_sheet(source, split, n, opened_by)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be written ({error}). Name a picture ending in .png with --out.") from None
    print(f"wrote {path}")


def _needed(data: str) -> list[str] | None:
    """Labels that the tasks of a study need; None where the data is not named by a study."""
    if Path(data).suffix not in STUDIES:
        return None
    from ednas_nni import plugins
    from ednas_nni.bridge.manager.experiment_file import read

    tasks = [plugins.load("tasks", name) for name in read(data).study.tasks]
    return list(dict.fromkeys(label for task in tasks for label in task.requires))


def _show(info: DataInfo, surveys: Sequence[Survey], groups: Mapping[str, int]) -> None:
    """Print a table of the splits, with the number of groups where there are some, and one of each label."""
    from ednas_nni.cli import terminal
    from ednas_nni.data.kinds import label_kind

    print(f"{info.name}: images of {info.size[0]} x {info.size[1]} px, read as a network would see them\n")
    counted = ["images", *(["groups"] if groups else []), *(f"without {target}" for target in info.targets)]
    splits = terminal.table(["split", "used for", *(f">{name}" for name in counted)], title="Splits")
    for one, use in zip(surveys, _USES, strict=True):
        numbers = [one.images, *([groups[one.split]] if groups else []), *map(one.missing, info.targets)]
        splits.add_row(one.split, use, *map(str, numbers))
    console = terminal.console()
    console.print(splits)
    for name in info.targets:
        content = label_kind(name).table({one.split: one.labels[name] for one in surveys}, info)
        headings = [f">{heading}" if side == "right" else heading for heading, side in content.columns]
        rows = [[cell if isinstance(cell, str) else terminal.amount(cell) for cell in row] for row in content.rows]
        console.print(terminal.table(headings, content.title, rows))


def init(options: argparse.Namespace) -> int:
    """Say which data set a folder is, or draft a manifest for it: one line per image with its labels.

    Images and labels are matched by name, apart from words such as rgb, seg, depth or normals. What had to be guessed
    is said; what nothing tells, such as the unit of depth in whole numbers, stays open as `?` until you fill it.
    Correct manifest.csv and classes.txt, then run `ednas data check`.
    """
    from ednas_nni.data import DATASETS, drafting
    from ednas_nni.data.layouts.base import FolderSource

    folder = options.folder.expanduser().resolve()
    if not folder.is_dir():
        raise DataError(f"{options.folder}: there is no such folder")
    layout = drafting.recognise(folder)
    wanted = options.manifest or options.fill or (options.force and layout is not None and layout["name"] == "manifest")
    if layout is not None and not wanted:
        print(f"{printable(str(folder))} has the layout {layout['name']!r}, which has a reader of its own. In a study:")
        print(f"  {snippet(layout)}")
        print("`ednas data check FILE.yml` then reads all of it and says what is wrong.")
        return 0
    out = options.out.expanduser().resolve() if options.out else folder
    if (out / drafting.FILES[0]).is_file() and options.fill and not options.force:
        written = drafting.fill_in(out, options.fill)
        print(f"filled {printable(str(written[0]))}; the rest of it is as it was")
    else:
        _, written = draft_into(folder, out, options.fill, options.force)
    manifest = DATASETS.classes(FolderSource)["manifest"]  # type: ignore[type-abstract]  # none is made
    outside = " --set allow_outside=true" if manifest.needs(out) else ""
    print(f"Correct them, then: ednas data check {shlex.quote(printable(str(written[0])))}{outside}")
    return 0


def draft_into(folder: Path, out: Path, fill: Sequence[str], force: bool) -> tuple[Draft, list[Path]]:
    """Draft a manifest of a folder and write it; what was guessed, and what is open, is said."""
    from tqdm import tqdm

    from ednas_nni.cli import terminal
    from ednas_nni.data import drafting
    from ednas_nni.data.kinds import all_kinds

    with tqdm(desc="reading class maps", unit="file", delay=1.0, file=sys.stderr) as bar:
        drafted = drafting.draft(folder, bar.update)
    answered = drafting.fill(drafted, fill)
    written = drafting.write(drafted, out, force)
    counts = {kind.column: sum(kind.column in row for row in drafted.rows) for kind in all_kinds()}
    labels = ", ".join(f"{number} with {name}" for name, number in counts.items() if number)
    print(f"{len(drafted.rows)} images: {labels}")
    for guess in drafted.guesses:
        print(f"  guessed: {printable(guess)}")
    for note in drafted.notes:
        print(f"  {note}")
    for what, number in drafted.left_out.items():
        terminal.warn(f"left out: {number} {what}")
    if drafted.asks and not answered:
        for ask in drafted.asks:
            print(f"  open: {printable(ask)}")
        again = f"ednas data init {shlex.quote(str(out))} --fill COLUMN=CELL"
        terminal.warn(f"cells that are `?` must be filled: by hand, or all of a column by {again}")
    print("wrote " + " and ".join(printable(str(path)) for path in written))
    return drafted, written


def write(options: argparse.Namespace) -> int:
    """Write a data set, such as rendered rooms, in the files of another layout, to try your own pipeline with it."""
    from ednas_nni.data import DATASETS
    from ednas_nni.data.layouts.base import FolderSource
    from ednas_nni.study.changes import changed
    from ednas_nni.study.options import check_options

    readable = DATASETS.classes(FolderSource)  # type: ignore[type-abstract]  # none is made
    layouts = {name: layout for name, layout in readable.items() if layout.write is not FolderSource.write}
    if options.layout not in layouts:
        raise DataError(f"layout {options.layout!r} is unknown.{did_you_mean(options.layout, layouts)}")
    layout = layouts[options.layout]
    details = changed({}, options.details, option="--with")
    check_options(layout.write, details, f"layout {options.layout}", ("source", "folder"))
    source, _ = source_of(options.data, options.changes)
    source.prepare()
    reading = layout.write(source, options.folder, **details)
    folder = Path(options.folder).expanduser().resolve()
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    print(f"wrote {sum(source.info.counts.values())} images, {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB to {folder}")
    print(f"In a study:\n  {snippet({'name': options.layout, 'folder': str(folder), **reading})}")
    print(f"  train_size: {list(source.info.size)}")
    return 0


def measure_lambda(options: argparse.Namespace) -> int:
    """Measure lambda, the weight of the relative error in JAReD depth losses, for the data of a study.

    The study's reference architecture is trained on depth alone with the loss `l1`; lambda is its absolute error
    divided by its relative error. Every study on the same data uses the recorded value from then on.
    """
    from ednas_nni.bridge.manager.experiment_file import read
    from ednas_nni.search.assembled import Assembled

    study = read(options.file, options.changes).study  # before torch is imported: a mistake is told at once
    from ednas_nni.baselines import lambdas
    from ednas_nni.baselines.relative_scale import measure

    # What to type for the same measurement, without folders of this machine.
    file = Path(options.file)
    words = with_changes(file.name if file.is_absolute() else str(file), options.changes)
    assembled = Assembled(study)
    command = f"ednas data lambda {words} --seeds {options.seeds}"
    measured = measure(assembled, options.seeds, options.workers, command=command)
    path = options.out or lambdas.path_for(assembled.source.info)
    lambdas.write(path, measured)
    spread = f" ± {measured.deviation:.2g}" if measured.deviation is not None else ""
    print(
        f"lambda of {measured.data} ({measured.depth_kind} depth): {measured.mean:.4g}{spread} {measured.unit}, mean"
        f"{' ± standard deviation' if spread else ''} of AbsE / RelE on search over n = {len(measured.seeds)} "
        f"trainings of {study.reference} with l1, protocol standard"
    )
    print(
        "used by the losses jared = (|p - g| + lambda |p - g| / g) / 2 and jared_half as lambda = "
        f"{measured.value:g} {measured.unit}: on average both terms weigh the same\nwrote {path}"
    )
    if options.out is None:
        print(
            "Studies on this data take it from there; `evaluator: {name: jared, depth_relative_scale: ...}` in a study "
            "goes before it. Single-task baselines made with another lambda do not fit any more."
        )
    return 0


def source_of(data: str, changes: list[str]) -> tuple[DataSource, dict[str, Any]]:
    """The data set that a user named, not read yet, and what a study would say: `{"name": ..., option: value}`."""
    from ednas_nni.data import DATASETS
    from ednas_nni.study import plain_data
    from ednas_nni.study.changes import changed
    from ednas_nni.study.options import check_complete, check_options

    entry = {**_named(data), **changed({}, [text.removeprefix("data.") for text in changes])}
    name = entry["name"]
    options = {key: value for key, value in entry.items() if key != "name"}
    factory = DATASETS.load(name)
    check_options(factory, options, f"data set {name}")
    check_complete(factory, options, f"data set {name} (--set OPTION=VALUE)")
    if "folder" in entry:  # a study may be run from elsewhere
        entry["folder"] = str(plain_data.resolved(entry["folder"], DataError, "--set folder"))
    if Path(data).suffix in MANIFESTS and not {"size", "fit"} & entry.keys():
        from ednas_nni.data.shapes import HEADERS, shapes, sizes

        records = factory(**options).records["train"][:HEADERS]  # type: ignore[attr-defined]  # of a manifest
        size, _, fit = sizes(shapes(record.files["image"] for record in records))  # as `ednas init` writes them
        chosen = {"size": list(size), **({"fit": fit} if fit else {})}
        entry, options = entry | chosen, options | chosen
    return factory(**options), entry


def _named(data: str) -> dict[str, Any]:
    from ednas_nni.data import DATASETS

    path = Path(data)
    if path.suffix in STUDIES:
        from ednas_nni.bridge.manager.experiment_file import read

        study = read(path).study
        return {"name": study.data.name, "size": list(study.train_size), **study.data.options}
    if path.suffix in MANIFESTS:
        return {"name": "manifest", "folder": str(path.absolute().parent), "file": path.name}
    if path.is_dir() and data not in DATASETS:
        raise DataError(
            f"{data}: is a folder. `ednas data init {data}` says which data set it is, or drafts a manifest."
        )
    return {"name": data}


def snippet(entry: dict[str, Any]) -> str:
    """The line of a study that names the data."""
    import yaml

    written = {key: value for key, value in entry.items() if key != "size"}
    value = written["name"] if len(written) == 1 else written
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return "data: " + text.strip().removesuffix("\n...")
