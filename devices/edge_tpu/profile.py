"""Profiles of systolic accelerators, `kind: systolic`: what shipped ones are fitted to, and how sure they are."""

from __future__ import annotations

import json
from importlib import resources
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ednas_nni.cost.profiles import NotNegative, Positive, Profile, read_profile, shipped_profile

EXAMPLE = "see the shipped edge_tpu.yml for an example"

Floats = Annotated[NDArray[np.float64], BeforeValidator(lambda values: np.asarray(values, np.float64))]
OptionalText = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


def _not_negative(value: object) -> object:
    if isinstance(value, int | float) and value < 0:
        raise ValueError(
            "is not a number >= 0. With a negative one a larger network would be faster, and a search would find it"
        )
    return value


Coefficient = Annotated[NotNegative, BeforeValidator(_not_negative)]


class Coefficients(BaseModel):
    """What each part of the model costs; see edge_tpu.yml for the formula.

    Attributes:
        dense: Times the ideal cycles of dense convolutions.
        depthwise: Times 64 MACs per cycle of depthwise convolutions.
        stream_ms_per_mb: Parameters that do not fit on the chip.
        activation_ms_per_million: Elements written.
        link_ms_per_mb: Image in, outputs out.
        constant_ms: Each image.
        host_ms_per_million: Elements that the host enlarges, compares or decodes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dense: Coefficient
    depthwise: Coefficient
    stream_ms_per_mb: Coefficient
    activation_ms_per_million: Coefficient
    link_ms_per_mb: Coefficient
    constant_ms: Coefficient
    host_ms_per_million: Coefficient

    @property
    def vector(self) -> NDArray[np.float64]:
        """In the order of `COEFFICIENTS`, float64 (7,)."""
        return np.array(list(dict(self).values()), np.float64)


COEFFICIENTS = tuple(Coefficients.model_fields)


class Spread(BaseModel):
    """How sure a model is, and where.

    Attributes:
        on_chip_mb: float64 (m,), the fitted threshold of each member of the ensemble.
        coefficients: float64 (m, 7), in the order of `COEFFICIENTS`.
        ratios: float64 (m,), measured / predicted of unseen rows, one for each member.
        inverse: float64 (6, 6), inverse of the fitted rows' second moments, host work left out.
        leverage: Largest leverage of a fitted row.
        largest: Largest value among the fitted rows of each column of the design without host work, then of the largest
            activation in MB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    on_chip_mb: Floats
    coefficients: Floats
    ratios: Floats
    inverse: Floats
    leverage: float
    largest: Floats


def _array(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(type(x) is int and x > 0 for x in value):
        raise ValueError("is not [rows, columns] of positive integers, such as [64, 64]")
    return value


class SystolicProfile(Profile):
    """A systolic accelerator with one on-chip memory for parameters and activations.

    Attributes:
        array: Multipliers (rows, columns).
        clock_mhz: Clock.
        on_chip_mb: Memory (in MB, 1e6 bytes) that the largest activation and the parameters share; parameters that do
            not fit are streamed for every image.
        coefficients: What each part costs.
        argmax: Whether the compiler maps ARG_MAX, so that classes instead of scores cross the link where the study says
            `deploy_outputs: classes`.
        origin: Where the coefficients come from, and the error to expect.
        error: Mean relative error of networks that the fit has not seen, 0.1 = 10 %; None = unknown.
        validity: Where the model has been compared with published figures.
        not_counted: What the latency leaves out.
        spread: Ensemble and fitted range; None where there is none, and then no interval either.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # earlier versions let users add fields of their own

    kind: Literal["systolic"] = "systolic"
    array: Annotated[tuple[int, int], BeforeValidator(_array)]
    clock_mhz: Positive
    on_chip_mb: Positive
    coefficients: Coefficients
    argmax: bool = False
    origin: OptionalText = ""
    error: NotNegative | None = None
    validity: OptionalText = ""
    not_counted: OptionalText = ""
    spread: Spread | None = Field(default=None, repr=False)


def shipped(name: object) -> SystolicProfile:
    """A profile that ships with the package, with the ensemble beside it.

    Raises:
        PluginError: No profile has that name.
    """
    data, file = shipped_profile(__package__, name)
    spread = resources.files(__package__).joinpath("profiles", f"{name}_spread.json")
    if spread.is_file():
        data["spread"] = json.loads(spread.read_text(encoding="utf-8"))
    return read_profile(SystolicProfile, data, file.name, EXAMPLE)
