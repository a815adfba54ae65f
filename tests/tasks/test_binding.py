"""Tasks by name, bound to a data set."""

from __future__ import annotations

import pytest

from ednas_nni.errors import PluginError, StudyError
from ednas_nni.tasks.binding import bind_task


def test_bound_with_protocol_and_options(scenes):
    task = bind_task("normals", scenes(), "adashare", {"loss": "angular"})
    assert (task.protocol, task.settings()["loss_name"], task.primary) == ("adashare", "angular", "adashare_mean_deg")


@pytest.mark.parametrize(
    ("name", "protocol", "options", "error", "words"),
    [
        ("dept", "standard", {}, PluginError, "Did you mean 'depth'"),
        ("depth", "standard", {"los": "l1"}, StudyError, "evaluator.task_options.depth: unknown option 'los'"),
        ("depth", "standard", {"info": 1}, StudyError, "is set by the study itself"),
        (
            "edges",
            "adashare",
            {},
            StudyError,
            "in which the task 'edges' is not measured; it has 'standard'",
        ),
        ("depth", "standard", {}, StudyError, "'depth' needs the labels depth, but data set 'scenes' has only segm"),
    ],
)
def test_messages(name, protocol, options, error, words, scenes):
    source = scenes()
    if "only" in words:
        object.__setattr__(source.info, "targets", ("segmentation",))
    with pytest.raises(error, match=words):
        bind_task(name, source, protocol, options)
