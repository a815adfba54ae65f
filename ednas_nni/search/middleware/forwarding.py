"""The base of our middlewares: listens, forwards, and gets NNI's registration right."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ednas_nni.compat.nas import ExecutableModelSpace, Middleware, ModelEvent, ModelEventType, ModelStatus
from ednas_nni.compat.nas_search import StrategyMiddleware

POLL_S = 0.02
GRACE_S = 2.0


def cause_of(event: ModelEvent) -> str:
    """Why a trial ended as it did; "" where nobody said. Our engines write it on the event, NNI's do not."""
    return str(getattr(event, "cause", None) or "")  # NNI's class has no such field, and it makes the events


def job_of(event: ModelEvent) -> str | None:
    """NNI's id of the job that an event is about; None where nobody said. Our engines write it on the event."""
    job: str | None = getattr(event, "job_id", None)  # as above
    return job


class Forwarding(StrategyMiddleware):
    """A middleware that passes everything on unless a subclass says otherwise.

    Callbacks from above are kept here *and* registered on the engine below: events of the engine then reach them
    directly, and events which this middleware dispatches by itself reach exactly what lies above it. (NNI's own
    `Filter` registers a second time where it should unregister.)

    A subclass listens by registering in `_initialize_engine`. As a chain is initialised from the engine upwards, its
    callback runs before those of everything above and may change or stop the event. Our middlewares keep
    listening after the strategy has ended, because NNI's strategies return while their last trials still run.
    Events of models that nobody submitted through the chain reach everything above as soon as Record has adopted
    them, and stop at Record otherwise.
    """

    @property
    def innermost(self) -> Any:
        """The engine below all middlewares."""
        engine = self.engine
        while isinstance(engine, Middleware):
            engine = engine.engine
        return engine

    def register_model_event_callback(self, event_type: ModelEventType, callback: Callable[[ModelEvent], None]) -> None:
        """Keep the callback for our own events and register it below for the engine's."""
        super().register_model_event_callback(event_type, callback)
        self.engine.register_model_event_callback(event_type, callback)

    def unregister_model_event_callback(
        self, event_type: ModelEventType, callback: Callable[[ModelEvent], None]
    ) -> None:
        """Undo `register_model_event_callback`, here and below."""
        super().unregister_model_event_callback(event_type, callback)
        self.engine.unregister_model_event_callback(event_type, callback)

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Pass models on."""
        self.engine.submit_models(*models)

    def list_models(self, status: ModelStatus | None = None) -> list[ExecutableModelSpace]:
        """Models of the engine. A list: NNI's base class iterates it more than once."""
        return list(self.engine.list_models(status))

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        """Wait for the engine, then, a bounded time, until everything that is held back here has been answered."""
        self.engine.wait_models(*models)
        deadline = time.monotonic() + GRACE_S
        while self.pending() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def pending(self) -> int:
        """How many submitted models this middleware still owes an end."""
        return 0

    def state_dict(self) -> dict[str, Any]:
        """Nothing: what must survive is in the journal."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to restore."""
