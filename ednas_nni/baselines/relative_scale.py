"""Measures lambda of the JAReD loss: trains the study's baseline on depth alone with the L1 loss.

On depth alone, not on all tasks of the study: lambda belongs to the data, and must not move when a task is added or
weighted otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from ednas_nni.baselines import making
from ednas_nni.baselines.identity import single_task
from ednas_nni.baselines.lambdas import Measurement
from ednas_nni.errors import StudyError, TrialError
from ednas_nni.study import Study, parse
from ednas_nni.training.pool import results

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled

TASK = "depth"


def measure(
    assembled: Assembled, seeds: int = 2, workers: int | None = None, progress: bool = True, command: str = ""
) -> Measurement:
    """AbsE / RelE of an L1 model on the search split, over so many `seeds`; other options as of `making.make`.

    The study names the network under `reference`; its data and recipe are used, its losses and weighting are not. The
    command is what was typed, kept with the measurement.

    Raises:
        StudyError: The study has no task `depth`, or names no `reference`.
        TrialError: A training failed.
    """
    from tqdm import tqdm

    plain = assembled.of(l1_study(assembled.study))
    bound = plain.of(single_task(plain.study, TASK)).tasks[TASK]
    absolute, relative = (f"{TASK}_{spec.name}" for spec in bound.metrics[:2])
    plain.source.prepare(progress)
    jobs = [(TASK, making.FIRST_SEED + number) for number in range(seeds)]
    ratios: dict[int, float] = {}
    with tqdm(total=len(jobs), desc="L1 models", unit="training", disable=not progress) as bar:
        for (_, seed), result in results(partial(making.train, plain), jobs, workers):
            if not isinstance(result, Mapping):
                raise result
            if not result[relative] > 0:
                raise TrialError(f"lambda cannot be measured: the relative error of seed {seed} is {result[relative]}.")
            ratios[seed] = result[absolute] / result[relative]
            bar.update()
    info = plain.source.info
    made = {
        "command": command,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "member": plain.study.reference,
        "evaluator": plain.study.dump()["evaluator"],
        "size": list(info.size),
        "images": dict(info.counts),
    }
    return Measurement(
        data=info.name,
        fingerprint=info.identity,
        depth_kind=info.depth_kind,
        unit=info.depth_unit,
        ratios=tuple(ratios[seed] for seed in sorted(ratios)),
        seeds=tuple(sorted(ratios)),
        made=made,
    )


def l1_study(study: Study) -> Study:
    """The study with depth alone, the L1 loss, and the metrics that lambda is defined by."""
    if TASK not in study.tasks:
        raise StudyError(f"tasks: {', '.join(study.tasks)}; lambda belongs to the loss of depth, so name `depth` too.")
    if study.reference is None:
        raise StudyError(
            "reference: is missing. Name the member of the space that is trained to measure lambda, for example "
            "`reference: mobilenet_v2_small`."
        )
    options: dict[str, Any] = dict(single_task(study, TASK).evaluator.options)
    for name in ("depth_loss", "depth_relative_scale", "weighting"):
        options.pop(name, None)
    of_depth = {**(options.get("task_options") or {}).get(TASK, {}), "loss": "l1"}
    of_depth.pop("relative_scale", None)
    options |= {"task_options": {TASK: of_depth}, "protocol": "standard", "scored_on": "search"}
    evaluator = {"name": study.evaluator.name, **options}
    return parse({**study.dump(), "tasks": [TASK], "objectives": ["quality"], "evaluator": evaluator})
