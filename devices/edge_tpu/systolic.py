"""Cycles of one matrix product on a systolic array, in closed form.

A convolution is the product of an (M, K) matrix of input patches with a (K, N) matrix of weights: M output pixels,
K = kernel area x input channels, N output channels. On an array of R x C cells the product is cut into folds, and
each fold fills the array, streams, and drains.

Source: Samajdar et al., "A Systematic Methodology for Characterizing Scalability of DNN Accelerators using
SCALE-Sim", ISPASS 2020, section III; the forms below equal the cycle counts of scalesim 3.0.0 without stalls.
"""

from __future__ import annotations


def weight_stationary_cycles(pixels: int, reduction: int, channels: int, rows: int = 64, columns: int = 64) -> int:
    """Cycles with the weights held in the array: `ceil(K/R) * ceil(N/C) * (2R + C + M - 2) - 1`.

    M output positions (`pixels`), K products summed into one output (`reduction`), N output channels, all >= 1; R rows
    and C columns. R cycles load the weights, the rest streams and drains.
    """
    folds = -(-reduction // rows) * -(-channels // columns)
    return folds * (2 * rows + columns + pixels - 2) - 1
