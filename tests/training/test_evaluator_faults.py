"""Trials that fail and arguments that are wrong: what is raised, and that no number is reported."""

from __future__ import annotations

import pytest
import torch

from ednas_nni.errors import EdnasError, StudyError, TrialError


class Poisoned(torch.nn.Module):
    """Gives NaN for one task, in training or only when it is scored."""

    def __init__(self, inner, task, only_scoring):
        super().__init__()
        self.inner, self.task, self.only_scoring = inner, task, only_scoring

    def forward(self, x):
        outputs = self.inner(x)
        if not (self.only_scoring and self.training):
            outputs[self.task] = outputs[self.task] * float("nan")
        return outputs


@pytest.mark.parametrize("only_scoring", [False, True])
@pytest.mark.parametrize("task", ["segmentation", "depth", "normals"])
def test_nan_is_a_failed_trial_with_a_cause(task, only_scoring, make_evaluator, tiny):
    with pytest.raises(TrialError, match=task) as caught:
        make_evaluator().evaluate(Poisoned(tiny(), task, only_scoring))
    assert "learning rate" in str(caught.value)


def test_exploding_weights_are_a_failed_trial(make_evaluator, tiny):
    network = tiny()
    with torch.no_grad():
        network.heads["depth"].weight.fill_(1e38)
    with pytest.raises(TrialError, match="not"):
        make_evaluator(learning_rate=1.0, gradient_clip=0.0, reports=1).evaluate(network)


def test_no_number_is_reported_for_a_failed_trial(make_evaluator, tiny, reports_to_nni):
    with reports_to_nni() as reports, pytest.raises(TrialError):
        make_evaluator().evaluate(Poisoned(tiny(), "depth", only_scoring=False))
    assert reports.intermediate == [] and reports.final == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "evaluator.steps = 0: must be at least 1"),
        ({"batch_size": 1}, "batch_size = 1"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"warmup": 1.0}, "below 1"),
        ({"tasks": ()}, "tasks"),
        ({"tasks": ("depth", "depth")}, "distinct"),
        ({"train_size": (64,)}, "train_size"),
        ({"seed": -1}, "seed"),
        ({"threads": 0}, "threads"),
        ({"cooldown": 0.95}, "at most 1 - warmup, here 0.9"),
        ({"step": 3}, "Did you mean 'steps'"),
        ({"steps": "8"}, "whole number"),
        ({"augmentation": "flop"}, "Did you mean 'flip'"),
        ({"protocol": "adashar"}, "'standard' or 'adashare'"),
        ({"score": "delta_t"}, "needs baselines"),
        ({"weighting": 3}, "weighting"),
        ({"task_options": {"edges": {}}}, "task_options"),
    ],
)
def test_wrong_arguments_name_the_field(options, words, make_evaluator):
    with pytest.raises(StudyError, match=words):
        make_evaluator(**options)


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ({"tarin": 3}, {}, "Did you mean 'train'"),
        ({"size": [64, 64]}, {}, "data.size"),
        ({}, {"tasks": ("edgs",)}, "Did you mean 'edges'"),
        ({}, {"depth_loss": "jarde"}, "Did you mean 'jared'"),
        ({}, {"weighting": "fixd"}, "Did you mean 'fixed'"),
        ({}, {"weighting": {"name": "fixed", "weight": {}}}, "Did you mean 'weights'"),
        ({}, {"task_options": {"depth": {"los": "l1"}}}, "Did you mean 'loss'"),
    ],
)
def test_wrong_options_are_found_before_training(data, options, words, make_evaluator, tiny):
    with pytest.raises(EdnasError, match=words):
        make_evaluator(data, **options).evaluate(tiny())
