"""An experiment in a few lines for people: what will be searched, on what, for what device, how long."""

from __future__ import annotations

from ednas_nni.baselines.in_study import score
from ednas_nni.bridge.findings import Findings
from ednas_nni.cli.terminal import amount, unit
from ednas_nni.cost.advice import DRAWN, kept
from ednas_nni.study.objectives import DELTA_T, QUALITY, Constraint, parse_constraint

NOTES = {
    QUALITY: "mean skill over tasks: 0 = position prior, 1 = perfect",
    DELTA_T: "mean gain over one network per task, in percent",
}


def lines(found: Findings) -> list[tuple[str, str]]:
    """(heading, text) pairs; a heading may be empty for a line that goes on."""
    file, study = found.file, found.file.study
    shown = [("space", _space(found))]
    shown.append(("tasks", ", ".join(_task(name, found) for name in study.tasks)))
    shown.append(("data", _data(found)))
    shown += _costs(found)
    shown.append(("constraints", _constraints(found)))
    wanted = ", ".join(f"{'high' if o.maximise else 'low'} {o.name}" for o in found.problem.objectives)
    notes = "; ".join(f"{o.name}: {NOTES[o.name]}" for o in found.problem.objectives if o.name in NOTES)
    shown.append(("objectives", f"{wanted} ({notes})" if found.needs_data and notes else wanted))
    if found.weights:
        shown.append(("weights", ", ".join(f"{name} (content {digest})" for name, digest in found.weights.items())))
    if study.reference:
        shown.append(("reference", _reference(found)))
    shown.append(("strategy", _strategy(found)))
    if study.start:
        shown.append(("trained first", ", ".join(_member(found, i) for i in range(len(study.start)))))
    count = f"{file.trials}" if file.trials else "until stopped"
    shown.append(
        (
            "trials",
            f"{count}, {file.concurrency} at a time, {file.platform}; "
            f"evaluator {_options(study.evaluator)}, seed {study.seed}",
        )
    )
    return shown


def _options(plugin: object) -> str:
    options = ", ".join(f"{key}={value}" for key, value in plugin.options.items())
    return f"{plugin.name} ({options})" if options else plugin.name


def _space(found: Findings) -> str:
    domains = found.table.domains
    size = domains.size()
    count = f"{size:,}" if size < 10**6 else f"{size:.2g}".replace("e+", " x 10^").replace("^0", "^")
    return f"{_options(found.file.study.space)}: {count} architectures, {len(domains)} choices"


def _task(name: str, found: Findings) -> str:
    primary = getattr(found.tasks.get(name), "primary", None)
    return f"{name} ({primary})" if primary else name


def _data(found: Findings) -> str:
    info = found.info
    height, width = info.size
    counts = ", ".join(f"{count} {split}" for split, count in info.counts.items())
    text = f"{info.name}: {counts} images of {height} x {width} px"
    if info.classes:
        text += f", {len(info.classes)} classes"
    return text if found.needs_data else f"none is read by this evaluator ({text})"


def _costs(found: Findings) -> list[tuple[str, str]]:
    height, width = found.file.study.deploy_size
    costs = found.plan.costs
    names = [summary.column.name for summary in costs]
    wide = max(map(len, names), default=0)
    figures = [tuple(amount(summary.quantiles[share]) for share in (0.0, 0.5, 1.0)) for summary in costs]
    widths = [max((len(row[i]) for row in figures), default=0) for i in range(3)]
    shown = [
        (
            "costs",
            f"at {height} x {width} px, smallest .. median .. largest of {costs[0].samples} random architectures",
        )
    ]
    for summary, row in zip(costs, figures, strict=True):
        column = summary.column
        cells = " .. ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        figure = f"{column.name.ljust(wide)}  {cells}{unit(column.name, column.unit)}"
        beyond = f", {100 * summary.extrapolated:.0f} % extrapolated" if summary.extrapolated else ""
        shown.append(("", f"{figure}   ({column.device}, {column.origin}{beyond})"))
    return shown


def _constraints(found: Findings) -> str:
    if not found.problem.constraints:
        return "none"
    bounds = " and ".join(map(_bound, found.file.study.constraints, found.problem.constraints))
    return f"{bounds}: keeps {kept(found.plan.kept['strategies'])} of {DRAWN['strategies']}"


def _bound(written: str, checked: Constraint) -> str:
    """A limit as the study writes it, and where it is checked if that is the upper bound of an interval."""
    asked = parse_constraint(written)
    return str(asked) if asked == checked else f"{asked} (checked on its upper bound {checked.name})"


def _reference(found: Findings) -> str:
    name, compared = found.file.study.reference, found.references
    if compared is None:
        return f"{name}: not measured on one task alone yet, so there is no delta_t"
    return f"{name}: delta_t against {compared.seeds} single-task trainings per task, protocol {compared.protocol}"


def _strategy(found: Findings) -> str:
    text = _options(found.file.study.strategy)
    if getattr(found.strategy, "multi_objective", False):
        return f"{text}, over the front of all objectives"
    if found.reward is None:
        return f"{text}, on {score(found.file.study)} alone"
    reward = found.reward
    seen = f"reward {reward['reward']} of {score(found.file.study)} and {reward['cost']} against {reward['target']:g}"
    return f"{text}, hardware-aware: {seen}"


def _member(found: Findings, index: int) -> str:
    name, sample = found.file.study.start[index], found.starts[index]
    costs = found.problem.cost_dict(sample)
    objectives = [o.name for o in found.problem.objectives if o.name in costs] or list(costs)[:1]
    told = ", ".join(f"{cost} {amount(costs[cost])}" for cost in objectives)
    return f"{name} = {found.table.domains.architecture_id(sample)} ({told})"


def show(found: Findings) -> None:
    """Print the summary to standard output."""
    wide = max(len(heading) for heading, _ in lines(found))
    for heading, text in lines(found):
        print(f"  {heading.ljust(wide)}  {text}")
