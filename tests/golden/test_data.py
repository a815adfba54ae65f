"""Fingerprints of the rendered data sets, and what is rendered."""

from __future__ import annotations

import hashlib
import tempfile
from typing import Any

import numpy as np
import pytest

from tests.golden import recorded
from tests.golden.product import Rooms, Streets

SMALL = {"size": (48, 96), "train": 3, "search": 1, "select": 1, "test": 1}
KINDS = {"rooms": Rooms, "streets": Streets}
DRAWN = {
    "rooms, plain": ("rooms", {}),
    "rooms, seed 3, no shadows": ("rooms", {"seed": 3, "shadows": False}),
    "rooms, degraded": ("rooms", {"holes": 0.1, "missing": 0.4, "degraded": "all"}),
    "streets, plain": ("streets", {}),
    "streets, 7 classes, metric": ("streets", {"classes": 7, "depth": "metric"}),
    "streets, degraded": ("streets", {"holes": 0.1, "tiny": 0.5}),
}
DESCRIBED = {
    "rooms": ("rooms", {}),
    "rooms, 128 x 256": ("rooms", {"size": (128, 256), "train": 5000, "seed": 7}),
    "rooms, degraded": ("rooms", {"holes": 0.05, "missing": 0.2}),
    "streets": ("streets", {}),
    "streets, 7 classes, metric": ("streets", {"classes": 7, "depth": "metric", "shadows": False}),
}


def drawn(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Fingerprint, and a digest and the mean of each array of the training split."""
    with tempfile.TemporaryDirectory() as cache:
        source = KINDS[kind](**SMALL, **options, cache=cache)
        source.prepare(progress=False)
        arrays = {name: np.array(values) for name, values in source.split("train").arrays.items()}
    found = {"fingerprint": source.info.fingerprint}
    for name, values in sorted(arrays.items()):
        digest = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode() + values.tobytes()).hexdigest()
        found[name] = {"sha256": digest, "mean": float(values.astype(float).mean())}
    return found


def described(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Fingerprint and first seeds; nothing is rendered."""
    source = KINDS[kind](**options)
    first = {split: [int(seed) for seed in seeds[:3]] for split, seeds in source.seeds.items()}
    return {"fingerprint": source.info.fingerprint, "seeds": first}


def record() -> None:
    recorded.write(
        "data",
        {
            "drawn": {name: drawn(*given) for name, given in DRAWN.items()},
            "described": {name: described(*given) for name, given in DESCRIBED.items()},
        },
    )


def check(found: dict[str, Any], expected: dict[str, Any], exactly: bool) -> None:
    """Equal, or of equal means where the machine is another one."""
    if exactly:
        assert found == expected
        return
    assert found["fingerprint"] == expected["fingerprint"]
    for name in set(expected) - {"fingerprint"}:
        assert found[name]["mean"] == pytest.approx(expected[name]["mean"], rel=1e-3, abs=1e-4), name


@pytest.mark.parametrize("name", DRAWN)
def test_rendered(name: str) -> None:
    check(drawn(*DRAWN[name]), recorded.read("data")["drawn"][name], recorded.same_machine("data"))


@pytest.mark.parametrize("name", DESCRIBED)
def test_fingerprint(name: str) -> None:
    assert described(*DESCRIBED[name]) == recorded.read("data")["described"][name]


@pytest.mark.parametrize("exactly", [True, False])
def test_another_seed_is_noticed(exactly: bool) -> None:
    """The broken variant."""
    with pytest.raises(AssertionError):
        check(drawn("rooms", {"seed": 1}), recorded.read("data")["drawn"]["rooms, plain"], exactly)
