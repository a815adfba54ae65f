"""A plan for people: tables of costs, of what they are made of, and of what the constraints leave."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ednas_nni.cli import terminal
from ednas_nni.cli.terminal import amount
from ednas_nni.cost.plan import CONFIDENCE, DRAWN, DRAWS, Plan, Share, percent
from ednas_nni.cost.summary import Extreme

if TYPE_CHECKING:
    from rich.table import Table


def show(plan: Plan, space: str) -> None:
    """Print it."""
    domains = plan.table.domains
    print(f"  space    {space}: {domains.size_text} architectures, {len(domains)} choices")
    print(f"  samples  {len(plan.matrix)} architectures, {DRAWS[plan.draw]}; seed {plan.seed}")
    print(f"  prices   one image of {plan.table.size_text}")
    console = terminal.console()
    console.print(_costs(plan))
    for column in plan.used:
        if len(plan.terms.get(column, ())) > 1:
            console.print(_terms(plan, column))
    if plan.constraints:
        print("\n".join(_constraints(plan)))
    for (one, two), tau in plan.ranks.items():
        figure = "undefined: one of them is the same for all" if math.isnan(tau) else f"{tau:.3f}"
        print(f"Kendall's tau between the preferences of {one} and {two}: {figure}")


def _costs(plan: Plan) -> Table:
    shares = list(plan.costs[0].quantiles)
    heads = [">smallest" if s == 0 else ">largest" if s == 1 else f">{100 * s:g} %" for s in shares]
    made = terminal.table(["cost", "unit", *heads, "origin"])
    for summary in plan.costs:
        column = summary.column
        beyond = f", {100 * summary.extrapolated:.0f} % beyond the fit" if summary.extrapolated else ""
        figures = [amount(summary.quantiles[share]) for share in shares]
        made.add_row(column.name, column.unit, *figures, f"{column.device}, {column.origin}{beyond}")
    return made


def _terms(plan: Plan, column: str) -> Table:
    summary = plan.summary(column)
    unit, median = summary.column.unit, summary.quantiles[0.5]
    heads = (f">median, {unit}", f">the same for every network, {unit}", ">of the median cost", "where")
    made = terminal.table((f"{column} is made of", *heads))
    for term in plan.terms[column]:
        if term.median or term.fixed:
            where = ", ".join(f"{part} {amount(value)}" for part, value in term.parts.items())
            share = f"{100 * term.fixed / median:.0f} %" if median else "-"
            made.add_row(term.term, amount(term.median), amount(term.fixed), share, where)
    return made


def _constraints(plan: Plan) -> Iterator[str]:
    interval = f"{100 * CONFIDENCE:.0f} % interval"
    for outlook in plan.constraints:
        asked, checked = outlook.asked, outlook.checked
        yield f"constraint {asked}" + ("" if asked == checked else f", checked on its upper bound {checked.name}")
        yield f"  keeps           {_shares(outlook.shares)} ({interval})"
        if outlook.reachable is not None:
            column = plan.summary(checked.name).column
            best = "smallest" if checked.op == "<=" else "largest"
            value = f"{amount(outlook.reachable.value)} {column.unit} ({column.origin})"
            yield f"  {best:<8} value  {value}, {how(outlook.reachable)}"
    if len(plan.constraints) > 1:
        yield "all constraints together"
        yield f"  keep            {_shares(plan.shares)} ({interval})"


def _shares(shares: Mapping[str, Share]) -> str:
    drawn, distinct = map(_share, (shares["strategies"], shares["architectures"]))
    return f"{drawn} of {DRAWN['strategies']}, {distinct} of {DRAWN['architectures']}"


def _share(share: Share) -> str:
    low, high = (f"{100 * x:.2g}" if x < 0.1 else f"{100 * x:.1f}" for x in share.interval)
    return f"{percent(share)} [{low}, {high}]" if share.count else percent(share)


def how(extreme: Extreme) -> str:
    """How the most favourable value was found, and how sure it is."""
    if extreme.exhaustive:
        return "exact: every sample was priced"
    if extreme.exact:
        return "exact: minimised over the table"
    below = f"; nothing is below {amount(extreme.bound)}" if extreme.bound is not None else ""
    return f"best of a coordinate search{below}"
