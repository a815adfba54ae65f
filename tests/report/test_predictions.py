"""Example predictions: reading them safely, and how well they agree."""

from __future__ import annotations

import numpy as np
import pytest

from ednas_nni.report import style
from ednas_nni.report.predictions import Map, find_examples, predictions_plot, read_examples


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_kinds_follow_from_the_arrays(synthetic, tmp_path):
    found = read_examples(save(tmp_path / "e.npz", **synthetic.examples()))
    assert {m.task: m.kind for m in found.maps} == {
        "segmentation": "classes",
        "depth": "length",
        "normals": "directions",
    }
    assert found.image.shape == (3, 32, 64, 3)


def test_the_word_target_is_read_as_well(synthetic, tmp_path):
    arrays = {name.replace("truth", "target"): a for name, a in synthetic.examples().items()}
    assert len(read_examples(save(tmp_path / "e.npz", **arrays)).maps) == 3


def test_large_images_are_thinned_out(tmp_path):
    big = np.zeros((9, 512, 1024, 3), np.uint8)
    labels = np.zeros((9, 512, 1024), np.uint8)
    found = read_examples(save(tmp_path / "e.npz", image=big, seg_prediction=labels, seg_truth=labels))
    assert found.image.shape == (4, 256, 512, 3) and found.maps[0].truth.shape == (4, 256, 512)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"image": np.zeros((1, 4, 4), np.uint8)}, "image"),
        ({"image": np.zeros((0, 4, 4, 3), np.uint8)}, "image"),
        ({"depth_truth": np.zeros((3, 5, 5), np.float32)}, "depth_prediction"),
        ({"depth_truth": np.array([{"a": 1}], dtype=object)}, "cannot be read"),
    ],
)
def test_wrong_files_are_refused(synthetic, tmp_path, change, word):
    path = save(tmp_path / "e.npz", **{**synthetic.examples(), **change})
    with pytest.raises(ValueError, match=word):
        read_examples(path)


def test_torn_files_are_refused(synthetic, tmp_path):
    path = save(tmp_path / "e.npz", **synthetic.examples())
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match="cannot be read"):
        read_examples(path)


def test_find_refuses_a_job_that_is_no_name(synthetic, tmp_path):
    path = synthetic.leave(tmp_path, "job1", synthetic.examples())
    assert find_examples(tmp_path, "job1") == path
    for job in (None, "", "*", "../job1", "job2"):
        assert find_examples(tmp_path, job) is None


def test_agreement_leaves_invalid_pixels_out():
    truth = np.array([[[1, 255], [2, 2]]])
    guess = np.array([[[1, 1], [2, 0]]])
    assert Map("s", "classes", truth, guess).agreement(0)[0] == pytest.approx(2 / 3)
    depth, answer = np.array([[[2.0, 0.0]]], np.float32), np.array([[[2.5, 9.0]]], np.float32)
    assert Map("d", "length", depth, answer).agreement(0)[0] == pytest.approx(0.5)
    assert abs(answer - depth).mean() != pytest.approx(0.5)  # a mean over all pixels is noticed


def test_agreement_of_directions():
    truth = np.zeros((1, 1, 3, 3), np.float32)
    truth[0, 0, 0], truth[0, 0, 1] = (0, 0, 1), (0, 1, 0)
    guess = np.tile(np.array([0, 0, 2], np.float32), (1, 1, 3, 1))
    assert Map("n", "directions", truth, guess).agreement(0)[0] == pytest.approx(45.0)


def test_agreement_without_a_valid_pixel_is_nan():
    nothing = np.zeros((1, 2, 2), np.float32)
    assert np.isnan(Map("d", "length", nothing, nothing).agreement(0)[0])


def test_a_plot_of_broken_predictions(synthetic, tmp_path, monkeypatch):
    monkeypatch.setattr(style, "DPI", 30)
    arrays = synthetic.examples(n=1)
    arrays["depth_prediction"][:] = np.nan
    arrays["segmentation_prediction"][:] = -1
    arrays["normals_truth"][:] = 0
    with style.look():
        png = style.png(
            predictions_plot(
                read_examples(save(tmp_path / "e.npz", **arrays)),
                legends={"segmentation": ("wall",)},
                units={"depth": "m"},
            )
        )
    assert png.startswith(b"\x89PNG")


def test_a_map_is_named_by_its_own_task(synthetic, tmp_path, monkeypatch):
    """Not by the data's classes or depth: a plug-in's values 0 and 1 are not the first two classes of the data set."""
    texts = []
    arrays = {name.replace("segmentation", "ground"): array for name, array in synthetic.examples(n=1).items()}
    examples = read_examples(save(tmp_path / "e.npz", **arrays))
    with style.look():
        figure = predictions_plot(examples, legends={"ground": ("free",)}, units={"depth": "1/m"})
    for axes in figure.axes:
        texts += [axes.get_xlabel()]
        texts += [text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else []
    assert "[1/m], black: not measured" in texts and any(text.startswith("class ") for text in texts)
    assert "bed" not in texts
