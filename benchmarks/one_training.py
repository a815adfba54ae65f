"""One training on one thread, as the benchmarks share it: a process of a pool calls it."""

from __future__ import annotations

import os
import time
from collections import deque
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
        Metrics on `search`, which a trial reports; on `select`, which judge; the training's seconds of processor time.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    torch.set_num_threads(1)
    joined = Assembled(parse(study))
    started = time.process_time()
    labels = {dimension.label for dimension in joined.problem.domains.dimensions}
    network, searched = joined.trained({k: v for k, v in sample.items() if k in labels})
    seconds = time.process_time() - started
    return searched, scored(joined, network, "select"), seconds


def scored(joined: Any, network: Any, split: str, reader: str | None = None) -> dict[str, float]:
    """Quality and metrics of a trained network on a split.

    Args:
        joined: The `Assembled` of its study.
        network: The trained module.
        split: Name; "test" says in the journal of its readings who read it.
        reader: Who, for "test".
    """
    from ednas_nni.networks.runtime import TorchRuntime
    from ednas_nni.networks.scoring import scores
    from ednas_nni.training.data import TrialData

    tasks = TrialData(joined.evaluator.recipe).by_name  # with the scale of depth, which `joined.tasks` do not know
    splits = joined.source.split(split, reader), joined.source.split("train")
    return scores(TorchRuntime(network.eval(), joined.study.train_size), tasks, *splits)


def prior_scores(joined: Any, split: str, reader: str | None = None) -> dict[str, float]:
    """Quality and metrics, named as those of `scored`, of the position prior: what a training that diverged counts."""
    from ednas_nni.networks.scoring import prior

    tasks = [joined.tasks[name] for name in joined.study.tasks]
    of = prior(tasks, joined.source.split("train"), joined.source.split(split, reader)).tasks
    return {"quality": 0.0} | {f"{t}_{name}": value for t, one in of.items() for name, value in one.metrics.items()}


def each(
    function: Callable[..., Any], jobs: Sequence[tuple] | deque[tuple], workers: int | None
) -> Iterator[tuple[tuple, Any]]:
    """Jobs with their results as they end, behind a bar; the first error ends everything.

    To a deque more may be added meanwhile.
    """
    from tqdm import tqdm

    from ednas_nni.errors import EdnasError
    from ednas_nni.training.pool import results

    with tqdm(total=len(jobs), unit="training") as bar:
        for job, found in results(function, jobs, workers):
            if isinstance(found, EdnasError):
                raise found
            yield job, found
            bar.total = max(bar.total, bar.n + 1 + (len(jobs) if isinstance(jobs, deque) else 0))
            bar.update()
