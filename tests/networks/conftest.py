"""One small trained network for the tests of this folder."""

from __future__ import annotations

import pytest
import torch

from ednas_nni.networks.network import Network
from tests.small_networks import small_network


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Network:
    torch.set_num_threads(1)
    network = small_network()
    network.save(tmp_path_factory.mktemp("networks") / "small")
    return network
