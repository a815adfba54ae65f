"""Wrong studies by the hundred: the shipped ones with one thing of each kind of wrong put into one field."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from typing import Any

import yaml

from ednas_nni.cli.init_command import packaged

Config = dict[str, Any]
Path = tuple[str | int, ...]

VALUES: dict[str, Any] = {
    "text": "x", "empty": "", "zero": 0, "negative": -1, "huge": 10**12, "large": 10**6, "fraction": 1.5, "two": 2,
    "tiny": 1e-300, "true": True, "null": None, "list": [], "nested": [[1]], "mapping": {}, "wrong": {"x": 1},
    "nan": ".nan", "proc": "/proc/x", "device": "/dev/null", "missing": "/nowhere/at/all", "named": {"name": "x"},
}  # fmt: skip
PLUGINS = {
    "function": "ednas_nni.study.objectives:reward", "class": "ednas_nni.errors:StudyError",
    "space": "search_spaces:nano", "strategy": "strategies.ednas:Ednas",
    "evaluator": "ednas_nni.training.jared:JaredEvaluator", "task": "tasks.depth.task:Depth",
    "one shot": "nni.nas.strategy:DARTS", "module": "ednas_nni.study:parse",
}  # fmt: skip


def base() -> Config:
    """An experiment in which every field and many options stand."""
    config = yaml.safe_load(packaged("separate.yml"))
    study = config["tuner"]["classArgs"]
    config |= {"maxExperimentDuration": "3h", "maxTrialDuration": "1h", "experimentWorkingDirectory": "exps"}
    study |= {
        "space": "nano",
        "data": {"name": "rooms", "train": 64, "search": 8, "select": 8, "test": 8, "seed": 0, "holes": 0.0,
                 "missing": 0.0, "degraded": "train", "shadows": True, "cache": None},
        "evaluator": {"name": "jared", "steps": 50, "batch_size": 8, "learning_rate": 0.02, "weighting": "fixed",
                      "depth_loss": "jared", "reports": 6, "threads": 1, "examples": 3, "depth_relative_scale": 1.0,
                      "task_options": {"segmentation": {"class_weights": "balanced"}}, "weight_decay": 1e-4,
                      "augmentation": {"flip": 0.5, "zoom": [1.0, 1.2]}, "protocol": "standard", "warmup": 0.1,
                      "cooldown": 0.5, "gradient_clip": 5.0, "average": 0.0, "accelerator": "cpu",
                      "precision": "32-true", "scored_on": "search", "compile": False},
        "strategy": {"name": "regularized_evolution", "population_size": 8, "sample_size": 4, "mutation_prob": 0.1,
                     "crossover": False, "seed": 0},
        "hardware_aware": {"cost": "latency_ms", "target": 15, "reward": "log", "weight": -0.07},
        "device": ["edge_tpu", {"name": "roofline", "profile": "phone_cpu"}],
        "trial_start": "prefork", "trial_time_limit_s": 3600, "retries": 1, "stop_after_failures": 5,
        "allow_open_port": False, "init_from": None, "reference": None, "start": ["mobilenet_v2_small"],
    }  # fmt: skip
    return config


def paths(node: Any, at: Path = ()) -> Iterator[Path]:
    """Every place of a tree but its root."""
    if at:
        yield at
    if isinstance(node, dict):
        for key, below in node.items():
            yield from paths(below, (*at, key))
    elif isinstance(node, list):
        for i, below in enumerate(node):
            yield from paths(below, (*at, i))


def at(node: Any, path: Path) -> Any:
    for part in path:
        node = node[part]
    return node


def put(config: Config, path: Path, value: Any) -> Config:
    new = copy.deepcopy(config)
    at(new, path[:-1])[path[-1]] = float("nan") if value == ".nan" else value
    return new


def mutants() -> Iterator[tuple[str, Config]]:
    """(what was done, the experiment)."""
    whole = base()
    for path in paths(whole):
        name = ".".join(map(str, path)).removeprefix("tuner.classArgs.")
        for kind, value in VALUES.items():
            if value != at(whole, path) or type(value) is not type(at(whole, path)):
                yield f"{name} = {kind}", put(whole, path, value)
        if isinstance(path[-1], str):
            yield f"{name} misspelt", misspelt(whole, path)
    for field in ("space", "data", "evaluator", "strategy", "device"):
        for kind, plugin in PLUGINS.items():
            yield f"{field} = a {kind}", put(whole, ("tuner", "classArgs", field), plugin)


def misspelt(config: Config, path: Path) -> Config:
    new = copy.deepcopy(config)
    owner = at(new, path[:-1])
    owner[f"{path[-1]}z"] = owner.pop(path[-1])
    return new


SENSIBLE = {
    "experimentName": "text empty null proc device missing",
    "trialCodeDirectory": "null",
    "maxTrialNumber": "two null",
    "tuner.classArgs": "null mapping",
    "data.search": "two",
    "data.select": "two",
    "data.test": "two",
    "data.seed": "large two",
    "data.holes": "zero tiny",
    "data.missing": "zero tiny",
    "data.cache": "missing" if os.getuid() == 0 else "",  # root may make any folder
    "evaluator.steps": "large",
    "evaluator.batch_size": "two",
    "evaluator.depth_loss": "null",
    "evaluator.reports": "two",
    "evaluator.threads": "two null",
    "evaluator.examples": "zero two",
    "evaluator.depth_relative_scale": "zero large fraction two tiny null",
    "evaluator.task_options": "null mapping",
    "evaluator.task_options.segmentation": "mapping",
    "evaluator.task_options.segmentation.class_weights": "null",
    "evaluator.weight_decay": "zero tiny",
    "evaluator.augmentation": "mapping",
    "evaluator.augmentation.flip": "zero tiny",
    "evaluator.augmentation.zoom": "list",
    "evaluator.augmentation.zoom.1": "fraction two",
    "evaluator.warmup": "zero tiny",
    "evaluator.cooldown": "zero tiny null",
    "evaluator.gradient_clip": "zero large fraction two",
    "evaluator.average": "zero tiny",
    "evaluator.compile": "true",
    "constraints": "list",
    "strategy.sample_size": "two",
    "strategy.crossover": "true",
    "strategy.seed": "large two null",
    "start": "list",
    "seed": "large two",
    "hardware_aware": "true mapping",
    "hardware_aware.target": "fraction two null",
    "hardware_aware.weight": "zero negative",
    "trial_time_limit_s": "large fraction two null",
    "retries": "zero two",
    "stop_after_failures": "zero two",
    "allow_open_port": "true",
    "maxExperimentDuration": "large two null",
    "maxTrialDuration": "large two null",
    "experimentWorkingDirectory": "text missing" if os.getuid() == 0 else "text",
}
"""Field -> kinds of value that `ednas check` accepts, each looked at and found to mean something."""


def accepted() -> set[str]:
    """Names of mutants that may pass."""
    right = {"space = a space", "evaluator = a evaluator"}  # plugins by path, of the right kind
    return right | {f"{field} = {kind}" for field, kinds in SENSIBLE.items() for kind in kinds.split()}
