"""One training on one thread, as the benchmarks share it: a process of a pool calls it."""

from __future__ import annotations

import os
import time
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


def scored_twice(study: Any, sample: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float], float]:
    """Train a sample of a study alone, on one thread.

    Args:
        study: Plain data.
        sample: Labels that the study's space lacks are left out: with one task alone there are no other heads.

    Returns:
        Metrics on `search`, which a trial reports; on `select`, which judge; seconds of the training.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from ednas_nni.networks.runtime import TorchRuntime
    from ednas_nni.networks.scoring import scores
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    torch.set_num_threads(1)
    joined = Assembled(parse(study))
    started = time.perf_counter()
    labels = {dimension.label for dimension in joined.problem.domains.dimensions}
    network, searched = joined.trained({k: v for k, v in sample.items() if k in labels})
    seconds = time.perf_counter() - started
    splits = {name: joined.source.split(name) for name in ("train", "select")}
    bound = {name: joined.tasks[name] for name in joined.study.tasks}
    runtime = TorchRuntime(network.eval(), joined.study.train_size)
    return searched, scores(runtime, bound, splits["select"], splits["train"]), seconds


def each(function: Callable[..., Any], jobs: Sequence[tuple], workers: int | None) -> Iterator[tuple[tuple, Any]]:
    """Jobs with their results as they end, behind a bar; the first error ends everything."""
    from tqdm import tqdm

    from ednas_nni.errors import EdnasError
    from ednas_nni.training.pool import results

    for job, found in tqdm(results(function, jobs, workers), total=len(jobs), unit="training"):
        if isinstance(found, EdnasError):
            raise found
        yield job, found
