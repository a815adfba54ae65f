"""NNI's own strategies and one-shot supernets accept the space as it is."""

from __future__ import annotations

import nni
import numpy as np
import pytest
import torch

from ednas_nni.compat.nas import (
    FunctionalEvaluator,
    RawFormatModelSpace,
    SequentialExecutionEngine,
    SimplifiedModelSpace,
)
from ednas_nni.compat.nas_search import (
    DARTS,
    BaseSuperNetModule,
    Proxyless,
    Random,
    RandomOneShot,
    RegularizedEvolution,
)
from ednas_nni.nn.tree import build, domains_of
from search_spaces import nano

torch.set_num_threads(1)
TASKS = {"segmentation": 5, "depth": 1}
SPACE = nano(TASKS)
DOMAINS = domains_of(SPACE)


def parameters_of(network):
    """A stub trial: no training, quality from the size of the network that NNI constructed."""
    assert set(network(torch.rand(2, 3, 32, 32))) == set(TASKS)
    nni.report_final_result(float(sum(p.numel() for p in network.parameters())))


@pytest.mark.parametrize(
    "strategy",
    [lambda: Random(seed=1), lambda: RegularizedEvolution(population_size=3, sample_size=2, mutation_prob=0.1, seed=1)],
)
def test_multi_trial_strategies(strategy, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # NNI's loops nap a second between submissions
    engine = SequentialExecutionEngine(max_model_count=6)
    space = SimplifiedModelSpace.from_model(SPACE, evaluator=FunctionalEvaluator(parameters_of))
    assert list(space.simplify()) == list(DOMAINS.labels)
    strategy()(space, engine)
    models = list(engine.list_models())
    assert len(models) == 6
    for model in models:
        sample = DOMAINS.canonical(model.sample)
        assert model.metric == sum(p.numel() for p in build(SPACE, sample).parameters())


def test_random_one_shot_runs_any_path():
    space = nano(TASKS)
    strategy = RandomOneShot()
    supernet = strategy.mutate_model(space)
    rng = np.random.default_rng(0)
    image = torch.rand(2, 3, 32, 32)
    for _ in range(4):
        sample = DOMAINS.random(rng)
        resample(supernet, dict(sample))
        outputs = supernet(image)
        sum(y.mean() for y in outputs.values()).backward()
        used = {n for n, p in supernet.named_parameters() if p.grad is not None}
        assert sum(p.numel() for n, p in supernet.named_parameters() if n in used) == sum(
            p.numel() for p in build(SPACE, sample).parameters()
        )
        supernet.zero_grad(set_to_none=True)
    supernet.set_output_bias("depth", torch.tensor([2.0]))
    DOMAINS.check(export(supernet))


def resample(supernet, memo):
    """What NNI's Lightning module does before each step."""
    for module in supernet.modules():
        if isinstance(module, BaseSuperNetModule):
            memo.update(module.resample(memo))


def export(supernet):
    memo = {}
    for module in supernet.modules():
        if isinstance(module, BaseSuperNetModule):
            memo.update(module.export(memo))
    return memo


@pytest.mark.parametrize("strategy", [DARTS, Proxyless])
def test_differentiable_one_shot_reaches_architecture_parameters(strategy):
    supernet = strategy().mutate_model(nano(TASKS))
    if strategy is Proxyless:
        resample(supernet, {})
    outputs = supernet(torch.rand(2, 3, 32, 32))
    assert outputs["segmentation"].shape == (2, 5, 32, 32)
    sum((y**2).mean() for y in outputs.values()).backward()
    alphas = [p for n, p in supernet.named_parameters() if "_arch_alpha" in n]
    assert len(alphas) >= len(DOMAINS)
    assert sum(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in alphas) >= 8
    DOMAINS.check({k: v for k, v in export(supernet).items() if k in DOMAINS.labels})


def test_raw_format_also_accepts_the_space():
    model = RawFormatModelSpace.from_model(SPACE, evaluator=FunctionalEvaluator(parameters_of))
    frozen = model.freeze(DOMAINS.random(np.random.default_rng(1)))
    assert frozen.sample is not None
