"""The patches: each still needed (else it can go), each works."""

from __future__ import annotations

import pytest

from ednas_nni import compat

compat.apply()


def test_layer_choice_takes_several_arguments() -> None:
    import torch
    from nni.nas.nn.pytorch import LayerChoice, ModelSpace

    class Add(torch.nn.Module):
        def forward(self, a, b):
            return a + b

    class Space(ModelSpace):
        def __init__(self):
            super().__init__()
            self.choice = LayerChoice([Add(), Add()], label="x")

    assert Space().choice(torch.ones(1), torch.ones(1)).item() == 2


def test_layer_choice_patch_is_still_needed() -> None:
    """When this fails, NNI takes several arguments by itself and compat/layer_choice.py can go."""
    import inspect

    import nni.nas.nn.pytorch.choice as choice

    assert "def forward(self, x):" in inspect.getsource(choice)


def test_torchvision_imports() -> None:
    import torchvision.transforms.v2 as v2

    assert v2.functional is not None


def test_enas_loader() -> None:
    from ednas_nni.compat.enas import TaggedLoaders, lightning_unpacks

    loader = TaggedLoaders(train=[(1, 2), (3, 4)], val=[(5, 6)])
    assert len(loader) == 3
    assert list(loader) == [((1, 2), "train"), ((3, 4), "train"), ((5, 6), "val")]
    import pytorch_lightning

    if tuple(map(int, pytorch_lightning.__version__.split(".")[:2])) < (2, 1):
        pytest.skip("the installed Lightning does not need this patch")
    assert lightning_unpacks()
