"""NNI's `NasExperiment` with a journal that begins when it starts and says when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ednas_nni import compat

compat.apply()

from nni.nas.experiment import NasExperiment  # noqa: E402

from ednas_nni.journal import Journal  # noqa: E402
from ednas_nni.strategy.mounting import layers, reason  # noqa: E402

LAST_MESSAGES_S = 10.0


class JournalledExperiment(NasExperiment):
    """A `NasExperiment` whose strategy is a mounted chain.

    Attributes:
        journal: Its open journal. The file is made when the experiment starts.
        write_head: Writes the journal's head.
    """

    journal: Journal
    write_head: Callable[[], None]

    def _start_engine_and_strategy(self) -> None:
        self.write_head()
        super()._start_engine_and_strategy()

    def _wait_completion(self) -> Any:
        done = super()._wait_completion()
        # NNI waits for its own status, which can be ahead of the last messages.
        end = time.monotonic() + LAST_MESSAGES_S
        while layers(self.strategy)[-1].pending() and time.monotonic() < end:
            time.sleep(0.1)
        if self.journal.history().finished is None:
            text = reason(self.strategy) or "every trial that the experiment's limits allow has ended"
            self.journal.append("finished", reason=text)
        return done
