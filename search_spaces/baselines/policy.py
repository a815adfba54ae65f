"""AdaShare's policy phase: which task runs which block is learned together with the weights, by gradients.

Each task and block has two logits, run and skip. While the policy is learned, a block's result and its shortcut are
mixed by a sample of their Gumbel-softmax, so that gradients reach the logits. Steps alternate: one on the weights,
with images of the split `train`, one on the logits, with images of `search`, which weights never see. To the tasks'
loss of the latter two terms are added (section 3 of arXiv 1911.12423), of the probability a[k, l] that task k runs
block l of L:

    sparsity  sum over k, l of log a[k, l]: fewer blocks are run
    sharing   sum over pairs k, m of tasks and l of (L - l) / L |a[k, l] - a[m, l]|: tasks run the same early blocks

First weights are trained alone, all blocks run. Then logits become free from the last block on, one after the other
("curriculum"), all of them by half of the phase; the softmax hardens meanwhile. What is most probable in the end is an
architecture of the space, which is then trained from the start as any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ednas_nni.errors import StudyError
from ednas_nni.nn.tree import build
from ednas_nni.search.assembled import Assembled
from ednas_nni.space.domains import Sample
from ednas_nni.tasks.weighting.base import GradientWeighting
from ednas_nni.training.data import Batch, TrialData
from ednas_nni.training.evaluator import NetworkEvaluator
from ednas_nni.training.module import make_weighting
from ednas_nni.training.schedule import adamw, parameter_groups, warmup_cooldown
from search_spaces.baselines.adashare import NONE, AdaShareSpace, Chosen

START, DECAY = 5.0, 0.965
"""Temperature of the softmax at first, and its factor after each hundredth of the phase."""
RATE, WEIGHT_DECAY = 0.01, 5e-4
"""Of the logits, with Adam; both as in AdaShare's configurations."""


@dataclass(frozen=True)
class LearnedPolicy:
    """What the phase gives.

    Attributes:
        sample: The most probable architecture, at the width that was trained.
        probabilities: Task -> probability that it runs each block, in the order of the blocks.
        images: How many were looked at, with repetitions, on both splits.
    """

    sample: Sample
    probabilities: Mapping[str, tuple[float, ...]]
    images: int


def regularisers(runs: Tensor, free: int) -> tuple[Tensor, Tensor]:
    """Sparsity and sharing of probabilities (tasks, blocks) in (0, 1], over the last `free` blocks."""
    blocks = runs.shape[1]
    first = blocks - free
    early = 1 - torch.arange(1, blocks + 1)[first:] / blocks
    learned = runs[:, first:]
    pairs = [(early * (a - b).abs()).sum() for a, b in itertools.combinations(learned, 2)]
    return learned.log().sum(), torch.stack(pairs).sum() if pairs else learned.new_zeros(())


def learn_policy(
    study: Assembled, member: str, sparsity: float = 0.05, sharing: float = 0.05, warm_up: float = 0.2
) -> LearnedPolicy:
    """Learn a policy by the recipe of a study whose space is `adashare`.

    Args:
        study: Its steps are those on the weights; logits take as many but for the warm-up.
        member: Says the width.
        sparsity: Factor of that term.
        sharing: Likewise.
        warm_up: Share of the steps in which all blocks run.

    Raises:
        StudyError: The space, the evaluator or its weighting is of another kind.
    """
    evaluator, space = study.evaluator_against(None), study.space
    recipe = evaluator.recipe
    if not isinstance(space, AdaShareSpace) or not isinstance(evaluator, NetworkEvaluator) or recipe is None:
        raise StudyError("A policy is learned of the space adashare, by an evaluator with a recipe such as jared.")
    data = TrialData(recipe)
    weighting = make_weighting(recipe, data.tasks)
    if isinstance(weighting, GradientWeighting):
        raise StudyError(
            "evaluator.weighting: a policy is learned from the sum of the losses, not from their gradients."
        )
    evaluator.seed_everything()
    sample = space.member(member)
    network = build(space, sample).train()
    assert isinstance(network, AdaShareSpace)
    for name, prior in data.prior.tasks.items():
        network.set_output_bias(name, torch.tensor(prior.head_bias))
    chosen = [module for module in network.modules() if isinstance(module, Chosen)]
    logits = nn.Parameter(torch.zeros(len(space.tasks), len(chosen), 2))
    policy = torch.optim.Adam([logits], lr=RATE, weight_decay=WEIGHT_DECAY)
    trained = [*network.parameters(), *weighting.parameters()]
    weights = adamw(parameter_groups([network, weighting], recipe.weight_decay), recipe.learning_rate)

    def loss(batch: Batch, free: int, progress: float) -> Tensor:
        """Of all tasks, with a sample of the policy for the last `free` blocks."""
        drawn = nn.functional.gumbel_softmax(logits, START * DECAY ** (100 * progress))[..., 0]
        for block, one in enumerate(chosen):
            one.shares = drawn[:, block] if block >= len(chosen) - free else None
        outputs = network(batch["image"].contiguous(memory_format=torch.channels_last))
        return weighting({task.name: task.loss(outputs[task.name], batch[task.name]) for task in data.tasks})

    others = itertools.chain.from_iterable(data.scored_batches(recipe.batch_size) for _ in itertools.count())
    images = 0
    for step, batch in enumerate(data.train_batches()):
        progress = max(0.0, (step / recipe.steps - warm_up) / (1 - warm_up))
        free = min(len(chosen), 1 + int(2 * progress * len(chosen))) if step >= warm_up * recipe.steps else 0
        for group in weights.param_groups:
            group["lr"] = recipe.learning_rate * warmup_cooldown(step, recipe.steps, recipe.warmup, recipe.cooldown)
        weights.zero_grad()
        loss(batch, free, progress).backward()
        if recipe.gradient_clip:
            nn.utils.clip_grad_norm_(trained, recipe.gradient_clip)
        weights.step()
        images += len(batch["image"])
        if free:
            held_out = next(others)
            fewer, same = regularisers(logits.softmax(-1)[..., 0], free)
            total = loss(held_out, free, progress) + sparsity * fewer + sharing * same
            logits.grad = torch.autograd.grad(total, logits)[0]
            policy.step()
            images += len(held_out["image"])
    runs = logits.detach().softmax(-1)[..., 0]
    labels = [label for label in space.domains.labels if label.startswith("stage")]
    sets: Sample = {
        label: "+".join(itertools.compress(space.tasks, (runs[:, block] >= 0.5).tolist())) or NONE
        for block, label in enumerate(labels)
    }
    probabilities = {task: tuple(row) for task, row in zip(space.tasks, runs.tolist(), strict=True)}
    return LearnedPolicy(space.domains.canonical(sample | sets), probabilities, images)
