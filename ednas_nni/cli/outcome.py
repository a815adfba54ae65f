"""The end of a search: the front as a table, how it compares with named members, and how far to trust it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ednas_nni.cli import terminal
from ednas_nni.record.events import LIMITS
from ednas_nni.record.journal import History

if TYPE_CHECKING:
    from rich.table import Table

    from ednas_nni.report.data import SearchView

HEADING_WIDTH = 14


def optimism(count: int, inherited: bool = False) -> str:
    """The sentence that stands under every searched value."""
    if inherited:
        return "Values are inherited from a supernet: they rank networks. Confirm what you hand over, or train it."
    return f"Each value is one noisy training, and the best of {count} is optimistic: confirm it with fresh seeds."


def front_table(view: SearchView) -> Table:
    """The front, and below it the named members that are not on it; of the costs only what was searched for."""
    from ednas_nni.report import tables

    named = [(name, [q for q in group if q.group != "cost" or q.key in _searched(view)])
             for name, group in tables.main_columns(view)]  # fmt: skip
    heads, inherits = [], view.head.inherits
    for q in (q for _, group in named for q in group):
        label = f"{q.group} {q.label}" if q.primary else "inherited " * (inherits and q is view.score) + q.label
        # On lines short enough that figures, not headings, decide how wide a column is.
        heads.append(">" + "\n".join([*textwrap.wrap(label, HEADING_WIDTH), *([f"[{q.unit}]"] if q.unit else [])]))
    both = "both " * (len(view.objectives) == 2)
    title = f"Front: no other network is better in {both}{' and '.join(o.name for o in view.objectives)}"
    table = terminal.table(["", "architecture", *heads], title)
    for trial, cells in tables.rows(view, named):
        notes = [trial.name, "best" * (trial is view.best), "" if trial.front else "not on the front"]
        table.add_row("\n".join(filter(None, notes)), trial.architecture, *(cell.text for cell in cells))
    return table


def _searched(view: SearchView) -> set[str]:
    """Costs that are an objective or limited, with the bounds that limits are checked on."""
    named = {o.name for o in view.objectives} | {c.name.removesuffix("_upper90") for c in view.constraints}
    return named | {f"{name}_upper90" for name in named}


def show(history: History) -> None:
    """Print the result of a search, or why there is none."""
    from ednas_nni.report.data import view
    from ednas_nni.report.words import against_members, delta_t_means, made, origin, unlearned

    search = view(history)
    done, left = ("Finished: ", "") if history.finished else ("", " so far")
    counts = ", ".join(f"{n} {s}" for s in ("pruned", "failed", "cancelled", "running") if (n := search.count(s)))
    finished = sum(record.status == "trained" for record in history.finishing)
    wanted = len({record.key for record in history.finishing})  # every attempt is a trial of its own
    finishing = f", {finished} of {wanted} more finished networks" if wanted else ""
    taken = len(history.all_trials) - len(history.own)
    of = f"{search.count('trained') - taken} of {len(search.trials) - taken} networks {made(search)}{left}"
    over = f", {taken} results taken over" * bool(taken)
    print(f"\n{done}{of}{f' ({counts})' if counts else ''}{finishing}{over}.", end="")
    answered = [f"{len(history.reused)} proposals answered from the journal"] if history.reused else []
    answered += [f"{len(history.rejected)} outside the constraints, not trained"] if history.rejected else []
    print(f" {'; '.join(answered)}." if answered else "")
    if history.finished and history.finished != LIMITS:
        print(f"The search ended: {history.finished}.")
    if not search.front:
        causes = dict.fromkeys(trial.cause for trial in search.trials if trial.cause)
        for cause in list(causes)[:3]:
            print(f"cause of failed trials: {' '.join(cause.split())}")
        print("There is no result.")
        return
    if search.record.confirmed:
        from ednas_nni.cli import confirm_command

        confirm_command.show(search.record)
    else:
        terminal.console().print(front_table(search))
    if doubt := unlearned(search):
        print(doubt)
    size = search.study.get("deploy_size")
    if size:
        origins = [f"{q.key} {origin(q)}" for q in search.costs if q.key in _searched(search)]
        print(f"Costs are priced at {size[0]} x {size[1]} px: {', '.join(origins)}.")
    if not search.record.confirmed:
        sentences = against_members(search) + delta_t_means(search)[:-1]  # its last one stands below, of delta_t alone
        print(*sentences, optimism(len(search.results), search.head.inherits), sep="\n")
