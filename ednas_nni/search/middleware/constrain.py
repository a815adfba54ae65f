"""Constrain: what lies outside a hard constraint is never trained."""

from __future__ import annotations

import logging

from ednas_nni.record import events
from ednas_nni.record.journal import Journal
from ednas_nni.search.middleware.forwarding import ExecutableModelSpace, Forwarding, ModelEventType, ModelStatus
from ednas_nni.search.middleware.patience import Patience
from ednas_nni.search.problem import Problem

_log = logging.getLogger("nni.ednas.constrain")


class Constrain(Forwarding):
    """Answers infeasible models with TrainingEnd(Invalid) at once and journals why, once per architecture.

    Args:
        problem: Costs and constraints.
        journal: Gets a `rejected` event per rejected architecture; a resumed search that rejects its past again adds
            none.
        patience: Ends the search when too many proposals in a row are rejected.
    """

    def __init__(self, problem: Problem, journal: Journal, patience: Patience | None = None) -> None:
        super().__init__()
        self.problem = problem
        self.journal = journal
        self.patience = patience or Patience()
        self._journalled = {entry.architecture for entry in journal.history().rejected}

    def extra_repr(self) -> str:
        """Show the constraints."""
        return ", ".join(map(str, self.problem.constraints))

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Pass on what is feasible."""
        for model in models:
            reasons = self.problem.violations(model.sample)
            if not reasons:
                self.engine.submit_models(model)
                continue
            sample = self.problem.domains.complete(model.sample)
            architecture = self.problem.domains.architecture_id(sample)
            if architecture not in self._journalled:
                self._journalled.add(architecture)
                self.journal.append(events.Rejected(architecture=architecture, reasons=reasons))
            self.patience.miss("outside the constraints")
            _log.info("%s is not trained: %s", architecture, "; ".join(reasons))
            self.dispatch_model_event(ModelEventType.TrainingEnd, model=model, status=ModelStatus.Invalid)

    def budget_available(self) -> bool:
        """False as well when patience is exhausted."""
        return not self.patience.exhausted and self.engine.budget_available()
