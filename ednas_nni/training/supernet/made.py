"""A supernet on disk: made once, named by everything that determines it, read by every trial that inherits from it.

It is a folder like the data cache's (`ednas_nni.data.cache`): one maker at a time, visible when complete, verified by
checksum, memory-mapped. `weights.npy` holds all tensors one after the other, `index.npy` their names and shapes as JSON
text. A trial reads the parts that its network has, which are a few per cent.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ednas_nni.cost import cost_table
from ednas_nni.data.cache import LOCK, beside, cache_root, ensure, fingerprint, open_arrays
from ednas_nni.errors import SampleError, TrialError
from ednas_nni.nn.blocks.base import own_code
from ednas_nni.nn.capabilities import capabilities_of
from ednas_nni.nn.elastic import SharedWeights, addresses
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.training.checkpoints import Checkpoints
from ednas_nni.training.data import TrialData
from ednas_nni.training.jared import device_of, make_trainer, quiet, threads
from ednas_nni.training.recipe import Recipe
from ednas_nni.training.seeding import seeded
from ednas_nni.training.supernet.module import SupernetModule, SupernetOptions, each_path, side_by_side
from ednas_nni.training.supernet.paths import Paths

if TYPE_CHECKING:
    from ednas_nni.compat.nas import ModelSpace

FORMAT = 1
CHECKPOINT, MADE = ".checkpoint.safetensors", "made.json"
SAID_S = 5.0
"""Seconds between two words to those who wait."""
_NOT_OF_A_SUPERNET = (
    "steps", "learning_rate", "seed", "reports", "examples", "threads", "references", "score", "scored_on",
    "supernet", "calibration", "freeze_steps", "int8",
)  # fmt: skip
"""Fields of a recipe that a supernet sets itself, or that change nothing in its weights."""


class Supernet:
    """The supernet of a space under a recipe; nothing is read or made before it is asked for.

    Args:
        space: The space, or any network of it: what counts is what its constructor was called with.
        recipe: Data, losses, seed and so on, in common with every other training.
        options: What a supernet has beside.
    """

    def __init__(self, space: ModelSpace, recipe: Recipe, options: SupernetOptions) -> None:
        self.options = options
        self.recipe = replace(
            recipe,
            steps=options.steps,
            learning_rate=options.learning_rate,
            seed=options.seed,
            references=None,
            score="quality",
            freeze=(),  # of the steps that networks are trained alone
            freeze_steps=None,
        )
        self._space, self._data = space, TrialData(self.recipe)

    @property
    def identity(self) -> dict[str, object]:
        """Everything that determines the weights, plain JSON."""
        kind = type(self._space)
        shared = {key: value for key, value in asdict(self.recipe).items() if key not in _NOT_OF_A_SUPERNET}
        if shared["encoder_learning_rate"] == 1:
            del shared["encoder_learning_rate"]  # an option that identities made before do not name
        shared["data"] = {"name": self._data.source.info.name, "identity": self._data.source.info.identity}
        space = {
            "class": f"{kind.__module__}.{kind.__qualname__}",
            "arguments": [list(self._space.trace_args), dict(self._space.trace_kwargs)],
            "weights": dict(capabilities_of(self._space).weight_fingerprints),
        }
        tasks = {task.name: task.settings() for task in self._data.unmeasured}  # the code of an own loss, lambda
        named = {"space": space, "recipe": shared, "supernet": asdict(self.options), "tasks": tasks}
        if code := own_code(space["arguments"], kind, *map(type, self._data.unmeasured)):
            named["code"] = code
        identity = {"format": FORMAT, **named}
        plain: dict[str, object] = json.loads(json.dumps(identity, sort_keys=True, default=str))
        return plain

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return cache_root(self.recipe.data.get("cache")) / "supernets" / fingerprint(self.identity)

    @property
    def made(self) -> dict[str, float] | None:
        """Seconds and threads of its training; {} where they were not written down, None where it is not made."""
        if not self.folder.is_dir():
            return None
        file = self.folder / MADE
        return dict(json.loads(file.read_text())) if file.is_file() else {}

    @cached_property
    def paths(self) -> Paths:
        """Its largest and its smallest network, and what draws the others."""
        space = self._whole()
        table = cost_table(space, [], deploy_size=self.recipe.train_size, folder=cache_root(None))
        macs = table.names.index("macs")

        def price(codes: NDArray[np.int16]) -> NDArray[np.float64]:
            return table.encoded(codes)[:, macs]

        return Paths(domains_of(space), price, self.recipe.seed, self.options.sampling)

    def _whole(self) -> ModelSpace:
        return type(self._space)(*self._space.trace_args, **self._space.trace_kwargs)

    def outlook(self) -> str:
        """What there is to make and about how long it takes, by a step of both ends that is timed here; "" if nothing.

        Reads no image.
        """
        if self.made is not None:
            return ""
        steps, left = self.recipe.steps, self.recipe.steps - Checkpoints(beside(self.folder, CHECKPOINT)).steps_before
        minutes = left * self._seconds_a_step / 60
        rest = f", {left} of them left" if left < steps else ""
        time_left = f"{minutes:.0f} min" if minutes >= 1.5 else "a minute"
        return f"a supernet, {steps} steps of {self.options.paths} networks{rest}: about {time_left} (a step is timed)"

    @cached_property
    def _seconds_a_step(self) -> float:
        recipe = self.recipe
        image = torch.rand(recipe.batch_size, 3, *recipe.train_size, device=device_of(recipe.accelerator))
        at_a_time, inside = side_by_side(recipe, self.options.paths)
        seconds = []
        with quiet(), threads(inside), seeded(recipe.seed):
            for sample in (self.paths.smallest, self.paths.smallest, self.paths.largest):  # the first warms up
                network = build(self._space, sample).to(image.device)
                begun = time.perf_counter()
                sum(out.square().mean() for out in network(image).values()).backward()
                if image.is_cuda:
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - begun)
        return math.ceil(self.options.paths / at_a_time) * (seconds[1] + seconds[2]) / 2

    def make(self, progress: bool = False) -> bool:
        """Train it, unless it is there; waits where another process is at it, goes on where one was killed.

        Returned is whether this call made it. With `progress` a bar with the time left is on standard error.

        Raises:
            TrialError: A loss was not finite, or the training was stopped.
            DataError: The data set is missing, or the place cannot be written.
        """
        checkpoint = beside(self.folder, CHECKPOINT)
        made = ensure(self.folder, self.identity, lambda folder: self._train(folder, checkpoint, progress))
        checkpoint.unlink(missing_ok=True)
        return made

    def _train(self, folder: Path, checkpoint: Path, progress: bool = False) -> None:
        from tqdm import tqdm

        recipe, options = self.recipe, self.options
        watcher = Checkpoints(checkpoint)
        first = watcher.steps_before
        pause = 0.2 if sys.stderr.isatty() else 10.0  # in a log file a line now and then is enough
        bar = tqdm(
            desc="supernet", total=recipe.steps, initial=first, unit="step", mininterval=pause, disable=not progress
        )
        begun = said = time.monotonic()

        def on_step(done: int, loss: Tensor) -> None:
            nonlocal said
            bar.update(done - bar.n)
            if (now := time.monotonic()) - said > SAID_S:
                said, left = now, (recipe.steps - done) * (now - begun) / (done - first) / 60
                beside(self.folder, LOCK).write_text(f"step {done} of {recipe.steps}, about {left:.0f} min left")

        watcher.on_step = on_step
        space, paths = self._whole(), deepcopy(self.paths)  # draws begin anew should it be called again
        # Under a bar the scores on the way are not printed.
        silent = contextlib.redirect_stdout(io.StringIO()) if progress else contextlib.nullcontext()
        made = {"threads": recipe.threads or torch.get_num_threads()}
        with bar, silent, quiet(), each_path(recipe, options.paths) as each, seeded(recipe.seed):
            module = SupernetModule(recipe, options, paths, each)
            biases = {name: torch.tensor(prior.head_bias) for name, prior in module.data.prior.tasks.items()}
            weights = SharedWeights(space, options.sharing == "elastic", biases)
            module.set_model(weights)
            module.watcher = watcher
            make_trainer(recipe, first).fit(module, module.data.train_batches(first), module.data.scored_batches())
        if module.steps_done != recipe.steps:
            raise TrialError(f"The training of the supernet stopped after step {module.steps_done} of {recipe.steps}.")
        write(weights.cpu(), folder)
        (folder / MADE).write_text(json.dumps({"seconds": module.train_s, **made}))

    def inherit(self, network: nn.Module) -> None:
        """Give a network of the space the supernet's weights; its batch norms must be recalibrated."""
        read_into(network, self.arrays(), self.options.sharing == "elastic")

    def arrays(self) -> dict[str, np.ndarray]:
        """Its files, mapped; hashed once a process."""
        return open_arrays(self.folder, self.identity, ["index", "weights"])


def write(weights: SharedWeights, folder: Path) -> None:
    """Write all tensors as `weights.npy`, float32 (n,); `index.npy`: name -> offset and shape, as JSON in uint8."""
    index: dict[str, tuple[int, list[int]]] = {}
    flat, offset = [], 0
    for name, tensor in weights.named_tensors():
        index[name] = offset, list(tensor.shape)
        flat.append(tensor.detach().numpy().ravel())
        offset += tensor.numel()
    np.save(folder / "weights.npy", np.concatenate(flat), allow_pickle=False)
    np.save(folder / "index.npy", np.frombuffer(json.dumps(index).encode(), np.uint8), allow_pickle=False)


@torch.no_grad()
def read_into(network: nn.Module, arrays: Mapping[str, np.ndarray], elastic: bool) -> None:
    """Copy a network's parts of what `write` has written into it.

    Raises:
        SampleError: There is no tensor for one of its parameters, or not as large a one.
    """
    index: Mapping[str, tuple[int, list[int]]] = json.loads(arrays["index"].tobytes())
    parameters = dict(network.named_parameters())
    for name, address in addresses(network, elastic).items():
        offset, shape = index.get(address.tensor, (0, []))
        if len(shape) != len(address.shape) or any(n < m for n, m in zip(shape, address.shape, strict=True)):
            raise SampleError(
                f"The supernet has no weights {address.tensor} of shape {address.shape}: it was made for another space."
            )
        whole = arrays["weights"][offset : offset + int(np.prod(shape))].reshape(shape)
        parameters[name].copy_(torch.from_numpy(np.array(address.of(whole))))
