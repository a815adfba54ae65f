"""A `NasExperiment` on the training service cannot be resumed.

Faults: nni 3.0.
1. nni/runtime/tuner_command_channel/channel.py: `receive` raises for commands that NAS does not use. On a resume NNI
   sends two of them (ImportData, AddCustomizedTrialJob); the listener's thread dies and the strategy waits for ever.
2. nni/nas/utils/serializer.py: `torch.load` without `weights_only`, which torch >= 2.6 refuses for the states of NNI's
   strategies (`Individual`, numpy's random state).
Upstream: not reported. Can go when both are handled there. The load stays one that runs no code: what NNI's strategies
put into their states is named to torch, anything else is refused.
"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any

UNUSED = "Unknown command type"


def needed() -> bool:
    """Whether one of NNI's own methods is still in place."""
    from nni.nas.utils.serializer import TorchSerializer
    from nni.runtime.tuner_command_channel import TunerCommandChannel

    return not (hasattr(TunerCommandChannel.receive, "_mended") and hasattr(TorchSerializer.load, "_mended"))


def apply() -> None:
    """Pass over the commands, and load states without running code."""
    if not needed():
        return
    _receive()
    _load()


def _receive() -> None:
    from nni.runtime.tuner_command_channel import TunerCommandChannel

    original = TunerCommandChannel.receive

    @wraps(original)
    def receive(self: Any) -> Any:
        while True:
            try:
                return original(self)
            except ValueError as error:
                if not str(error).startswith(UNUSED):
                    raise

    receive._mended = True  # type: ignore[attr-defined]
    TunerCommandChannel.receive = receive


def _load() -> None:
    from nni.nas.utils import serializer

    original = serializer.TorchSerializer.load

    @wraps(original)
    def load(self: Any, path: Path) -> Any:
        import torch

        file = serializer._find_path_with_prefix(path, self.suffix)
        with torch.serialization.safe_globals(_known()):
            return torch.load(str(file), map_location=self._map_location, weights_only=True)

    load._mended = True  # type: ignore[attr-defined]
    serializer.TorchSerializer.load = load


def _known() -> list[Any]:
    """Classes and functions that states of NNI's strategies consist of; none of them runs code of the file."""
    import numpy as np
    from nni.nas.strategy.evolution import Individual

    kinds = {type(np.dtype(kind)) for kind in ("u4", "u8", "i4", "i8", "f4", "f8", "U1")}
    rebuild = np.zeros(1).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    return [Individual, np.ndarray, np.dtype, rebuild, scalar, *kinds]
