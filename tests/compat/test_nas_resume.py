"""The patches for resuming a `NasExperiment`, each beside the failure of NNI's own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ednas_nni.compat.nas_search  # noqa: F401  (patches)


class Script:
    """A channel on which commands arrive in NNI's order on a resume."""

    def __init__(self) -> None:
        from nni.runtime.tuner_command_channel import CommandType

        self.commands = [
            (CommandType.ImportData, "[]"),
            (CommandType.AddCustomizedTrialJob, "[]"),
            (CommandType.RequestTrialJobs, "2"),
        ]

    def _receive(self) -> object:
        return self.commands.pop(0)


def test_commands_that_nas_does_not_use_are_passed_over() -> None:
    from nni.runtime.tuner_command_channel import TunerCommandChannel

    assert TunerCommandChannel.receive(Script()).count == 2
    with pytest.raises(ValueError, match="Unknown command type"):  # NNI's own
        TunerCommandChannel.receive.__wrapped__(Script())


def state() -> dict[str, object]:
    from nni.nas.strategy.evolution import Individual

    random = np.random.RandomState(3)
    return {
        "population": [Individual({"x": 1}, 0.5)],
        "random_state": random.get_state(),
        "value": np.float64(0.5),
        "individual_counter": 7,
    }


def test_states_of_nnis_strategies_load_and_code_does_not_run(tmp_path: Path) -> None:
    import pickle

    from nni.nas.utils.serializer import TorchSerializer

    serializer = TorchSerializer()
    serializer.save({"strategy": state()}, tmp_path / "state.ckpt")
    loaded = serializer.load(tmp_path / "state.ckpt")["strategy"]
    assert loaded["population"] == state()["population"]
    assert (loaded["random_state"][1] == state()["random_state"][1]).all()
    with pytest.raises(pickle.UnpicklingError):  # NNI's own, on torch >= 2.6
        TorchSerializer.load.__wrapped__(serializer, tmp_path / "state.ckpt")

    class Runs:
        def __reduce__(self) -> tuple[object, ...]:
            return open, (str(tmp_path / "ran"), "w")

    serializer.save({"strategy": Runs()}, tmp_path / "bad.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        serializer.load(tmp_path / "bad.ckpt")
    assert not (tmp_path / "ran").exists()
