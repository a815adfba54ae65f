"""A choice of modules that builds only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from ednas_nni.compat.nas import LayerChoice, current_model
from ednas_nni.errors import SampleError, did_you_mean

_MARK = "ednas_alternative"
"""Attribute of a module that stands where others could; a copy of the module keeps it."""


@dataclass(frozen=True)
class Alternative:
    """Which of several candidates a module is.

    Attributes:
        name: The candidate's name.
        family: Candidates of one family may share weights in a supernet; by default a candidate is its own.
    """

    name: str
    family: str


def alternatives(module: nn.Module) -> tuple[Alternative, ...]:
    """What a module was chosen as, outermost choice first; () for one that was not chosen."""
    marks: tuple[Alternative, ...] = vars(module).get(_MARK, ())
    return marks


def layer_choice(
    candidates: Mapping[str, Callable[[], nn.Module]], label: str, families: Mapping[str, str] | None = None
) -> nn.Module:
    """One of several modules, to be searched; all must have equal input and output shapes.

    NNI's `LayerChoice` takes finished modules: even to instantiate a single network it builds every candidate and
    drops all but one. Here candidates are factories. In a space the result is an ordinary `LayerChoice` (strategies
    test for exactly that type); inside `model_context` it is the chosen module alone, as with NNI.

    `families` say of a candidate its `Alternative.family`, where that is not the candidate itself.

    Raises:
        SampleError: Inside `model_context`, the sample has no legal value for the label.
    """

    def made(name: str) -> nn.Module:
        module = candidates[name]()
        mark = Alternative(name, (families or {}).get(name, name))
        vars(module)[_MARK] = (mark, *alternatives(module))
        return module

    sample = current_model()
    if sample is None:
        return LayerChoice({name: made(name) for name in candidates}, label=label)
    chosen = sample.get(label)
    if chosen not in candidates:
        raise SampleError(f"{label} = {chosen!r} is not in the search space.{did_you_mean(chosen, candidates)}")
    return made(chosen)


def choice_or_only(
    candidates: Mapping[str, Callable[[], nn.Module]], label: str, families: Mapping[str, str] | None = None
) -> nn.Module:
    """As `layer_choice`; a single candidate is not a choice: it is built as it is, and the label does not exist."""
    if len(candidates) == 1:
        (only,) = candidates.values()
        return only()
    return layer_choice(candidates, label, families)
