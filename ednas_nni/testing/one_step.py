"""An evaluator of one real optimisation step on random images: `evaluator: ednas_nni.testing.one_step:OneStep`.

It lets engines and strategies be tried with real networks in a second a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import nni
import torch
from torch import nn

from ednas_nni.errors import TrialError
from ednas_nni.training.evaluator import Metrics, NetworkEvaluator, report


@nni.trace
class OneStep(NetworkEvaluator):
    """Forward, backward and one step of SGD on random images; checks that every weight takes part.

    The size is (height, width) in pixels; `tasks` are those that the network must predict.
    """

    def __init__(
        self,
        tasks: Sequence[str] = (),
        data: Mapping[str, Any] | None = None,
        train_size: Sequence[int] = (32, 64),
        seed: int = 0,
    ) -> None:
        self.tasks, self.train_size, self.seed = tuple(tasks), tuple(train_size), seed

    def evaluate(self, model: nn.Module) -> Metrics:
        """Take the step: `default`, 1 / (1 + loss after the step); `loss` before it; `parameters`.

        Raises:
            TrialError: A task is missing or at another resolution, or a gradient is missing or not finite.
        """
        height, width = self.train_size
        image = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(self.seed))
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        loss = self._loss(model.train()(image))
        loss.backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is None or not bool(parameter.grad.isfinite().all()):
                raise TrialError(f"{name} has no finite gradient: it takes no part in any output.")
        optimizer.step()
        with torch.no_grad():
            after = float(self._loss(model(image)))
        final = {
            "default": 1 / (1 + after),
            "loss": float(loss.detach()),
            "parameters": float(sum(p.numel() for p in model.parameters())),
        }
        report({"default": final["default"]}, final=False)
        report(final, final=True)
        return final

    def _loss(self, outputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        missing = [task for task in self.tasks if task not in outputs]
        if missing:
            raise TrialError(f"the network has no output for {', '.join(missing)}.")
        for task, output in outputs.items():
            if output.shape[2:] != self.train_size:
                raise TrialError(f"{task} is {tuple(output.shape[2:])}, not the image's {self.train_size}.")
        return torch.stack([((output - 1) ** 2).mean() for output in outputs.values()]).sum()
