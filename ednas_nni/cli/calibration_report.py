"""What a calibration is worth, for people: errors before and after, on rows that had no part in it."""

from __future__ import annotations

import argparse
import math

from ednas_nni.calibration.correction import FEWEST, SIGNIFICANCE, Calibration
from ednas_nni.calibration.measurements import Measurements, PricedTerms
from ednas_nni.cli import terminal
from ednas_nni.cli.terminal import amount
from ednas_nni.cost.table import CostTable

STRANGE = 50.0
"""Measured and modelled costs further apart than this are probably in different units."""


def show(
    table: CostTable, options: argparse.Namespace, measured: Measurements, terms: PricedTerms, result: Calibration
) -> None:
    """Print tables, then what to think of them; warnings go to standard error."""
    column = table.columns[table.names.index(options.cost)]
    modelled = terms.matrix.sum(axis=1)
    print(f"{options.measurements}: {len(measured.values)} architectures, {measured.repeats.sum()} runs")
    if measured.empty:
        print(f"  {measured.empty} rows have no {options.cost} yet and are left out")
    if measured.spread is not None:
        print(f"  rows of one architecture differ by {100 * measured.spread:.1f} % (mean relative standard deviation)")
    heads = (f">measured, {column.unit}", f">{options.device}, {column.origin}", ">error", ">held out, corrected")
    rows = terminal.table(("architecture", *heads, ">error"))
    for i, sample in enumerate(measured.samples):
        value = measured.values[i]
        rows.add_row(
            table.domains.architecture_id(sample),
            amount(value),
            amount(modelled[i]) + (" (extrapolated)" if terms.extrapolated[i] else ""),
            f"{100 * (modelled[i] / value - 1):+.1f} %",
            amount(result.held_out[i]),
            f"{100 * (result.held_out[i] / value - 1):+.1f} %",
        )
    errors = terminal.table(("", ">mean error", ">largest", ">Kendall's tau", "of"))
    for name, kind, of in (
        ("before", result.before, f"all {len(measured.values)} rows, as the model is"),
        ("after", result.after, "held-out rows: no fit and no choice of a form has seen the row it predicts"),
    ):
        tau = "-" if math.isnan(kind.tau) else f"{kind.tau:.2f}"
        errors.add_row(name, f"{100 * kind.mape:.1f} %", f"{100 * kind.worst:.1f} %", tau, of)
    console = terminal.console()
    console.print(rows)
    console.print(errors)
    ratio = float(sorted(measured.values / modelled)[len(modelled) // 2])
    if not 1 / STRANGE < ratio < STRANGE:
        terminal.warn(f"measured costs are {ratio:.3g} times the modelled ones: are they in {column.unit}?")
    _conclude(column.unit, options, terms, result)


def _conclude(unit: str, options: argparse.Namespace, terms: PricedTerms, result: Calibration) -> None:
    if not result.helps:
        worse = result.after.mape >= result.before.mape
        reason = (
            f"held-out errors are {'no smaller than' if worse else 'smaller, but not significantly so, than'} those of "
            f"{options.device} as it is (one-sided Wilcoxon test: p = {result.p_value:.2g}, needed is {SIGNIFICANCE:g})"
        )
        more = (
            "Measure more networks (`--propose` says which)" if len(result.held_out) < 4 * FEWEST else "Keep the model"
        )
        terminal.fail(f"no correction is written: {reason}. {more}, or check how they were measured")
        return
    correction = result.correction
    print(f"correction: {correction.form}, the simplest that holds out well (p = {result.p_value:.2g} against none)")
    if correction.form == "terms":
        parts = ", ".join(f"{name} x {scale:.3g}" for name, scale in zip(terms.names, correction.scales, strict=True))
        print(f"  {parts}")
    else:
        offset = f" {correction.offset:+.4g} {unit}" if correction.offset else ""
        print(f"  {options.cost} = {correction.scales[0]:.4g} x {options.device}{offset}")
    if result.upper_ratio is None:
        print("  no upper 90 % bound: it takes nine rows. Limits will be checked on the corrected cost itself")
    else:
        print(f"  upper 90 % bound: {result.upper_ratio:.3f} times the corrected cost; limits are checked there")
