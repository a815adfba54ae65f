"""NNI's one-shot strategies on an EDNAS space, with the JAReD evaluator: train, export, train what was exported."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni.compat.nas import Profiler
from ednas_nni.compat.nas_search import BaseSuperNetModule, RandomSamplingLightningModule
from ednas_nni.cost import CostProfiler, cost_table
from ednas_nni.errors import SampleError, StudyError
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.search.assembled import trained
from ednas_nni.training import one_shot

from .conftest import SIZE

FAST = ("random_one_shot", "darts")
ALL = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in one_shot.STRATEGIES]


@pytest.fixture
def searched(tiny, coarse, evaluator):
    """Runs a strategy; returns it, its sample, and what its weights were at the start."""

    def run(name, **options):
        if name == "enas":
            pytest.importorskip("tianshou")
        make = coarse if name == "proxyless" else tiny
        space = make()
        strategy = one_shot.strategy(name, **options)
        sample = one_shot.search(space, evaluator(steps=4), strategy, epochs=2)
        return strategy, sample, make

    return run


@pytest.mark.parametrize("name", ALL)
def test_a_search_takes_steps_and_its_result_trains_like_any_other(name, searched, evaluator):
    strategy, sample, make = searched(name)
    space = make()
    domains = domains_of(space)
    assert sample == domains.canonical(sample)
    assert strategy.oneshot_module.trainer.global_step >= {"enas": 2}.get(name, 4)
    if name in one_shot.MIXING:
        alphas = [p for n, p in strategy.supernet.named_parameters() if "_arch_alpha" in n]
        assert max(float(p.detach().abs().max()) for p in alphas) > 0.01  # they begin at about 0.001
    network, result = trained(space, sample, evaluator(steps=2))
    again = trained(make(), sample, evaluator(steps=2))[1]
    timing = {"train_s"}
    assert {k: v for k, v in result.items() if k not in timing} == {k: v for k, v in again.items() if k not in timing}
    assert set(network.tasks) == set(space.tasks)


def test_trained_refuses_a_sample_of_another_space(tiny, evaluator):
    with pytest.raises(SampleError, match="has no label 'stage9_depth'"):
        trained(tiny(), {"stage9_depth": 1}, evaluator(steps=1))


@pytest.mark.slow
def test_proxyless_exports_the_likeliest_values_without_labels_of_its_own(searched):
    strategy, sample, make = searched("proxyless")
    raw = strategy.oneshot_module.export()
    assert any("in_repeat" in label for label in raw)
    assert set(sample) == set(domains_of(make()).labels)
    with torch.no_grad():
        likeliest = {label: max(p, key=p.get) for label, p in strategy.oneshot_module.export_probs().items()}
    canonical = domains_of(make()).complete({label: likeliest[label] for label in sample})
    assert canonical == sample


def test_what_proxyless_cannot_search_is_said_at_once(tiny, coarse, evaluator):
    with pytest.raises(StudyError, match=r"stage1_width.*shorten"):
        one_shot.search(tiny(), evaluator(), one_shot.strategy("proxyless"))
    one_shot.check("proxyless", coarse())


SIZES = {
    "resolution": {"resolution": [1, 0.5]},
    "output_stride": {"heads": {"kinds": ["conv"], "channels": 8, "stride": [4, 8]}},
}


@pytest.mark.parametrize("label", SIZES)
def test_sizes_that_choices_decide_are_refused(label, tiny):
    for name in one_shot.STRATEGIES:
        with pytest.raises(StudyError, match=rf"{name}.*{label}.*shorten"):
            one_shot.check(name, tiny(**SIZES[label]))


@pytest.mark.parametrize("name", ["random_one_shot", "darts"])
def test_one_seed_is_one_search_whatever_went_before(name, coarse, evaluator):
    """The same objects again, and others in a state of the generators that is another."""
    space, one = coarse(), evaluator(steps=2)
    results = []
    for searched, recipe in ((space, one), (space, one), (coarse(), evaluator(steps=2))):
        strategy = one_shot.strategy(name)
        sample = one_shot.search(searched, recipe, strategy, epochs=1)
        results.append((sample, [parameter.detach().clone() for parameter in strategy.supernet.parameters()]))
        torch.rand(1)
    (sample, weights), *others = results
    for again, same in others:
        assert again == sample and all(map(torch.equal, weights, same))


def test_encoders_of_different_widths_cannot_be_mixed():
    import nni
    from nni.mutable import MutableExpression

    from ednas_nni.compat.nas import LayerChoice, ModelSpace, MutableConv2d

    class Encoders(ModelSpace):
        def __init__(self):
            super().__init__()
            options = {"a": torch.nn.Conv2d(3, 4, 1), "b": torch.nn.Conv2d(3, 8, 1)}
            self.encoder = LayerChoice(options, label="encoder")
            width = MutableExpression.switch_case(nni.choice("encoder", ["a", "b"]), {"a": 4, "b": 8})
            self.head = MutableConv2d(width, 2, 1)

    for name in one_shot.MIXING:
        with pytest.raises(StudyError, match="encoder differ in width"):
            one_shot.check(name, Encoders())
    one_shot.check("enas", Encoders())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: one_shot.strategy("dart"), "Did you mean 'darts'"),
        (lambda: one_shot.strategy("darts", rate=1), "'darts'.*rate"),
    ],
)
def test_messages(make, message):
    with pytest.raises(StudyError, match=message):
        make()


def test_epochs_are_checked(tiny, evaluator):
    with pytest.raises(StudyError, match="between 1 and the 6 steps"):
        one_shot.search(tiny(), evaluator(), one_shot.strategy("random_one_shot"), epochs=7)


def test_a_filter_holds_for_every_network_that_is_trained(tiny, evaluator, monkeypatch):
    space = tiny()
    domains = domains_of(space)
    profiler = CostProfiler(space, cost_table(space, deploy_size=SIZE), "macs")
    rng = np.random.default_rng(0)
    median = float(np.median([profiler.profile(domains.random(rng)) for _ in range(40)]))
    strategy = one_shot.strategy("random_one_shot", **one_shot.limit("random_one_shot", profiler, median))
    seen = []
    resample = RandomSamplingLightningModule.resample
    monkeypatch.setattr(RandomSamplingLightningModule, "resample", lambda self: seen.append(resample(self)) or seen[-1])
    one_shot.search(space, evaluator(), strategy, epochs=1)
    costs = [profiler.profile(sample) for sample in seen]
    assert len(costs) >= 6 and max(costs) <= median


class Two(Profiler):
    """Everything costs 2."""

    def __init__(self):
        pass

    def profile(self, sample):
        return 2.0


def test_a_filter_that_nothing_passes_is_said(tiny, evaluator):
    space = tiny()
    strategy = one_shot.strategy("random_one_shot", **one_shot.limit("random_one_shot", Two(), 1.0))
    with pytest.raises(StudyError, match="none of 100 random architectures"):
        one_shot.search(space, evaluator(), strategy, epochs=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["darts", "gumbel_darts", "proxyless", "enas"])
def test_a_penalty_is_taken(name, tiny, coarse, evaluator):
    if name == "enas":
        pytest.importorskip("tianshou")
    space = (coarse if name == "proxyless" else tiny)()
    profiler = CostProfiler(space, cost_table(space, deploy_size=SIZE), "macs")
    strategy = one_shot.strategy(name, **one_shot.limit(name, profiler, 1.0, weight=1e-6))
    one_shot.search(space, evaluator(steps=4), strategy, epochs=2)
    assert "penalty/penalty" in strategy.oneshot_module.trainer.callback_metrics


@pytest.mark.slow
def test_a_penalty_makes_the_architecture_smaller(tiny, evaluator):
    """The expected MACs fall with a heavy penalty; without one they stay about where they were."""
    from ednas_nni.compat.nas_search import expression_expectation

    def expected(**options):
        space = tiny()
        profiler = CostProfiler(space, cost_table(space, deploy_size=SIZE), "macs")
        given = one_shot.limit("darts", profiler, 1e5, weight=10.0) if options else {}
        strategy = one_shot.strategy("darts", arc_learning_rate=0.1, **given)
        one_shot.search(space, evaluator(steps=12), strategy, epochs=2)
        with torch.no_grad():
            return float(expression_expectation(profiler.expression, strategy.oneshot_module.export_probs()))

    assert expected(penalty=True) < 0.8 * expected()


def test_a_network_inherits_its_path_of_nnis_supernet(searched):
    """It answers as the supernet does with that path sampled; with weights of its own, the broken twin, it does not."""
    strategy, _, make = searched("random_one_shot")
    space = make()
    domains, rng, image = domains_of(space), np.random.default_rng(0), torch.rand(2, 3, *SIZE)
    for _ in range(4):
        sample = domains.random(rng)
        memo = dict(sample)
        for module in strategy.supernet.modules():
            if isinstance(module, BaseSuperNetModule):
                memo |= module.resample(memo)
        network = build(space, sample).train()
        before = network(image)
        one_shot.inherit(strategy, network)
        strategy.supernet.train()
        with torch.no_grad():
            expected, after = strategy.supernet(image), network(image)
        for task, output in expected.items():
            assert torch.allclose(after[task], output, atol=1e-5)
            assert not torch.allclose(before[task], output, atol=1e-3)


def test_mixed_weights_are_of_no_path(tiny):
    with pytest.raises(StudyError, match="mixes candidates"):
        one_shot.inherit(one_shot.strategy("darts"), tiny())
