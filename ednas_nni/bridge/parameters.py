"""What NNI booked on a job: the sample itself under nnictl, a serialised model around it in a `NasExperiment`."""

from __future__ import annotations

from typing import Any

MODEL = "__instance_type__"
"""Key of a serialised object of NNI; no label of a search space looks like it."""


def sample_of(parameters: Any) -> Any:
    """The sample in the parameters of a job, as plain data; nothing is decoded into objects.

    Args:
        parameters: `parameters` of NNI's record, from JSON.

    Returns:
        The sample; `parameters` itself where it is no serialised model.
    """
    if isinstance(parameters, dict) and MODEL in parameters and isinstance(parameters.get("sample"), dict):
        return parameters["sample"]
    return parameters
