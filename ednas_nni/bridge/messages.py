"""What NNI says and stores, in NNI's own words: the messages of its manager and the records of its REST interface.

Fields that we do not read are left out. A message comes from JSON, so a type here says what NNI 3.0 writes, and what
it writes is checked where a wrong value could do harm.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

from ednas_nni.space.dimensions import Sample

Experiment: TypeAlias = "dict[str, object]"
"""The experiment's YAML as NNI parsed it: `trialConcurrency`, `maxTrialNumber`, `tuner`, `trainingService`, ..."""
MODEL = "__instance_type__"
"""Key of an object that NNI has serialised; no label of a search space looks like it."""


class ParameterRecord(TypedDict, total=False):
    """What NNI books on a trial job: the sample itself under nnictl, a serialised model around it in `NasExperiment`.

    Jobs that a user adds in the web UI have no `parameter_id`.
    """

    parameters: Sample
    parameter_id: int | None
    parameter_source: str
    parameter_index: int


class MetricMessage(TypedDict, total=False):
    """A trial has reported something; `value` is JSON. Jobs that a user adds have no `parameter_id`."""

    trial_job_id: str
    type: Literal["PERIODICAL", "FINAL"]
    value: str
    parameter_id: int | None


class EndMessage(TypedDict):
    """A trial job has ended; `hyper_params` is a `ParameterRecord` in JSON."""

    trial_job_id: str
    event: str
    hyper_params: str


class TrialJob(TypedDict, total=False):
    """One entry of NNI's list of trial jobs; `hyperParameters` holds a `ParameterRecord` in JSON, if anything."""

    trialJobId: str
    status: str
    hyperParameters: list[str]


class ExperimentProfile(TypedDict):
    """An experiment as its manager describes it."""

    id: str
    params: Experiment


class Status(TypedDict):
    """`RUNNING`, `DONE`, `ERROR`, ..., and NNI's messages of errors."""

    status: str
    errors: list[str]


def whole_number(experiment: Experiment, field: str) -> int | None:
    """A field of the experiment that holds a count, such as `trialConcurrency`; None where it does not."""
    value = experiment.get(field)
    return value if isinstance(value, int) else None


def sample_of(parameters: object) -> object:
    """The sample in a record's `parameters`, as plain data: out of a serialised model, which is not decoded."""
    if isinstance(parameters, dict) and MODEL in parameters and isinstance(parameters.get("sample"), dict):
        return parameters["sample"]
    return parameters
