"""One training on one thread, as the benchmarks share it: a process of a pool calls it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


def trained(study: Any, network: str | Mapping[str, Any]) -> tuple[Any, dict[str, float]]:
    """Train a network of a study.

    Args:
        study: A parsed study, or plain data.
        network: Name of a member of its space, or a sample.

    Returns:
        The evaluator, which knows the history, and the final result.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from ednas_nni.search import assembled
    from ednas_nni.study import Study, parse

    torch.set_num_threads(1)
    parsed = study if isinstance(study, Study) else parse(study)
    space = assembled.Assembled(parsed).space
    evaluator = assembled.Assembled(parsed).evaluator
    sample = space.member(network) if isinstance(network, str) else dict(network)
    return evaluator, assembled.trained(space, sample, evaluator)[1]


def each(function: Callable[..., Any], jobs: Sequence[tuple], workers: int | None) -> Iterator[tuple[tuple, Any]]:
    """Jobs with their results as they end, behind a bar; the first error ends everything."""
    from tqdm import tqdm

    from ednas_nni.errors import EdnasError
    from ednas_nni.training.pool import results

    for job, found in tqdm(results(function, jobs, workers), total=len(jobs), unit="training"):
        if isinstance(found, EdnasError):
            raise found
        yield job, found
