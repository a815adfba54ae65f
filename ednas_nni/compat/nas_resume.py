"""A `NasExperiment` on the training service cannot be resumed.

Faults: nni 3.0.
1. nni/runtime/tuner_command_channel/channel.py: `receive` raises for commands that NAS does not use. On a resume NNI
   sends two of them (ImportData, AddCustomizedTrialJob); the listener's thread dies and the strategy waits for ever.
2. nni/nas/utils/serializer.py: `torch.load` without `weights_only`, which torch >= 2.6 rejects for the states of NNI's
   strategies (`Individual`, numpy's random state).
Upstream: not reported. Can go when both are handled there. The load stays one that runs no code: what NNI's strategies
put into their states is named to torch, anything else is rejected.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ednas_nni.compat import patch

UNUSED = "Unknown command type"


def apply() -> None:
    """Pass over the commands, and load states without running code."""
    from nni.nas.utils.serializer import TorchSerializer
    from nni.runtime.tuner_command_channel import TunerCommandChannel

    patch(TunerCommandChannel, "receive", _passing_over)
    patch(TorchSerializer, "load", _without_code)


def _passing_over(own: Callable[..., object]) -> Callable[..., object]:
    def receive(self: object) -> object:
        while True:
            try:
                return own(self)
            except ValueError as error:
                if not str(error).startswith(UNUSED):
                    raise

    return receive


def _without_code(_own: Callable[..., object]) -> Callable[..., object]:
    def load(self: Any, path: Path) -> object:
        import torch
        from nni.nas.utils.serializer import _find_path_with_prefix

        file = _find_path_with_prefix(path, self.suffix)
        with torch.serialization.safe_globals(_parts_of_states()):
            return torch.load(str(file), map_location=self._map_location, weights_only=True)

    return load


def _parts_of_states() -> list[Any]:
    """Classes and functions that states of NNI's strategies consist of; none of them runs code of the file."""
    import numpy as np
    from nni.nas.strategy.evolution import Individual

    kinds = {type(np.dtype(kind)) for kind in ("u4", "u8", "i4", "i8", "f4", "f8", "U1")}
    rebuild = np.zeros(1).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    return [Individual, np.ndarray, np.dtype, rebuild, scalar, *kinds]
