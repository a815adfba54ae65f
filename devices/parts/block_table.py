"""Figures of a space's blocks as features: what every sample's sum (or largest) is looked up in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from devices.parts.blocks import BlockCall, PricedBlock, blocks_of
from ednas_nni.compat.nas import ModelSpace
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.space_layers import alive
from ednas_nni.graphs.graph import Graph
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Domains


@dataclass(frozen=True)
class BlockTable:
    """Blocks of a space with their graphs, not yet priced.

    Attributes:
        domains: The labels of the space.
        graphs: Signature -> graph, of all blocks and all their widths.
        terms: Part of the network, labels, and at each of their values the signatures of what runs.
    """

    domains: Domains
    graphs: Mapping[str, Graph]
    terms: tuple[tuple[str, tuple[str, ...], Mapping[tuple[int, ...], tuple[str, ...]]], ...]

    def features(self, figures: Mapping[str, Mapping[str, float]], maxima: Set[str] = frozenset()) -> SpaceFeatures:
        """Features from figures of all of `graphs`.

        Args:
            figures: Signature -> name -> figure >= 0; the same names for all graphs.
            maxima: Names of which a network has the largest over its blocks instead of the sum.
        """
        names = tuple(next(iter(figures.values())))
        largest = np.array([name in maxima for name in names], bool)

        def together(rows: Sequence[np.ndarray]) -> np.ndarray:
            return np.where(largest, np.max(rows, axis=0), np.sum(rows, axis=0))

        rows = {signature: np.array([row[name] for name in names], float) for signature, row in figures.items()}
        arrays: dict[tuple[str, ...], np.ndarray] = {}
        fixed: dict[str, np.ndarray] = {}
        for part, labels, cases in self.terms:
            shape = [len(self.domains[label].values) for label in labels]
            array = arrays.setdefault(labels, np.zeros((*shape, len(names))))
            for at, signatures in cases.items():
                added = [rows[signature] for signature in signatures]
                if added:
                    array[at] = together([array[at], *added])
                    if not labels:
                        fixed[part] = together([fixed.get(part, np.zeros(len(names))), *added])
        terms = tuple(Term(labels, values) for labels, values in arrays.items())
        parts = {part: dict(zip(names, map(float, row), strict=True)) for part, row in fixed.items()}
        return SpaceFeatures(names, terms, self.domains, frozenset(maxima), parts)


def block_table(
    space: ModelSpace, size: tuple[int, int], prepared: Callable[[Graph, BlockCall], Graph] = lambda graph, call: graph
) -> BlockTable:
    """All blocks of a space with the graphs of all their widths at an image of (height, width) pixels.

    Heights and widths in pixels must not depend on choices.

    Args:
        space: The space.
        size: See above.
        prepared: Makes what is priced of a block's graph in one call.

    Raises:
        StudyError: As `blocks.blocks_of` and `capture.capture`.
    """
    domains = domains_of(space)
    graphs: dict[str, Graph] = {}
    terms = []
    for block in blocks_of(space, size):
        labels, cases = _cases(block, domains, graphs, prepared)
        if any(cases.values()):
            terms.append((block.path.partition(".")[0], labels, cases))
    return BlockTable(domains, graphs, tuple(terms))


def _cases(
    block: PricedBlock, domains: Domains, graphs: dict[str, Graph], prepared: Callable[[Graph, BlockCall], Graph]
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
            priced = [prepared(graph, call) for graph, call in block.graphs(sample)]
            made = [(graph.signature, graph) for graph in priced if graph.nodes]
            graphs.update(made)
            captured[widths] = tuple(signature for signature, _ in made)
        cases[at] = captured[widths]
    return labels, cases
