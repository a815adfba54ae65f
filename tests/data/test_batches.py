"""Batches: right shapes and ranges, drawn from the seed alone, mirrored consistently."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni.compat.vision import tv_tensors
from ednas_nni.data.augment import Augmentation, Box
from ednas_nni.data.batches import BatchDataset, BatchItem, SeededBatches, loader
from ednas_nni.data.targets import class_batch, depth_batch, normals_batch
from ednas_nni.errors import DataError, StudyError
from scenes.rooms import Rooms

MIRROR = torch.tensor([-1.0, 1.0, 1.0])[None, :, None, None]


class Label:
    """A target made of one label as it is."""

    def __init__(self, name, make):
        self.requires, self.make = (name,), make

    def target(self, rows):
        return self.make(rows[self.requires[0]])


TARGETS = {
    "segmentation": Label("segmentation", class_batch),
    "depth": Label("depth", lambda rows: depth_batch(rows, "metric")),
    "normals": Label("normals", normals_batch),
}
FLIP, PLAIN = Augmentation(flip=0.5), Augmentation(flip=0.0)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def epoch(**options) -> list[dict[str, torch.Tensor]]:
    return list(loader(**options))


def equal(first: list, second: list) -> bool:
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in zip(first, second, strict=True)
    )


def test_shapes_types_and_values(rooms: Rooms) -> None:
    split = rooms.split("train")
    batch = next(iter(loader(split, TARGETS, batch_size=8)))
    assert batch["image"].shape == (8, 3, 32, 64) and batch["image"].dtype == torch.float32
    assert batch["image"].min() >= 0 and batch["image"].max() <= 1
    assert batch["segmentation"].shape == (8, 32, 64) and batch["segmentation"].dtype == torch.int64
    assert batch["depth"].shape == (8, 1, 32, 64) and batch["depth"].dtype == torch.float32
    assert batch["normals"].shape == (8, 3, 32, 64) and batch["normals"].dtype == torch.float32
    assert all(tensor.is_contiguous() for name, tensor in batch.items() if name != "image")
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal((batch["image"][3] * 255).round().byte().permute(1, 2, 0).numpy(), split.image[3])
    np.testing.assert_array_equal(batch["depth"][3, 0].numpy(), split.depth[3])


def test_only_the_targets_asked_for(rooms: Rooms) -> None:
    batch = next(iter(loader(rooms.split("train"), {"depth": TARGETS["depth"]}, batch_size=2)))
    assert set(batch) == {"image", "depth"}


def test_an_epoch_holds_every_image_once(rooms: Rooms) -> None:
    split = rooms.split("train")
    plain = loader(split, {}, batch_size=8)
    assert [len(b["image"]) for b in plain] == [8, 8, 4] and len(plain) == 3
    assert [len(b["image"]) for b in loader(split, {}, batch_size=8, drop_last=True)] == [8, 8]
    shuffled = torch.cat([b["image"] for b in loader(split, {}, batch_size=8, shuffle=True, seed=4)])
    straight = torch.cat([b["image"] for b in plain])
    assert not torch.equal(shuffled, straight)
    assert torch.equal(shuffled.sum((1, 2, 3)).sort()[0], straight.sum((1, 2, 3)).sort()[0])


def test_equal_seed_equal_batches(rooms: Rooms) -> None:
    options = {"split": rooms.split("train"), "targets": TARGETS, "shuffle": True, "augmentation": FLIP}
    torch.manual_seed(1)
    np.random.seed(1)
    one = loader(**options, seed=3)
    first = [list(one), list(one)]
    torch.manual_seed(2)
    np.random.seed(2)
    two = loader(**options, seed=3)
    second = [list(two), list(two)]
    assert equal(first[0], second[0]) and equal(first[1], second[1])
    assert not equal(first[0], first[1]), "each epoch is another draw"
    assert not equal(first[0], epoch(**options, seed=4))


def test_a_draw_from_global_state_would_be_noticed(rooms: Rooms) -> None:
    class Careless(SeededBatches):
        def __iter__(self):
            order = np.random.permutation(self.length)
            yield [BatchItem(int(i), False) for i in order]

    dataset = BatchDataset(rooms.split("train"), TARGETS)
    draws = []
    for state in (1, 2):
        np.random.seed(state)
        draws.append([dataset.__getitems__(picks) for picks in Careless(20, (32, 64), 20, True, 3, PLAIN, False)])
    assert not equal(*draws)


def test_mirrored_twice_is_the_same(rooms: Rooms) -> None:
    split = rooms.split("train")
    batch = BatchDataset(split, TARGETS).__getitems__([BatchItem(i, True) for i in range(6)])
    straight = BatchDataset(split, TARGETS).__getitems__(range(6))
    for name in ("image", *TARGETS):
        assert not torch.equal(batch[name], straight[name])
        again = batch[name].flip(-1) * (MIRROR if name == "normals" else 1)
        assert torch.equal(again, straight[name])


def test_zoomed_labels_stay_on_their_image(rooms: Rooms) -> None:
    split = rooms.split("train")
    box = Box(8, 20, 16, 32)
    batch = BatchDataset(split, TARGETS).__getitems__([BatchItem(0), BatchItem(1, False, box), BatchItem(2, True, box)])
    straight = BatchDataset(split, TARGETS).__getitems__([0, 1, 2])
    rows, columns = 8 + np.arange(32) // 2, 20 + np.arange(64) // 2
    for name, factor in (("segmentation", 1), ("depth", 0.5), ("normals", 1)):
        expected = straight[name][1][..., rows, :][..., columns] * factor
        assert torch.allclose(batch[name][1].float(), expected.float())
        assert torch.equal(batch[name][0], straight[name][0])
    mirrored = straight["normals"][2][:, rows][:, :, columns].flip(-1) * MIRROR[0]
    assert torch.equal(batch["normals"][2], mirrored)
    assert batch["image"].shape == straight["image"].shape and not torch.equal(batch["image"][1], straight["image"][1])
    assert type(batch["depth"]) is torch.Tensor


def normals_fit_depth(batch: dict[str, torch.Tensor]) -> bool:
    """On walls that face sideways depth falls towards the side the normal points away from."""
    slope = batch["depth"][:, 0, :, 1:] - batch["depth"][:, 0, :, :-1]
    sideways = batch["normals"][:, 0, :, 1:]
    clear = (sideways.abs() > 0.8) & (slope.abs() < 0.1)
    # A surface that faces left (x < 0) lies on the right: coming nearer to the right edge.
    return bool(((slope[clear] > 0) == (sideways[clear] > 0)).float().mean() > 0.9)


def test_mirrored_normals_still_fit_the_depth(rooms: Rooms) -> None:
    picks = [BatchItem(i, True) for i in range(20)]
    split = rooms.split("train")
    assert normals_fit_depth(BatchDataset(split, TARGETS).__getitems__(range(20)))
    assert normals_fit_depth(BatchDataset(split, TARGETS).__getitems__(picks))
    # As a mask, they move and keep their direction.
    forgetful = Label("normals", lambda rows: normals_batch(rows).as_subclass(tv_tensors.Mask))
    assert not normals_fit_depth(BatchDataset(split, {**TARGETS, "normals": forgetful}).__getitems__(picks))


def test_half_of_the_images_are_mirrored() -> None:
    flags = [pick.mirrored for batch in SeededBatches(2000, (32, 64), 8, True, 0, FLIP, False) for pick in batch]
    assert 0.45 < np.mean(flags) < 0.55
    assert not any(pick.mirrored for batch in SeededBatches(50, (32, 64), 8, True, 0, PLAIN, False) for pick in batch)


def test_zooms_are_drawn_evenly_and_stay_inside() -> None:
    drawn = Augmentation.parse("flip_zoom")
    boxes = [pick.box for batch in SeededBatches(3000, (32, 64), 8, True, 0, drawn, False) for pick in batch]
    assert 0.28 < np.mean([box is None for box in boxes]) < 0.38
    sizes = {(box.height, box.width) for box in boxes if box}
    assert sizes == {(27, 53), (21, 43)}
    found = [box for box in boxes if box]
    assert all(0 <= b.top <= 32 - b.height and 0 <= b.left <= 64 - b.width for b in found)
    assert min(b.left for b in found) == 0 and max(b.left + b.width for b in found) == 64


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("flop", "Did you mean 'flip'"),
        (3, "augmentation is 3"),
        ({"flips": 1}, "unknown option 'flips'"),
        ({"flip": 2}, "flip is 2; it must be a probability"),
        ({"zoom": [0.5]}, r"zoom is \[0.5\]; it must be a list of factors from 1 to 4"),
        ({"zoom": 2}, "zoom is 2"),
    ],
)
def test_wrong_augmentations_are_refused(value, words) -> None:
    with pytest.raises(StudyError, match=words):
        Augmentation.parse(value)


def test_wrong_arguments_are_refused(rooms: Rooms) -> None:
    split = rooms.split("train")
    with pytest.raises(DataError, match="no target 'edges'"):
        loader(split, {"edges": Label("edges", class_batch)})
    with pytest.raises(DataError, match="batch_size"):
        loader(split, TARGETS, batch_size=0)
    with pytest.raises(DataError, match="nothing remains"):
        loader(split, TARGETS, batch_size=21, drop_last=True)
