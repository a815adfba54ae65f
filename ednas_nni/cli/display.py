"""A running search on the screen: a live table in a terminal, one line per finished trial elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from ednas_nni.bridge.manager.follow import State
from ednas_nni.cli.terminal import amount, duration, natural_width, score, score_number, table
from ednas_nni.record.front import front_of
from ednas_nni.record.head import TaskRecord
from ednas_nni.record.journal import TrialRecord
from ednas_nni.record.quantities import Quantity, metric_quantities
from ednas_nni.study.objectives import DELTA_T

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from ednas_nni.tasks.base import Task

ROOM = 12  # lines of a terminal that are not the table's rows
COLOURS = {"running": "cyan", "trained": "green", "failed": "red", "cancelled": "yellow", "pruned": "magenta"}


def primary_metrics(tasks: dict[str, Task]) -> tuple[Quantity, ...]:
    """The tasks' primary metrics, as tables and the report write them."""
    keys = {f"{name}_{task.primary}": 0.0 for name, task in tasks.items()}
    return metric_quantities(map(TaskRecord.model_validate, tasks.values()), [keys])


def footer(state: State) -> str:
    """Progress in one line."""
    best = state.best
    of = f" of {state.total}" if state.total else ""
    parts = [f"{len(state.ended)}{of} trials ended"]
    quality = best.quality if best else None
    parts.append(
        f"best {score(state.score, quality)} ({best.architecture})" if best and quality is not None else "no result yet"
    )
    parts.append(f"front: {len(front_of(state.history))}")
    parts.append(f"elapsed {duration(state.now - state.began)}")
    if state.left_s is None:
        parts.append("time left: not known yet")
    elif state.left_s:  # nothing is left to be said of where all is done
        parts.append(f"about {duration(state.left_s)} left")
    if state.to_finish:
        parts.append(f"then up to {state.to_finish} trainings that finish networks")
    return ", ".join(parts)


def _named(record: TrialRecord) -> str:
    """Its architecture, with the seed where it finishes a network."""
    return record.architecture if record.seed is None else f"{record.architecture} finished, seed {record.seed}"


class Lines:
    """One plain line per finished trial, for logs, with these costs and final metrics."""

    def __init__(self, costs: Sequence[str] = ("latency_ms",), metrics: Sequence[Quantity] = ()) -> None:
        self.costs = tuple(costs)
        self.metrics = tuple(metrics)
        self._printed: set[int] = set()
        self._notes = 0

    def show(self, state: State) -> None:
        """Print the trials that ended since the last call."""
        for note in state.history.notes[self._notes :]:
            print(f"note: {note.text or ''}", flush=True)
        self._notes = len(state.history.notes)
        for record in state.ended:
            if record.trial not in self._printed:
                self._printed.add(record.trial)
                print(self.line(record, state), flush=True)

    def line(self, record: TrialRecord, state: State) -> str:
        """One trial in one line."""
        of = f"/{state.total}" if state.total else ""
        parts = [f"[{len(self._printed)}{of}]", f"trial {record.trial}", _named(record), record.status]
        if record.quality is not None and record.status == "trained":
            parts.append(
                ("inherited " if state.inherited and record.seed is None else "") + score(state.score, record.quality)
            )
        parts += [f"{name} {amount(record.costs[name])}" for name in self.costs if name in record.costs]
        parts += [
            f"{q.group} {q.label} {q.text(record.metrics[q.key])}" for q in self.metrics if q.key in record.metrics
        ]
        if record.seconds is not None:
            parts.append(duration(record.seconds))
        text = "  ".join(parts)
        if record.cause:
            text += f"  cause: {' '.join(record.cause.split())}"
        return f"{text}  | {footer(state)}"


class Live:
    """A table of these costs and final metrics that is redrawn in place, for terminals."""

    def __init__(
        self, console: Console, costs: Sequence[str], metrics: Sequence[Quantity] = (), heading: str = ""
    ) -> None:
        from rich.live import Live as RichLive

        self.console = console
        self.costs = tuple(costs)
        self.metrics = tuple(metrics)
        self.heading = heading
        self._notes = 0
        self._live = RichLive(console=console, refresh_per_second=4, transient=False, vertical_overflow="crop")

    def __enter__(self) -> Live:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last table on the screen."""
        self._live.stop()

    def show(self, state: State) -> None:
        """Redraw."""
        for note in state.history.notes[self._notes :]:
            self.console.print(f"note: {note.text or ''}", style="yellow", markup=False)
        self._notes = len(state.history.notes)
        self._live.update(self.draw(state))

    def draw(self, state: State) -> RenderableType:
        """The table with its footer."""
        from rich.console import Group
        from rich.text import Text

        front = {record.trial for record in front_of(state.history)}
        best = state.best
        # As many of the latest trials as the terminal has room for, and as many of their figures.
        records = state.history.all_trials
        rows = records[-max(3, self.console.height - ROOM) :]
        for left in range(len(self.costs) + len(self.metrics), -1, -1):
            costs, metrics = self.costs[:left], self.metrics[: max(0, left - len(self.costs))]
            trials = table(self._headings(state.score, state.inherited, costs, metrics))
            for record in rows:
                marks = "*" * (record.trial in front) + " best" * (best is not None and record.trial == best.trial)
                trials.add_row(*self._cells(record, state, costs, metrics), marks.strip())
            if natural_width(trials, self.console) <= self.console.width:
                break
        parts: list[RenderableType] = [Text(self.heading, style="bold")] if self.heading else []
        parts.append(trials)
        if hidden := len(records) - len(rows):
            parts.append(Text(f"({hidden} earlier trials are not shown)", style="dim"))
        status = f"NNI: {state.status.lower().replace('_', ' ')}; the first trials start in a moment. "
        parts.append(Text(("" if records else status) + footer(state)))
        parts.append(Text("* on the front. Ctrl-C stops the search; it can be resumed.", style="dim"))
        return Group(*parts)

    def _headings(
        self, ranked_by: str, inherited: bool, costs: Sequence[str], metrics: Sequence[Quantity]
    ) -> list[str]:
        ranked_by = "delta_t\n[%]" if ranked_by == DELTA_T else f"inherited\n{ranked_by}" if inherited else ranked_by
        figures = [ranked_by, *costs, *(f"{q.group}\n{q.axis}" for q in metrics), "time"]
        return [">trial", "architecture", "status", *(f">{name}" for name in figures), ""]

    def _cells(
        self, record: TrialRecord, state: State, costs: Sequence[str], metrics: Sequence[Quantity]
    ) -> list[str | Text]:
        from rich.text import Text

        quality = score_number(state.score, record.quality)
        if record.status == "running":
            latest = record.intermediates[-1][1].get("default") if record.intermediates else None
            quality = f"({score_number(state.score, latest)})" if latest is not None else "-"
        seconds = state.spent_s(record) if record.ended_at is None else record.seconds
        return [
            str(record.trial),
            record.architecture if record.seed is None else f"{record.architecture}\nseed {record.seed}",
            Text(record.status, style=COLOURS.get(record.status, "")),
            quality,
            *(amount(record.costs.get(name)) for name in costs),
            *(q.number(record.metrics.get(q.key)) for q in metrics),
            "-" if seconds is None else duration(seconds),
        ]
