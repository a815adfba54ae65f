"""What a host does with the raw outputs of an exported network."""

import numpy as np


def enlarged(x, n):
    """(C, h, w) to (C, n h, n w): bilinear, half-pixel centres; classes, which are whole numbers: the nearest."""
    if x.dtype.kind in "iu":
        rows, columns = (((np.arange(round(n * side)) + 0.5) / n).astype(int) for side in x.shape[-2:])
        return x[..., rows[:, None], columns].reshape(len(rows), len(columns))
    for axis in (1, 2):
        size = x.shape[axis]
        at = np.clip((np.arange(round(n * size)) + 0.5) / n - 0.5, 0, size - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape((1, -1, 1) if axis == 1 else (1, 1, -1))
        x = x.take(low, axis) * (1 - share) + x.take(np.minimum(low + 1, size - 1), axis) * share
    return x


def decoded(x, result):
    """A raw output (C, H, W) as classes, lengths or directions."""
    if result["decode"] == "argmax":
        return x.argmax(0)
    if result["decode"] == "above_zero":
        return (x[0] > 0).astype(int)
    if result["decode"] == "softplus":
        return np.logaddexp(0, x) * result["factor"]
    if result["decode"] == "normalize":
        return x / np.maximum(np.sqrt((x * x).sum(0, keepdims=True)), 1e-12)
    return x
