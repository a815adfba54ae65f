"""Cycle counts against a published simulator: scalesim 3.0.0, 64 x 64 array, no stalls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.devices.systolic import output_stationary_cycles, weight_stationary_cycles

# name, output pixels, kernel area * input channels, output channels, weight-stationary, output-stationary cycles
GOLDEN = [
    ("stem 3x3 stride 2, 225x225x3 -> 32", 112 * 112, 27, 32, 12733, 29987),
    ("1x1, 14x14, 64 -> 384", 14 * 14, 64, 384, 2315, 4559),
    ("3x3, 16x16, 64 -> 384", 14 * 14, 576, 384, 20843, 16847),
    ("1x1, 7x7, 960 -> 320", 7 * 7, 960, 320, 17924, 5429),
    ("one channel of a 3x3 depthwise, 58x58", 56 * 56, 9, 1, 3325, 6614),
]


def without_drain(pixels, reduction, channels, rows=64, columns=64):
    """A broken form: forgets that each fold fills and drains the array."""
    return -(-reduction // rows) * -(-channels // columns) * (rows + pixels) - 1


def mismatches(weight_stationary):
    return [name for name, m, k, n, ws, _ in GOLDEN if weight_stationary(m, k, n) != ws]


def test_weight_stationary_equals_the_simulator_and_the_check_rejects_a_broken_form():
    assert mismatches(weight_stationary_cycles) == []
    assert len(mismatches(without_drain)) == len(GOLDEN)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row[0])
def test_output_stationary_equals_the_simulator(row):
    _, m, k, n, _, cycles = row
    assert output_stationary_cycles(m, k, n) == cycles


sizes = st.integers(1, 5000)


@given(sizes, sizes, sizes, sizes)
def test_more_work_never_takes_fewer_cycles(m, k, n, more):
    for cycles in (weight_stationary_cycles, output_stationary_cycles):
        base = cycles(m, k, n)
        assert cycles(m + more, k, n) >= base
        assert cycles(m, k + more, n) >= base
        assert cycles(m, k, n + more) >= base
        assert base >= m * k * n / (64 * 64)
