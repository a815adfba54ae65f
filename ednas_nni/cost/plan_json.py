"""A plan as plain data, for `ednas plan --json`."""

from __future__ import annotations

import math
from typing import Any

from ednas_nni.cost.advice import advice
from ednas_nni.cost.plan import CONFIDENCE, Plan, Share
from ednas_nni.cost.summary import Extreme


def plan_json(plan: Plan) -> dict[str, Any]:
    """Everything that `ednas plan` prints, with JSON values only; what is not known is null."""
    domains = plan.table.domains
    return {
        "space": {"architectures": domains.size(), "choices": len(domains)},
        "deploy_size": list(plan.table.deploy_size),
        "samples": len(plan.matrix),
        "draw": plan.draw,
        "seed": plan.seed,
        "confidence": CONFIDENCE,
        "costs": {
            summary.column.name: {
                "unit": summary.column.unit,
                "device": summary.column.device,
                "origin": summary.column.origin,
                "note": summary.column.note,
                "extrapolated_share": summary.extrapolated,
                "quantiles": {f"{share:g}": value for share, value in summary.quantiles.items()},
                "terms": [
                    {"term": t.term, "median": t.median, "fixed": t.fixed, "fixed_parts": t.parts}
                    for t in plan.terms.get(summary.column.name, ())
                ],
            }
            for summary in plan.costs
        },
        "constraints": [
            {
                "constraint": str(outlook.asked),
                "checked_on": outlook.checked.name,
                "kept": {draw: _share(share) for draw, share in outlook.kept.items()},
                "reachable": _extreme(outlook.reachable) if outlook.reachable is not None else None,
            }
            for outlook in plan.constraints
        ],
        "kept": {draw: _share(share) for draw, share in plan.kept.items()},
        "kendall_tau": [
            {"objectives": list(pair), "tau": None if math.isnan(tau) else tau} for pair, tau in plan.ranks.items()
        ],
        "warnings": advice(plan),
    }


def _share(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"count": share.count, "samples": share.samples, "share": share.value, "low": low, "high": high}


def _extreme(found: Extreme) -> dict[str, Any]:
    return {
        "value": found.value,
        "exact": found.exact,
        "every_sample_priced": found.exhaustive,
        "bound": found.bound,
        "sample": found.sample,
    }
