"""The parts of a network add up to its counted costs."""

from __future__ import annotations

import pytest

from ednas_nni.handover.stages import stages
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse


@pytest.mark.parametrize("member", ["mobilenet_v2", "mobilenet_v2_small"])
def test_parts_add_up(member: str) -> None:
    assembled = Assembled(parse({"tasks": ["segmentation", "depth"], "deploy_size": [256, 512]}))
    sample = assembled.member(member)
    parts = stages(assembled, sample)
    costs = assembled.problem.cost_dict(assembled.domains.complete(sample))
    assert sum(part.macs for part in parts) == costs["macs"] and sum(part.params for part in parts) == costs["params"]
    names = [part.name for part in parts]
    assert names[:3] == ["stem", "stage1", "stage2"] and names[-2:] == ["head segmentation", "head depth"]
    assert len(set(names)) == len(names)
    by_name = {part.name: part for part in parts}
    assert (by_name["stem"].height, by_name["stem"].width) == (128, 256)
    assert by_name["head depth"].channels == 1 and "conv" in by_name["stem"].layers
