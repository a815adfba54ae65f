"""All metrics once more, from their definitions: plain numpy, float64, whole split at once, nothing of ours imported.

Arguments are arrays of the whole split: class indices (N, H, W), depth (N, 1, H, W), vectors (N, 3, H, W).
"""

from __future__ import annotations

import math

import numpy as np

IGNORE = 255
LIMITS = {"11_25": 11.25, "22_5": 22.5, "30": 30.0}
DEPTH_SUFFIX = {"m": "_m", "1/m": "_per_m", "px": "_px", "1": ""}


def segmentation(guess, truth, classes, ignore=IGNORE):
    """Sets of pixels instead of a confusion matrix."""
    keep = truth != ignore
    names = ("miou", "pixel_accuracy")
    if not keep.any() or ((guess < 0) | (guess >= classes))[keep].any():
        return dict.fromkeys(names, math.nan)
    ious = []
    for c in range(classes):
        g, t = (guess == c) & keep, (truth == c) & keep
        if g.any() or t.any():
            ious.append((g & t).sum() / (g | t).sum())
    return dict(zip(names, (np.mean(ious), (guess == truth)[keep].mean()), strict=True))


def depth(guess, truth, unit="m", maximum=None):
    s = DEPTH_SUFFIX[unit]
    names = (f"abs_error{s}", "rel_error", f"rmse{s}", "delta1", "delta2", "delta3")
    keep = np.isfinite(truth) & (truth > 0)
    p, g = guess[keep].astype(np.float64), truth[keep].astype(np.float64)
    if not keep.any() or not np.isfinite(p).all():
        return dict.fromkeys(names, math.nan)
    positive = p > 0
    p = np.minimum(np.maximum(p, np.finfo(np.float32).tiny), math.inf if maximum is None else maximum)
    values = [np.mean(np.abs(p - g)), np.mean(np.abs(p - g) / g), np.sqrt(np.mean((p - g) ** 2))]
    values += [np.mean((np.maximum(p / g, g / p) < 1.25**k) & positive) for k in (1, 2, 3)]
    return dict(zip(names, values, strict=True))


def angles_deg(a, b):
    """Angle between rows of two arrays (n, 3): twice the arc tangent of half-lengths (Kahan), exact near 0 and 180."""
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1)))


def _summary(angle, names, inclusive=False, scale=1.0):
    below = np.less_equal if inclusive else np.less
    shares = [scale * np.mean(below(angle, limit)) for limit in LIMITS.values()]
    return dict(zip(names, (np.mean(angle), np.median(angle), *shares), strict=True))


def normals(guess, truth):
    names = ("mean_deg", "median_deg", *(f"within_{name}" for name in LIMITS))
    keep = np.sum(truth.astype(np.float64) ** 2, axis=1) > 0.25
    p, g = np.moveaxis(guess, 1, -1)[keep].astype(np.float64), np.moveaxis(truth, 1, -1)[keep].astype(np.float64)
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(p).all() and (np.linalg.norm(p, axis=1) > 0).all()
    if not keep.any() or not usable:
        return dict.fromkeys(names, math.nan)
    return _summary(angles_deg(p, g), names)


def nearest(values, size):
    """Arrays (..., h, w) at another size, as torch's `nearest` picks pixels: row floor(i h / H)."""
    (h, w), (new_h, new_w) = values.shape[-2:], size
    return values[..., (np.arange(new_h) * h // new_h)[:, None], np.arange(new_w) * w // new_w]


def adashare_segmentation(guess, truth, classes, void_label, ignore=IGNORE):
    """As AdaShare has it, for labels that mark unlabelled pixels by `void_label` (255 or -1) in its own files."""
    names = ("adashare_miou", "adashare_pixel_accuracy")
    guess = nearest(guess, truth.shape[-2:])
    keep = truth != ignore
    if not keep.any() or ((guess < 0) | (guess >= classes))[keep].any():
        return dict.fromkeys(names, math.nan)
    theirs = np.where(keep, truth, void_label)
    accuracies = []
    for g, t, k in zip(guess, theirs, keep, strict=True):
        if k.any():
            judged = t < classes
            accuracies.append(np.mean((g == t)[judged] & (g >= 0)[judged]))  # void is -1, a prediction never is
    matrix = np.zeros((classes, classes))
    np.add.at(matrix, (truth[keep], guess[keep]), 1)
    hit = np.diag(matrix)
    ious = [hit[c] / (matrix[c].sum() + matrix[:, c].sum() - hit[c]) for c in range(classes) if hit[c] != 0]
    return dict(zip(names, (np.mean(ious) if ious else math.nan, np.mean(accuracies)), strict=True))


def adashare_depth(guess, truth, unit="m"):
    """Ratios in float32 as in its code, since a ratio equal to a limit counts; errors per image."""
    names = (f"adashare_abs_error{DEPTH_SUFFIX[unit]}", "adashare_rel_error",
             "adashare_delta1", "adashare_delta2", "adashare_delta3")  # fmt: skip
    guess, truth = nearest(guess, truth.shape[-2:]).astype(np.float32), truth.astype(np.float32)
    keep = (truth > np.float32(3e-5)) & np.isfinite(truth)
    if not keep.any() or not np.isfinite(guess[keep]).all():
        return dict.fromkeys(names, math.nan)
    absolute, relative, ratios = [], [], []
    for p, g, k in zip(guess, truth, keep, strict=True):
        if k.any():
            p, g = p[k], g[k]
            error = np.abs(p - g)
            absolute.append(np.mean(error, dtype=np.float64))
            relative.append(np.mean(error / g, dtype=np.float64))
            with np.errstate(divide="ignore"):
                ratios.append(np.maximum(p / g, g / p))
    ratio = np.concatenate(ratios)
    deltas = [100 * np.mean(ratio <= 1.25**k) for k in (1, 2, 3)]
    return dict(zip(names, (np.mean(absolute), np.mean(relative), *deltas), strict=True))


def stored_bytes(vectors):
    """(..., 3) directions, x right, y up, z to the camera -> what the red, green and blue of AdaShare's files hold."""
    return (np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1) + 1) / 2 * 255


def adashare_normals(guess, truth):
    """Angles between whole bytes of the labels and bytes of the predictions, scaled to unit length as they are."""
    names = ("adashare_mean_deg", "adashare_median_deg", *(f"adashare_within_{name}" for name in LIMITS))
    guess = nearest(guess, truth.shape[-2:])
    keep = np.any(truth != 0, axis=1)
    p, g = np.moveaxis(guess, 1, -1)[keep].astype(np.float64), np.moveaxis(truth, 1, -1)[keep].astype(np.float64)
    if not keep.any() or not np.isfinite(p).all():
        return dict.fromkeys(names, math.nan)
    p = stored_bytes(p / np.linalg.norm(p, axis=1, keepdims=True))
    g = np.minimum(np.rint(stored_bytes(g)), 254)
    return _summary(angles_deg(p, g), names, inclusive=True, scale=100.0)
