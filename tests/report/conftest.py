"""A made-up search that looks like a real one, as a journal."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.record.head import DataRecord, JournalHead, TaskRecord
from ednas_nni.search.assembled import Assembled
from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.study import parse

OPS = ("ibn_k3_e3", "ibn_k3_e6", "ibn_k5_e3", "ibn_k5_e6", "fused_k3_e3", "fused_k3_e6", "fused_k5_e3")
T0 = 1_767_268_800.0
STUDY = {
    "space": "nano",
    "tasks": ["segmentation", "depth", "normals"],
    "data": "rooms",
    "train_size": [64, 128],
    "deploy_size": [512, 1024],
    "evaluator": {"name": "jared", "steps": 240},
    "objectives": ["quality", "latency_ms"],
    "device": ["edge_tpu"],
    "constraints": ["latency_ms <= 7"],
    "strategy": "ednas",
    "hardware_aware": "auto",
    "start": ["mobilenet_v2"],
    "seed": 0,
}
COLUMNS = [
    {"name": "latency_ms", "unit": "ms", "device": "edge_tpu", "origin": "modelled", "note": "held-out error mean 17%"},
    {"name": "macs", "unit": "MAC", "device": "macs", "origin": "counted", "note": "exact"},
    {"name": "params", "unit": "parameter", "device": "params", "origin": "counted", "note": "exact"},
]


def domains() -> Domains:
    found = []
    for s in range(1, 5):
        found.append(Dimension(f"stage{s}_depth", (1, 2, 3)))
        for b in range(1, 4):
            deep = frozenset(range(b, 4))
            conditions = ((),) if b == 1 else (((Literal(f"stage{s}_depth", deep),),),)
            found.append(Dimension(f"stage{s}_block{b}_op", OPS, conditions))
    return Domains(found)


def costs_of(space: Domains, sample: dict[str, Any]) -> dict[str, float]:
    latency, macs, params = 2.4, 4.1e8, 9.0e4
    for label, value in space.active(sample).items():
        if label.endswith("_op"):
            s, wide, large = int(label[5]), "e6" in value, "k5" in value
            fused = value.startswith("fused")
            latency += (0.22 if fused else 0.34) * (1.6 if wide else 1) * (1.4 if large else 1)
            macs += 2.4e8 * (2.1 if fused else 1) * (1.8 if wide else 1) / s
            params += 1.1e4 * s * s * (2.3 if fused else 1) * (1.9 if wide else 1)
    return {"latency_ms": latency, "macs": macs, "params": params}


def metrics_of(quality: float, rng: np.random.Generator) -> dict[str, float]:
    q = quality + rng.normal(0, 0.01)
    return {
        "default": quality,
        "segmentation_miou": 0.12 + 0.55 * q,
        "segmentation_pixel_accuracy": 0.45 + 0.5 * q,
        "depth_abs_error_m": 1.1 * (1 - q),
        "depth_rel_error": 0.42 * (1 - q),
        "depth_rmse_m": 1.5 * (1 - q),
        "depth_delta1": 0.3 + 0.6 * q,
        "depth_delta2": 0.6 + 0.4 * q,
        "depth_delta3": 0.8 + 0.2 * q,
        "normals_mean_deg": 42 * (1 - q),
        "normals_median_deg": 35 * (1 - q),
        "normals_within_11_25": 0.1 + 0.6 * q,
        "normals_within_22_5": 0.25 + 0.65 * q,
        "normals_within_30": 0.35 + 0.6 * q,
        "train_loss": 1.4 - q,
        "train_s": 21.0 + 30 * rng.random(),
    }


@cache
def about_data() -> dict[str, Any]:
    """What a head says of the data and of the tasks' metrics."""
    search = Assembled(parse(STUDY))
    tasks = tuple(map(TaskRecord.model_validate, search.tasks.values()))
    whole = JournalHead(data_set=DataRecord.model_validate(search.source.info), tasks=tasks).dump()
    return {name: whole[name] for name in ("data_set", "tasks")}


def write_journal(folder: Path, trials: int = 24, seed: int = 0, finished: bool = True, **changes: Any) -> Path:
    """A search of `trials` trials in `folder`; every ninth fails, and a few proposals are refused or known."""
    rng = np.random.default_rng(seed)
    space = domains()
    member = space.canonical({d.label: 2 if d.label.endswith("depth") else "ibn_k3_e6" for d in space.dimensions})
    head = {
        "experiment": folder.name, "ednas": "0.1.0", "nni": "3.0", "torch": "2.13.0", "python": "/opt/env/bin/python",
        "study": STUDY, "digest": "0123456789abcdef", "domains": space.to_json(), "columns": COLUMNS,
        "data": "f74423d33bdf4d45", "members": {"mobilenet_v2": space.architecture_id(member)}, "concurrency": 2,
        "trials": trials, **about_data(),
    } | changes  # fmt: skip
    lines = [{"event": "study", "time": T0, **head}, {"event": "start", "time": T0 + 1, "mode": "create"}]
    for number in range(trials):
        sample = member if number == 0 else space.random(rng)
        while number and costs_of(space, sample)["latency_ms"] > 7:
            architecture = space.architecture_id(sample)
            if rng.random() < 0.3:
                reasons = ["latency_ms is 7.9, allowed is <= 7"]
                lines.append({"event": "rejected", "time": T0, "architecture": architecture, "reasons": reasons})
            sample = space.random(rng)
        lines += trial_lines(space, number, sample, rng, fails=number % 9 == 5, ends=finished or number < trials - 2)
    lines.append({"event": "reused", "time": T0, "architecture": lines[2].get("architecture", "x"), "trial": 0})
    lines.append({"event": "swap", "time": T0, "job": "job03", "sent": "3333333333", "owns": "4444444444"})
    if finished:
        lines.append({"event": "finished", "time": T0 + 60 * trials, "reason": "every trial has ended"})
    return dump(folder, lines)


def trial_lines(
    space: Domains, number: int, sample: dict[str, Any], rng: np.random.Generator, fails: bool, ends: bool
) -> list[dict[str, Any]]:
    costs, began, job = costs_of(space, sample), T0 + 5 + 50 * number, f"job{number:02d}"
    architecture = space.architecture_id(sample)
    ops = [v for k, v in space.active(sample).items() if k.endswith("_op")]
    worth = sum(0.5 * v.startswith("fused") + 0.4 * ("k5" in v) + 0.3 * ("e6" in v) for v in ops)
    quality = 0.24 + 0.035 * math.log(costs["macs"] / 4e8) + 0.012 * worth + rng.normal(0, 0.02)
    both = {"trial": number, "job": job}
    head = {"trial": number, "architecture": architecture, "sample": sample, "costs": costs}
    lines = [{"event": "submitted", "time": began, **head}]
    reports = 6 if ends and not fails else 3
    for step in range(reports):
        value = quality * (1 - math.exp(-(step + 1) / 2.2)) + rng.normal(0, 0.008)
        told = {"step": step, "metrics": {"default": value}}
        lines.append({"event": "intermediate", "time": began + 6 * step, **both, **told})
    if fails:
        cause = "The loss is not finite at step 131 of 240: depth nan. The learning rate is 0.004."
        lines.append({"event": "ended", "time": began + 20, **both, "status": "failed", "cause": cause})
    elif ends:
        metrics = metrics_of(quality, rng)
        lines.append({"event": "result", "time": began + 44, **both, "architecture": architecture, "metrics": metrics})
        lines.append({"event": "ended", "time": began + 45, **both, "status": "trained", "cause": ""})
    return lines


def dump(folder: Path, lines: list[dict[str, Any]]) -> Path:
    path = folder / "ednas" / "journal.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def example_arrays(n: int = 3, height: int = 32, width: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """Boxes before a wall, with their classes, depth and normals, and a coarse guess of each."""
    rng = np.random.default_rng(seed)
    image = np.full((n, height, width, 3), 190, np.uint8)
    classes = np.full((n, height, width), 11, np.int64)
    depth = np.tile(np.linspace(5, 2, height, dtype=np.float32)[None, :, None], (n, 1, width))
    normals = np.tile(np.array([0, 0, 1], np.float32), (n, height, width, 1))
    for i in range(n):
        for _ in range(5):
            y, x = int(rng.integers(0, height - 8)), int(rng.integers(0, width - 12))
            box = (i, slice(y, y + 8), slice(x, x + 12))
            image[box] = rng.integers(30, 255, 3)
            classes[box] = rng.integers(0, 13)
            depth[box] = rng.uniform(1, 4)
            axis = rng.integers(0, 2)
            normals[box] = np.eye(3, dtype=np.float32)[axis]
    classes[:, 0], depth[:, :, 0] = 255, 0
    normals[:, :, 0] = 0
    return {
        "image": image,
        "segmentation_prediction": np.roll(classes, 2, axis=2),
        "segmentation_truth": classes,
        "depth_prediction": np.maximum(depth + rng.normal(0, 0.2, depth.shape).astype(np.float32), 0.1),
        "depth_truth": depth,
        "normals_prediction": np.roll(normals, 2, axis=2),
        "normals_truth": normals,
    }


def leave_examples(folder: Path, job: str, arrays: dict[str, np.ndarray]) -> Path:
    path = folder / "environments" / "local-env" / "trials" / job / "examples.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


@pytest.fixture
def synthetic() -> Any:
    """The functions above, for tests (which cannot import this file by name)."""
    from types import SimpleNamespace

    return SimpleNamespace(
        write=write_journal,
        dump=dump,
        examples=example_arrays,
        leave=leave_examples,
        study=STUDY,
        t0=T0,
    )
