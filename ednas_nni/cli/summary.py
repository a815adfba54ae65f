"""An experiment in a few lines for people: what will be searched, on what, for what device, how long."""

from __future__ import annotations

from ednas_nni.baselines.comparison import score
from ednas_nni.bridge.manager.experiment_file import ExperimentFile
from ednas_nni.cli.terminal import amount, unit, wrapped
from ednas_nni.cost.plan import DRAWN, Plan, percent
from ednas_nni.search.assembled import Assembled
from ednas_nni.study.fields import FinishOptions, PluginChoice
from ednas_nni.study.objectives import DELTA_T, QUALITY

NOTES = {
    QUALITY: "mean skill over tasks: 0 = position prior, 1 = perfect",
    DELTA_T: "mean gain over one network per task, in percent",
}


def lines(file: ExperimentFile, assembled: Assembled, plan: Plan) -> list[tuple[str, str]]:
    """(heading, text) pairs; a heading may be empty for a line that goes on."""
    study, problem = assembled.study, assembled.problem
    rows = [("space", _space(assembled))]
    rows.append(("tasks", ", ".join(f"{name} ({task.primary})" for name, task in assembled.tasks.items())))
    rows.append(("data", _data(assembled)))
    rows += _costs(assembled, plan)
    rows.append(("constraints", _constraints(assembled, plan)))
    wanted = ", ".join(f"{'high' if o.maximise else 'low'} {o.name}" for o in problem.objectives)
    notes = "; ".join(f"{o.name}: {NOTES[o.name]}" for o in problem.objectives if o.name in NOTES)
    rows.append(("objectives", f"{wanted} ({notes})" if assembled.needs_network and notes else wanted))
    if weights := [f"{name} (content {digest})" for name, digest in assembled.weights.items()]:
        rows.append(("weights", ", ".join(weights)))
    if study.reference:
        rows.append(("reference", _reference(assembled)))
    rows.append(("strategy", _strategy(assembled)))
    if assembled.preparation is not None and (outlook := assembled.preparation.outlook()):
        rows.append(("made first", outlook))
    if study.start:
        rows.append(("trained first", ", ".join(_member(assembled, i) for i in range(len(study.start)))))
    count = in_words(study.finish, file.trials) if study.finish else f"{file.trials or 'until stopped'}"
    trials = f"{count}, {file.concurrency} at a time, {file.platform}"
    return [*rows, ("trials", f"{trials}; evaluator {_options(study.evaluator)}, seed {study.seed}")]


def in_words(finish: FinishOptions, trials: int | None) -> str:
    """What the trials are for, such as `200 = 188 searched + 6 networks x 2 seeds, finished with 500 steps`."""
    some = f"{finish.networks} network{'s' * (finish.networks > 1)} x {finish.seeds} seed{'s' * (finish.seeds > 1)}"
    parts = f"{trials} = {trials - finish.trials} searched" if trials else "until stopped: searched"
    return f"{parts} + {some}, finished with {finish.steps} steps"


def _options(plugin: PluginChoice) -> str:
    options = ", ".join(f"{key}={value}".replace("'", "") for key, value in plugin.options.items())
    return f"{plugin.name} ({options})" if options else plugin.name


def _space(assembled: Assembled) -> str:
    domains = assembled.domains
    return f"{_options(assembled.study.space)}: {domains.size_text} architectures, {len(domains)} choices"


def _data(assembled: Assembled) -> str:
    info = assembled.source.info
    height, width = info.size
    counts = ", ".join(f"{count} {split}" for split, count in info.counts.items())
    text = f"{info.name}: {counts} images of {height} x {width} px"
    if info.classes:
        text += f", {len(info.classes)} classes"
    return text if assembled.needs_network else f"none is read by this evaluator ({text})"


def _costs(assembled: Assembled, plan: Plan) -> list[tuple[str, str]]:
    costs = plan.costs
    names = [summary.column.name for summary in costs]
    wide = max(map(len, names), default=0)
    figures = [tuple(amount(summary.quantiles[share]) for share in (0.0, 0.5, 1.0)) for summary in costs]
    widths = [max((len(row[i]) for row in figures), default=0) for i in range(3)]
    drawn = f"{costs[0].samples} random architectures"
    rows = [("costs", f"at {assembled.table.size_text}, smallest .. median .. largest of {drawn}")]
    for summary, row in zip(costs, figures, strict=True):
        column = summary.column
        cells = " .. ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        figure = f"{column.name.ljust(wide)}  {cells}{unit(column.name, column.unit)}"
        beyond = f", {100 * summary.extrapolated:.0f} % of networks extrapolated" if summary.extrapolated else ""
        rows.append(("", f"{figure}   ({column.device}, {column.origin}{beyond})"))
    return rows


def _constraints(assembled: Assembled, plan: Plan) -> str:
    if not plan.constraints:
        return "none"
    bounds = [
        str(asked) if asked == checked else f"{asked} (checked on its upper bound {checked.name})"
        for asked, checked in zip(assembled.constraints, assembled.problem.constraints, strict=True)
    ]
    return f"{' and '.join(bounds)}: keeps {percent(plan.shares['strategies'])} of {DRAWN['strategies']}"


def _reference(assembled: Assembled) -> str:
    name, compared = assembled.study.reference, assembled.baselines[0]
    if compared is None:
        return f"{name}: not measured on one task alone yet, so there is no delta_t"
    return f"{name}: delta_t against {compared.seeds} single-task trainings per task, protocol {compared.protocol}"


def _strategy(assembled: Assembled) -> str:
    text, reward = _options(assembled.study.strategy), assembled.reward
    if assembled.multi_objective:
        return f"{text}, over the front of all objectives"
    if reward is None:
        return f"{text}, on {score(assembled.study)} alone"
    seen = f"reward {reward['reward']} of {score(assembled.study)} and {reward['cost']} against {reward['target']:g}"
    return f"{text}, hardware-aware: {seen}"


def _member(assembled: Assembled, index: int) -> str:
    name, sample = assembled.study.start[index], assembled.starts[index]
    costs = assembled.problem.cost_dict(sample)
    objectives = [o.name for o in assembled.objectives if o.name in costs] or list(costs)[:1]
    prices = ", ".join(f"{cost} {amount(costs[cost])}" for cost in objectives)
    return f"{name} = {assembled.domains.architecture_id(sample)} ({prices})"


def show(file: ExperimentFile, assembled: Assembled, plan: Plan) -> None:
    """Print the summary to standard output."""
    rows = lines(file, assembled, plan)
    wide = max(len(heading) for heading, _ in rows)
    for heading, text in rows:
        print(f"  {heading.ljust(wide)}  {wrapped(text, wide + 4).lstrip()}")
