"""How the actions of `ednas data` name a data set: by its registered name, by a study, or by a manifest."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.errors import DataError, quoted

if TYPE_CHECKING:
    from ednas_nni.data import DataSource

STUDIES = (".yml", ".yaml")
MANIFESTS = (".csv", ".jsonl")


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what `source_of` understands."""
    named = "a data set by name (`ednas plugins datasets`), an experiment's YAML, or a manifest"
    parser.add_argument("data", metavar="DATA_OR_FILE", help=named)
    option = "an option of the data, for example size=[128,256] or folder=~/data/cityscapes; may be given many times"
    parser.add_argument("--set", metavar="KEY=VALUE", dest="changes", action="append", default=[], help=option)


def source_of(data: str, changes: list[str]) -> tuple[DataSource, dict[str, Any]]:
    """The data set that a user named, not read yet, and what a study would say: `{"name": ..., option: value}`."""
    from ednas_nni.data import DATASETS
    from ednas_nni.study import plain_data
    from ednas_nni.study.options import check_options

    entry = {**_named(data), **parsed(changes)}
    name = entry["name"]
    options = {key: value for key, value in entry.items() if key != "name"}
    factory = DATASETS.load(name)
    check_options(factory, options, f"data set {name}")
    for parameter in inspect.signature(factory).parameters.values():  # before Python says which option is missing
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if by_name and parameter.default is parameter.empty and parameter.name not in options:
            raise DataError(f"data set {name} needs the option {parameter.name!r}: add --set {parameter.name}=...")
    if "folder" in entry:  # a study may be run from elsewhere
        entry["folder"] = str(plain_data.resolved(entry["folder"], DataError, "--set folder"))
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


def parsed(changes: list[str], option: str = "--set") -> dict[str, Any]:
    """`KEY=VALUE` texts as options; values are YAML."""
    from ednas_nni.study import plain_data

    options: dict[str, Any] = {}
    for text in changes:
        key, equals, value = text.partition("=")
        try:
            options[key] = plain_data.yaml_value(value)
            fault = plain_data.fault(options[key])
        except ValueError as error:
            fault = str(error)
        if not equals or not key.isidentifier():
            raise DataError(f"{option} {quoted(text)}: write KEY=VALUE, for example size=[64,128].")
        if fault:
            raise DataError(f"{option} {quoted(text)}: {fault}.")
    return options


def snippet(entry: dict[str, Any]) -> str:
    """The line of a study that names the data."""
    import yaml

    written = {key: value for key, value in entry.items() if key != "size"}
    value = written["name"] if len(written) == 1 else written
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return "data: " + text.strip().removesuffix("\n...")
