"""A choice of modules that builds only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from ednas_nni.compat.nas import LayerChoice, current_model
from ednas_nni.errors import SampleError, did_you_mean


def layer_choice(candidates: Mapping[str, Callable[[], nn.Module]], label: str) -> nn.Module:
    """One of several modules, to be searched; all must have equal input and output shapes.

    NNI's `LayerChoice` takes finished modules: even to instantiate a single network it builds every candidate and drops
    all but one. Here candidates are factories. In a space the result is an ordinary `LayerChoice` (strategies test for
    exactly that type); inside `model_context` it is the chosen module alone, as with NNI.

    Raises:
        SampleError: Inside `model_context`, the sample has no legal value for the label.
    """
    sample = current_model()
    if sample is None:
        return LayerChoice({name: make() for name, make in candidates.items()}, label=label)
    chosen = sample.get(label)
    if chosen not in candidates:
        raise SampleError(f"{label} = {chosen!r} is not in the search space.{did_you_mean(chosen, candidates)}")
    return candidates[chosen]()


def choice_or_only(candidates: Mapping[str, Callable[[], nn.Module]], label: str) -> nn.Module:
    """As `layer_choice`; a single candidate is not a choice: it is built as it is, and the label does not exist."""
    if len(candidates) == 1:
        (only,) = candidates.values()
        return only()
    return layer_choice(candidates, label)
