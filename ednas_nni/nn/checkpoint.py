"""Weights from a file of this machine: read without running code from it, copied where names and shapes agree."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ednas_nni.errors import StudyError
from ednas_nni.record.whole_file import write_whole

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")
_NESTED = ("state_dict", "model", "model_state_dict")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a file by name, in its order, with sixteen hex digits over its content."""

    path: Path
    tensors: Mapping[str, Tensor]
    fingerprint: str

    @classmethod
    def read(cls, path: str | Path) -> Checkpoint:
        """Read a safetensors file, or a `.pt`, `.pth` or `.ckpt` file that holds tensors only.

        The tensors may stand under `state_dict`, `model` or `model_state_dict`, as checkpoints of trainings have them.

        Raises:
            StudyError: There is no such file, it is of another kind, it is damaged or would need code to be read, or a
                tensor is not finite.
        """
        path = Path(path).expanduser()
        content = _content(path)
        tensors = _safetensors(path, content) if path.suffix == ".safetensors" else _torch(path, content)
        wild = [name for name, t in tensors.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
        if wild:
            raise StudyError(f"{path}: the tensor {wild[0]} is not finite. Take a checkpoint from before that.")
        return cls(path, tensors, _digest(content))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors of any device as a safetensors file, whole or not at all."""
    from safetensors.torch import save

    write_whole(path, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata))


def fingerprint(path: str | Path) -> str:
    """Sixteen hex digits over the content of a file."""
    return _digest(_content(Path(path).expanduser()))


@dataclass(frozen=True)
class Copied:
    """What a network took from a checkpoint: names of tensors.

    Attributes:
        differing: Names that both have, in different shapes.
        missing: Names that the network has and the file has not; `unused` are the others.
    """

    path: Path
    copied: tuple[str, ...]
    differing: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        rest = (
            ("have another shape in the file", self.differing),
            ("are not in the file", self.missing),
            ("of the file have no place in the network", self.unused),
        )
        lines = [
            f"  {len(names)} {what}: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"
            for what, names in rest
            if names
        ]
        return "\n".join([f"init_from {self.path}: {len(self.copied)} tensors copied", *lines])


def init_from(network: nn.Module, path: str | Path) -> Copied:
    """Copy what fits from a checkpoint into a network, in place: equal names, equal shapes.

    Names in the file may have one more part in front of all of them, such as `model.` or `module.`.

    Raises:
        StudyError: The file cannot be read, or nothing in it fits.
    """
    checkpoint = Checkpoint.read(path)
    state = network.state_dict()
    given = _without_prefix(checkpoint.tensors, {name.partition(".")[0] for name in state})
    fits = [name for name, tensor in state.items() if name in given and _alike(given[name], tensor)]
    if not fits:
        raise StudyError(
            f"init_from: no tensor of {checkpoint.path} fits the network. The file has names like "
            f"{', '.join(list(given)[:2])}, the network like {', '.join(list(state)[:2])}. Give the state dict of a "
            "network of this space."
        )
    with torch.no_grad():
        for name in fits:
            state[name].copy_(given[name])
    return Copied(
        checkpoint.path,
        tuple(fits),
        tuple(name for name, tensor in state.items() if name in given and not _alike(given[name], tensor)),
        tuple(name for name in state if name not in given),
        tuple(name for name in given if name not in state),
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _content(path: Path) -> bytes:
    if path.suffix not in SUFFIXES:
        raise StudyError(f"{path}: weights are read from files that end in {', '.join(SUFFIXES)}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}).") from None


def _safetensors(path: Path, content: bytes) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise StudyError(f"{path}: is not a safetensors file ({error}).") from None


def _torch(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        data: object = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise StudyError(
            f"{path}: holds more than tensors, or is damaged; nothing else is read, as it could run code. Save the "
            "weights alone: torch.save(network.state_dict(), ...) or safetensors."
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:80] or "it is empty"
        raise StudyError(f"{path}: is not a file of torch.save ({reason}).") from None
    for key in _NESTED:
        if isinstance(data, Mapping) and isinstance(data.get(key), Mapping):
            data = data[key]
    if not isinstance(data, Mapping):
        raise StudyError(f"{path}: holds a {type(data).__name__}, not named tensors. Save network.state_dict().")
    tensors = {name: tensor for name, tensor in data.items() if isinstance(tensor, Tensor)}
    if not tensors:
        raise StudyError(f"{path}: holds no tensors. Save network.state_dict().")
    return tensors


def _without_prefix(tensors: Mapping[str, Tensor], children: set[str]) -> Mapping[str, Tensor]:
    first = {name.partition(".")[0] for name in tensors}
    if len(first) > 1 or first & children or any("." not in name for name in tensors):
        return tensors
    return {name.partition(".")[2]: tensor for name, tensor in tensors.items()}


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.is_floating_point() == b.is_floating_point()
