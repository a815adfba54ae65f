"""Cycle counts against a published simulator: scalesim 3.0.0, 64 x 64 array, no stalls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.edge_tpu.systolic import weight_stationary_cycles

# name, output pixels, kernel area * input channels, output channels, weight-stationary cycles
GOLDEN = [
    ("stem 3x3 stride 2, 225x225x3 -> 32", 112 * 112, 27, 32, 12733),
    ("1x1, 14x14, 64 -> 384", 14 * 14, 64, 384, 2315),
    ("3x3, 16x16, 64 -> 384", 14 * 14, 576, 384, 20843),
    ("1x1, 7x7, 960 -> 320", 7 * 7, 960, 320, 17924),
    ("one channel of a 3x3 depthwise, 58x58", 56 * 56, 9, 1, 3325),
]


def without_drain(pixels, reduction, channels, rows=64, columns=64):
    """A broken form: forgets that each fold fills and drains the array."""
    return -(-reduction // rows) * -(-channels // columns) * (rows + pixels) - 1


def mismatches(weight_stationary):
    return [name for name, m, k, n, ws in GOLDEN if weight_stationary(m, k, n) != ws]


def test_weight_stationary_equals_the_simulator_and_the_check_rejects_a_broken_form():
    assert mismatches(weight_stationary_cycles) == []
    assert len(mismatches(without_drain)) == len(GOLDEN)


sizes = st.integers(1, 5000)


@given(sizes, sizes, sizes, sizes)
def test_more_work_never_takes_fewer_cycles(m, k, n, more):
    base = weight_stationary_cycles(m, k, n)
    assert weight_stationary_cycles(m + more, k, n) >= base
    assert weight_stationary_cycles(m, k + more, n) >= base
    assert weight_stationary_cycles(m, k, n + more) >= base
    assert base >= m * k * n / (64 * 64)
