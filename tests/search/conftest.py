from __future__ import annotations

import pytest
import torch

from ednas_nni.record.journal import Journal

torch.set_num_threads(1)


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "j.jsonl")
    yield opened
    opened.close()
