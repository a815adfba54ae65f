"""Data sets by name: the one place where a study's words become a data source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ednas_nni.data.source import DATASETS, DataSource
from ednas_nni.errors import StudyError
from ednas_nni.study.options import check_options


def open_source(data: Mapping[str, Any], size: tuple[int, int]) -> DataSource:
    """Build a data set from `{"name": a registered data set, ...its options}`; nothing is read or rendered yet.

    `size` is the (height, width) in pixels that batches must have, passed on as the option `size`. PluginError: the
    name is unknown. StudyError: an option is unknown or contradicts `size`, or `folder` is a relative path.
    """
    name = data["name"]
    options = {key: value for key, value in data.items() if key != "name"}
    if "size" in options and tuple(options["size"]) != tuple(size):
        raise StudyError(f"data.size is {tuple(options['size'])}, but train_size is {tuple(size)}. Drop data.size.")
    folder = options.get("folder")
    if folder is not None and not str(folder).startswith("~") and not Path(str(folder)).is_absolute():
        here = Path(str(folder)).resolve()
        raise StudyError(
            f"data.folder is {str(folder)!r}; write an absolute path (or one that begins with ~), because searches, "
            f"trials and references are started in different folders. From here it would be {here}."
        )
    options["size"] = tuple(size)
    factory = DATASETS.load(name)
    check_options(factory, options, "data")
    source = factory(**options)
    if not isinstance(source, DataSource):
        raise StudyError(
            f"data: {name!r} makes a {type(source).__name__}, not a data source. See `ednas plugins datasets`."
        )
    if tuple(source.info.size) != tuple(size):
        raise StudyError(f"train_size is {tuple(size)}, but data set {name!r} has images of {tuple(source.info.size)}.")
    return source
