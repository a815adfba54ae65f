"""Latencies of a space's blocks as additive features: what every sample's sum is looked up in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from devices.cpu_onnxruntime.blocks import MeasuredBlock, blocks_of
from ednas_nni.compat.nas import ModelSpace
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.space_layers import alive
from ednas_nni.graphs.graph import Graph
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Domains


@dataclass(frozen=True)
class BlockTable:
    """Blocks of a space with their graphs, not yet measured.

    Attributes:
        domains: The labels of the space.
        graphs: Signature -> graph, of all blocks and all their widths.
        terms: Part of the network, labels, and at each of their values the signatures of what runs.
    """

    domains: Domains
    graphs: Mapping[str, Graph]
    terms: tuple[tuple[str, tuple[str, ...], Mapping[tuple[int, ...], tuple[str, ...]]], ...]

    def features(self, name: str, milliseconds: Mapping[str, float]) -> SpaceFeatures:
        """Latencies as one additive feature of a name, from signature -> ms of all of `graphs`."""
        arrays: dict[tuple[str, ...], np.ndarray] = {}
        fixed: dict[str, dict[str, float]] = {}
        for part, labels, cases in self.terms:
            shape = [len(self.domains[label].values) for label in labels]
            array = arrays.setdefault(labels, np.zeros((*shape, 1)))
            for at, signatures in cases.items():
                array[(*at, 0)] += sum(milliseconds[s] for s in signatures)
            if not labels:
                of_part = fixed.setdefault(part, {name: 0.0})
                of_part[name] += sum(milliseconds[s] for s in cases[()])
        terms = tuple(Term(labels, values) for labels, values in arrays.items())
        return SpaceFeatures((name,), terms, self.domains, frozenset(), fixed)


def block_table(space: ModelSpace, size: tuple[int, int]) -> BlockTable:
    """All blocks of a space with the graphs of all their widths at an image of (height, width) pixels.

    Heights and widths in pixels must not depend on choices.

    Raises:
        StudyError: As `blocks.blocks_of` and `capture.capture`.
    """
    domains = domains_of(space)
    graphs: dict[str, Graph] = {}
    terms = []
    for block in blocks_of(space, size):
        labels, cases = _cases(block, domains, graphs)
        if any(cases.values()):
            terms.append((block.path.partition(".")[0], labels, cases))
    return BlockTable(domains, graphs, tuple(terms))


def _cases(
    block: MeasuredBlock, domains: Domains, graphs: dict[str, Graph]
) -> tuple[tuple[str, ...], dict[tuple[int, ...], tuple[str, ...]]]:
    """Labels that decide a block, and the signatures of its graphs where it exists; new graphs are added."""
    deciding = {*block.labels, *(literal.label for clause in block.condition for literal in clause)}
    labels = tuple(label for label in domains.labels if label in deciding)
    mask = alive(domains, block.condition, labels)
    captured: dict[tuple[int, ...], tuple[str, ...]] = {}
    cases = {}
    for at in itertools.product(*(range(n) for n in mask.shape)):
        if not mask[at]:
            continue
        widths = tuple(at[labels.index(label)] for label in block.labels)
        if widths not in captured:
            sample = {x: domains[x].values[i] for x, i in zip(block.labels, widths, strict=True)}
            made = [(graph.signature, graph) for graph in block.graphs(sample)]
            graphs.update(made)
            captured[widths] = tuple(signature for signature, _ in made)
        cases[at] = captured[widths]
    return labels, cases
