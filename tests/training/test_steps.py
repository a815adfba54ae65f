"""What a step does: batches, schedule, average, optimiser, compiled networks."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
import torch

from ednas_nni.errors import EdnasError
from ednas_nni.nn.tree import build
from ednas_nni.training.data import Batches, TrialData
from ednas_nni.training.module import JaredModule
from ednas_nni.training.schedule import AveragedWeights, warmup_cooldown
from search_spaces import nano


def test_learned_weights_are_trained(make_evaluator, tiny):
    from ednas_nni.training.module import JaredModule

    module = JaredModule(make_evaluator(weighting="uncertainty").recipe)
    module.set_model(tiny())
    groups = module.configure_optimizers()["optimizer"].param_groups
    decayed = [p for group in groups if group["weight_decay"] for p in group["params"]]
    assert any(p is module.weighting.log_variance for group in groups for p in group["params"])
    assert all(p.ndim > 1 for p in decayed) and len(decayed) == 4


def test_average_is_a_running_mean_and_swaps_back():
    model = torch.nn.Linear(1, 1, bias=False)
    average = AveragedWeights(model, 0.5)
    expected = model.weight.item()
    for n in range(6):
        with torch.no_grad():
            model.weight.fill_(n)
        average.update()
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * n
    average.swap()
    assert model.weight.item() == pytest.approx(expected)
    average.swap()
    assert model.weight.item() == 5


def test_schedule_rises_then_falls_to_nearly_zero():
    factors = [warmup_cooldown(step, 100, 0.1, 0.9) for step in range(101)]
    assert factors[0] == 0.1 and max(factors) == 1 and factors[100] == pytest.approx(0.01)
    assert factors[:10] == sorted(factors[:10]) and factors[10:] == sorted(factors[10:], reverse=True)
    assert [warmup_cooldown(step, 1, 0.0, 1.0) for step in range(2)] == pytest.approx([1, 0.01])


def test_learning_rate_may_stay_constant_and_cool_down_late():
    factors = [warmup_cooldown(step, 100, 0.1, 0.25) for step in range(101)]
    assert factors[10:76] == [1.0] * 66 and np.all(np.diff(factors[75:]) < 0)
    assert factors[-1] == pytest.approx(0.01)
    assert [warmup_cooldown(step, 100, 0.1, 0.0) for step in (9, 50, 99, 100)] == [1.0] * 4


def rewards(module):
    """Of a batch without a label of depth, as a one-shot strategy sees it."""
    logged = []
    module.log = lambda name, value, batch_size: logged.append(value)
    batch = next(iter(module.data.scored_batches()))
    with torch.no_grad():
        module.validation_step({**batch, "depth": torch.zeros_like(batch["depth"])}, 0)
    return logged


def test_a_batch_without_a_label_of_a_task_has_a_reward(make_evaluator, tiny, monkeypatch):
    """The other tasks' skill; what the broken variant gives is not a number, and would end NNI's controller."""
    monkeypatch.setattr(JaredModule, "wrapped", True)
    module = JaredModule(make_evaluator().recipe)
    module.set_model(tiny().eval())
    (value,) = rewards(module)
    assert np.isfinite(value)
    module.data.prior.tasks["depth"].metrics.update(dict.fromkeys(module.data.prior.tasks["depth"].metrics, np.nan))
    assert not np.isfinite(rewards(module)[0])


def test_batches_start_over():
    assert list(Batches([1, 2, 3], 7)) == [1, 2, 3, 1, 2, 3, 1]
    assert len(Batches([1], 4)) == 4
    with pytest.raises(EdnasError, match="empty"):
        list(Batches([], 2))


def test_training_batches_are_mirrored_by_the_tasks(make_evaluator):
    data = TrialData(make_evaluator(steps=6).recipe)
    plain = {image.tobytes(): n for n, image in enumerate(data.source.split("train").image)}
    normals = torch.from_numpy(np.array(data.source.split("train").normals)).movedim(-1, 1)
    seen = 0
    for batch in data.train_batches():
        for image, target in zip(batch["image"], batch["normals"], strict=True):
            flipped = (image.flip(-1) * 255).round().byte().movedim(0, -1).contiguous().numpy().tobytes()
            if flipped in plain:
                seen += 1
                assert torch.allclose(target.flip(-1)[0], -normals[plain[flipped]][0])
                assert torch.allclose(target.flip(-1)[1:], normals[plain[flipped]][1:])
    assert 3 < seen < 21


def test_scaled_losses_are_not_unscaled_behind_the_clipping(make_evaluator):
    """A fused optimiser unscales float16 gradients in its own step, after the clipping."""

    def fused(precision):
        module = JaredModule(make_evaluator(precision=precision).recipe)
        module.set_model(torch.nn.Conv2d(3, 3, 1))
        return module.configure_optimizers()["optimizer"].defaults["fused"]

    assert [fused(p) for p in ("32-true", "bf16-mixed", "16-mixed")] == [True, True, False]


def test_clipping_reaches_every_weight_that_is_updated(make_evaluator, tiny):
    """Learned loss weights too; the broken variant, the network's alone, leaves theirs as they are."""
    module = JaredModule(make_evaluator(weighting="uncertainty", gradient_clip=0.5).recipe)
    module.set_model(tiny())
    optimizer = module.configure_optimizers()["optimizer"]
    updated = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in updated} == {id(p) for p in module.parameters() if p.requires_grad}
    for parameter in updated:
        parameter.grad = torch.full_like(parameter, 100.0)
    module.configure_gradient_clipping(optimizer)
    assert torch.cat([p.grad.flatten() for p in updated]).norm() == pytest.approx(0.5, rel=1e-3)
    theirs = list(tiny().parameters())
    assert len(updated) > len(theirs)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_compiled_networks_train_to_the_same_result(make_evaluator, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    plain = make_evaluator(steps=6).evaluate(tiny())
    compiled = make_evaluator(steps=6, compile=True).evaluate(tiny())
    assert set(plain) == set(compiled)
    for name, value in plain.items():
        if name != "train_s":
            assert compiled[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name


def frozen_run(make_evaluator, tiny, freeze):
    """Whether a training leaves weights and statistics of batch norms as they were, part by part."""
    network = tiny()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    make_evaluator(steps=3, freeze=freeze).evaluate(network)
    same = {name: torch.equal(value, before[name]) for name, value in network.state_dict().items()}
    parts = {name.partition(".")[0] for name in same}
    return {part: all(kept for name, kept in same.items() if name.startswith(f"{part}.")) for part in parts}


def test_frozen_parts_keep_weights_and_statistics(make_evaluator, tiny):
    free = frozen_run(make_evaluator, tiny, [])
    part = sorted(free)[0]
    assert not any(free.values())
    assert frozen_run(make_evaluator, tiny, [part]) == {**free, part: True}
    with pytest.raises(EdnasError, match="no part 'nowhere'"):
        make_evaluator(steps=3, freeze=["nowhere"]).evaluate(tiny())


def test_parts_are_frozen_for_the_first_steps(make_evaluator, tiny):
    network = tiny()
    part = sorted({name.partition(".")[0] for name, _ in network.named_parameters()})[0]
    first = next(p for name, p in network.named_parameters() if name.startswith(f"{part}."))
    seen, step = [], JaredModule.on_train_batch_end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            JaredModule, "on_train_batch_end", lambda self, *a: (seen.append(first.detach().clone()), step(self, *a))
        )
        make_evaluator(steps=4, reports=4, freeze=[part], freeze_steps=2).evaluate(network)
    moved = [not torch.equal(a, b) for a, b in itertools.pairwise(seen)]
    assert moved == [False, True, True] and first.requires_grad
    with pytest.raises(EdnasError, match="freeze_steps: names no parts"):
        make_evaluator(steps=4, freeze_steps=2)


def test_an_encoder_has_its_own_learning_rate(make_evaluator):
    space = nano({"segmentation": 3, "depth": 1, "normals": 3})
    network = build(space, space.domains.random(np.random.default_rng(0)))
    module = JaredModule(make_evaluator(steps=4, encoder_learning_rate=0.1).recipe)
    module.set_model(network)
    groups = module.configure_optimizers()["optimizer"].param_groups
    rates = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    expected = {name: 0.1 if name.startswith(("stem.", "stages.")) else 1.0 for name, _ in network.named_parameters()}
    rate = module.recipe.learning_rate
    assert {name: rates[id(p)] / rate for name, p in network.named_parameters()} == pytest.approx(expected)


def test_a_precision_that_cannot_run_is_no_other_one(make_evaluator, tiny):
    if torch.cuda.is_available():
        pytest.skip("a GPU runs it")
    evaluator = make_evaluator(steps=3, precision="16-mixed")
    for attempt in (evaluator.check_here, lambda: evaluator.evaluate(tiny())):
        with pytest.raises(EdnasError, match=r"'16-mixed' cannot run here: it would train in 'bf16-mixed'"):
            attempt()
