"""What in a plan works but is probably not meant, one line each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ednas_nni.cost.plan import Plan, Share

RARE = 0.02
"""A constraint that keeps less makes a search spend its time on finding any."""
LOOSE = 0.95
"""A constraint that keeps more hardly constrains."""
FIXED = 0.3
"""A term that no choice changes and that is more than this share of the median cost hides what the choices do."""
ALIKE = 0.98
"""Two objectives with a larger Kendall's tau order the space alike."""
DRAWN = {"strategies": "what strategies draw", "architectures": "the distinct architectures"}
"""Draw -> what a share is of. They differ: strategies do not draw all distinct architectures equally often."""


def advice(plan: Plan) -> list[str]:
    """Warnings, in the order of the study."""
    return [*_constraints(plan), *_fixed(plan), *_ranks(plan)]


def kept(share: Share) -> str:
    """A share in percent; below what the samples can tell, its upper bound."""
    if share.count == 0:
        return f"less than {100 * share.interval[1]:.1g} %"
    value = 100 * share.value
    if value > 100 * LOOSE:
        return f"{math.floor(10 * value) / 10:g} %"  # 100 % only where it is all of them
    return f"{value:.2g} %" if value < 10 else f"{value:.0f} %"


def _constraints(plan: Plan) -> Iterator[str]:
    rare = "the search will spend its time on finding any"
    several, drawn = len(plan.constraints) > 1, DRAWN["strategies"]
    for outlook in plan.constraints:
        share = outlook.kept["strategies"]
        if share.value > LOOSE:
            half = plan.summary(outlook.checked.name).quantiles[0.5]
            yield (
                f"constraint {outlook.asked} keeps {kept(share)} of {drawn}: it hardly constrains. Half of "
                f"{DRAWN[plan.draw]} has {outlook.checked.name} {outlook.checked.op} {half:.4g}"
            )
        elif share.value < RARE and not several:
            yield f"constraint {outlook.asked} keeps {kept(share)} of {drawn}: {rare}"
    share = plan.kept["strategies"]
    if several and share.value < RARE:
        each = ", ".join(f"{o.asked} {kept(o.kept['strategies'])}" for o in plan.constraints)
        yield f"constraints keep {kept(share)} of {drawn} together ({each}): {rare}"


def _fixed(plan: Plan) -> Iterator[str]:
    """Only of costs that the study names: of the others it does not matter."""
    for column in plan.used:
        median, unit = plan.summary(column).quantiles[0.5], plan.summary(column).column.unit
        for term in plan.terms.get(column, ()):
            if term.fixed > FIXED * median:
                where = ", ".join(f"{part} {amount:.3g}" for part, amount in term.parts.items())
                yield (
                    f"{column}: {term.fixed:.4g} of the median {median:.4g} {unit} are the same for every network "
                    f"({term.term}: {where}). No choice of this space changes that; a smaller "
                    "deploy_size or another device would."
                )


def _ranks(plan: Plan) -> Iterator[str]:
    for objective in plan.objectives:
        if objective.name in plan.table.names:
            found = plan.summary(objective.name).quantiles
            if found[0.0] == found[1.0]:
                yield f"objective {objective.name} is the same for all samples: nothing can improve it. Remove it"
    for (one, two), tau in plan.ranks.items():
        if tau > ALIKE:
            yield (
                f"objectives {one} and {two} rank the space alike (Kendall's tau {tau:.3f}): the front cannot trade "
                "one for the other. Keep one of them, or make the other a constraint"
            )
