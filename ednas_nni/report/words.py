"""The search in sentences. Every figure says its unit, its protocol and n."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import datetime, timezone

from ednas_nni.handover.search import SearchedArchitecture, in_words
from ednas_nni.handover.tables import span
from ednas_nni.record.quantities import QUALITY, Quantity, duration
from ednas_nni.report.data import SearchView, Trial
from ednas_nni.study.objectives import DELTA_T, Constraint

LEARNED = 0.03
"""Where the best inherited quality was 0.022, tau with long trainings was 0.14; at 0.051, 0.51 (docs/supernet.md)."""


def state(view: SearchView) -> str:
    """Where the search stands, one line."""
    if view.history.finished is not None:
        return f"finished: {view.history.finished or 'no reason given'}"
    return "not finished: it is still running or was interrupted; the report shows what is known so far"


def what(view: SearchView) -> str:
    """What was searched, on what, for what."""
    study = view.study
    tasks = _and(list(map(str, study.get("tasks") or []))) or "unknown tasks"
    size = f" of {view.domains.size_text} different architectures" if view.domains is not None else ""
    goals = _and([f"{o.name} ({'larger' if o.maximise else 'smaller'} is better)" for o in view.objectives])
    limits = f", allowed only where {_and([_bound(view, c) for c in view.constraints])}" if view.constraints else ""
    return (
        f"One network for {tasks} was searched in the space {plugin_name(study.get('space'))}{size} with the strategy "
        f"{plugin_name(study.get('strategy'))}, on the data {view.data.name}, for {goals}{limits}."
    )


def made(view: SearchView) -> str:
    """What became of a network whose trial has a result."""
    return "scored" if view.head.inherits else "trained"


def how_many(view: SearchView) -> str:
    """How many trials, and what became of them."""
    counts = Counter(made(view) if trial.status == "trained" else trial.status for trial in view.trials)
    ends = [f"{counts[s]} {s}" for s in (made(view), "pruned", "failed", "cancelled", "running") if counts[s]]
    text = f"{_n(len(view.trials), 'trial')} started" + (f" ({', '.join(ends)})" if ends else "") + "."
    history = view.history
    if history.finishing:
        networks = len({record.architecture for record in history.finishing})
        text += f" {_n(len(history.finishing), 'further one', 'further ones')} finished {_n(networks, 'network')}."
    if taken := len(history.all_trials) - len(history.own):
        text += f" Of them {_n(taken, 'is a result', 'are results')} of earlier searches, taken over."
    if history.reused:
        proposals = _n(len(history.reused), "proposal was", "proposals were")
        text += f" {proposals} known already and answered without training."
    if history.rejected:
        text += (
            f" {_n(len(history.rejected), 'proposal', 'proposals')} outside the constraints "
            f"{'was' if len(history.rejected) == 1 else 'were'} never trained."
        )
    if history.swaps:
        text += (
            f" NNI handed {_n(len(history.swaps), 'trial')} the parameters of another one; this was corrected, so "
            "every result stands beside its own network."
        )
    return text


def best_line(view: SearchView) -> str:
    """The best network in one sentence."""
    best, top = view.best, best_confirmed(view)
    if best is None:
        return f"There is no result yet: no trial has ended with a {view.score.label}."
    costs = (top or best).costs
    prices = [f"{_measured(q, costs[q.key])} ({origin(q)})" for q in view.costs if q.key in costs]
    at = f", with {_and(prices)}" if prices else ""
    if top is not None:
        return (
            f"The best confirmed {view.score.label} is {in_words(view.score, top.interval(view.score.key))} (mean of "
            f"{_n(len(top.confirmed), 'fresh seed')}, select split), of architecture "
            f"{top.name or top.architecture}{at}."
        )
    name = f", the member {best.name}" if best.name else ""
    how = "inherited" if view.head.inherits else "one training"
    return (
        f"The best {view.score.label} is {view.score.text(best.quality)}, reached by architecture "
        f"{best.architecture}{name} (trial {best.number}, {how}){at}. {_best_delta_t(view)}".rstrip()
    )


def best_confirmed(view: SearchView) -> SearchedArchitecture | None:
    """Of the confirmed architectures the one of the highest mean; None where none is confirmed."""
    again = [a for a in view.record.confirmed if a.value(view.score.key) is not None]
    return max(again, key=lambda a: a.value(view.score.key) or 0.0, default=None)


def against_members(view: SearchView) -> list[str]:
    """The front against each named member that was trained: the best quality at equal or lower cost."""
    if view.x is None or view.record.confirmed:
        return []  # of searched values there is no more to say
    x, y = view.x, view.y
    points = [(trial, x_value, y_value) for trial, x_value, y_value in view.points(x, y) if not trial.name]
    sentences = []
    for member, limit, reached in view.points(x, y):
        if not member.name:
            continue
        begin = f"{member.name}, {made(view)} by the same recipe, reaches {y.label} {y.text(reached)} at "
        begin += _measured(x, limit)
        rivals = [point for point in points if point[1] <= limit]
        if not rivals:
            sentences.append(f"{begin}; the search {made(view)} no network at equal or lower {x.label}.")
            continue
        rival, cost, value = (max if y.direction == "max" else min)(rivals, key=lambda point: point[2])
        apart = f"{y.text(abs(value - reached))} {'more' if value > reached else 'less'}"
        sentences.append(
            f"{begin}. At equal or lower {x.label}, architecture {rival.architecture} scored {apart} at "
            f"{x.text(cost)}, {view.record.searched_how}: not proven."
        )
    return sentences


def unlearned(view: SearchView) -> str:
    """That the searched values order networks by chance, as none is much better than the position prior; or ""."""
    ours = view.score is QUALITY and any(q.group in (view.study.get("tasks") or []) for q in view.metrics)
    if not ours or view.best is None or (view.best.quality or 0.0) >= LEARNED:
        return ""
    more = "its supernet (`evaluator.supernet.steps`), or each network" if view.head.inherits else "each network"
    return (
        f"No searched {view.score.label} is much above 0, the position prior (best of {len(view.results)}: "
        f"{view.score.text(view.best.quality)}). Such values order networks hardly better than chance, so what leads "
        f"the front is mostly luck: train {more} (`evaluator.steps`) longer."
    )


def budget(view: SearchView) -> str:
    """Whether more trials would have helped, from what the last quarter of the results has added; "" for a few."""
    n, late = len(view.growth), len(view.growth) // 4
    if late < 2 or not view.growth[-1]:
        return ""
    gain = 100 * (1 - view.growth[-1 - late] / view.growth[-1])
    verdict = "the search was still growing" if gain >= 5 else "more would hardly have helped" if gain < 1 else ""
    return (
        f"Was the budget enough? The last {late} of {n} results added {gain:.1f} % of the front's hypervolume"
        f"{': ' if verdict else ''}{verdict}. It is that of searched values, which luck raises too."
    )


def honest(view: SearchView) -> list[str]:
    """What the figures mean and what they do not."""
    study = view.study
    evaluator = study.get("evaluator")
    asked = evaluator.get("steps") if isinstance(evaluator, dict) else None
    steps = f" of {asked} steps" if isinstance(asked, int) else ""
    images = view.data.counts.get("search")
    scored_on = f"all {images} images" if images else "all images"
    size = _size(study.get("train_size"))
    if view.head.inherits:
        source = (
            f"Every searched {view.score.label} is inherited: the network takes its part of the weights that all "
            f"networks share in a supernet{f', is trained on for {asked} steps' if asked else ''}, at {size}; it is "
            "scored on"
        )
    else:
        source = (
            f"Every {view.score.label} comes from one short training{steps} of one network with seed "
            f"{study.get('seed', '?')} (n = 1 training per architecture) at {size}; it is scored with the last weights "
            "on"
        )
    sentences = [
        f"{source} {scored_on} of the search split, on which candidates are compared. It ranks architectures; it is "
        "not what a full training reaches."
    ]
    if any(q.group in (study.get("tasks") or []) for q in view.metrics):
        sentences.append(
            "Quality is the mean over tasks of the skill of each primary metric against the position prior, a "
            "predictor that knows where a pixel lies but not what the image shows: 0 is no better than the prior, 1 is "
            "perfect, negative is worse. No metric is a mean over batches."
        )
    else:
        sentences.append("Quality is the trial's metric `default` as the evaluator reports it; larger is better.")
    sentences.extend(delta_t_means(view))
    n = len(view.results)
    if n:
        noisy = "scores" if view.head.inherits else "single trainings"
        sentences.append(
            f"The best of n = {n} noisy {noisy} is optimistic: part of its lead is luck. It counts once it is "
            "confirmed with fresh seeds on the select split; the test split is left for a final evaluation."
        )
    sentences.extend(
        f"{q.key} [{q.unit}] is {origin(q)}, priced at {_size(study.get('deploy_size'))}: {q.note or 'no note given'}"
        + ("" if q.note.endswith(".") else ".")
        for q in view.costs
    )
    return sentences


def delta_t_means(view: SearchView) -> list[str]:
    """What Delta_T means here and what not; empty where no trial carries it."""
    carried = [trial for trial in view.results if trial.value(DELTA_T) is not None]
    if not carried:
        return []
    against = view.compared
    if against is None:
        return [
            "delta_t [%] is the mean gain over single-task networks; the journal does not hold their record, so no "
            "interval can be given."
        ]
    seeds = ", ".join(str(seed) for seed in next(iter(against.records.values())).seeds)
    sentences = [
        f"delta_t [%] is the mean gain over {against.member} trained on one task alone (n = {against.seeds} trainings "
        f"per task, seeds {seeds}) on the same data by the same recipe, protocol {against.protocol}: the relative "
        "change of each metric, averaged over the metrics of a task, then over the tasks. 0 is as good as one network "
        "per task, larger is better."
    ]
    if any(trial.delta_t is not None and trial.delta_t.low is not None for trial in carried):
        sentences.append(
            "The interval of delta_t (95 %, Student's t, each trial for itself) includes the spread of the baselines. "
            "A trial is trained once (n = 1), so the spread of a single baseline run stands in for its own."
        )
    else:
        sentences.append("delta_t has no interval: a baseline was trained only once.")
    sentences.append(
        f"The best delta_t of n = {len(carried)} noisy single trainings is optimistic, and its interval does not "
        "account for that choice: confirm it with fresh seeds."
    )
    return sentences


def protocols(view: SearchView) -> str:
    """Those of the tasks' metrics; a journal of version 0.1 does not name them."""
    names = dict.fromkeys(metric.protocol for task in view.head.tasks or () for metric in task.metrics)
    return " and ".join(filter(None, names)) or "unknown"


def confirmed(view: SearchView) -> list[str]:
    """What stands behind the front: confirmed values and how optimistic the search was, or what to do."""
    record = view.record
    if not record.confirmed:
        return [f"No value is confirmed yet: ednas confirm {view.experiment} trains the front with fresh seeds."]
    return [
        f"{_n(len(record.confirmed), 'architecture was', 'architectures were')} trained again, each with "
        f"{span(len(a.confirmed) for a in record.confirmed)} fresh seeds, and scored on the select split, which no "
        f"candidate had seen; {len(record.front)} of them are the front by these means. {record.optimism_in_words}"
    ]


def next_commands(view: SearchView) -> list[tuple[str, str]]:
    """What to type after a search, as (command, what it does)."""
    name, best = view.experiment, best_confirmed(view) or view.best
    if best is None:
        return [(f"ednas resume {name}", "go on with the search")]
    again = [] if view.record.confirmed else [(f"ednas confirm {name}", "the front once more, with fresh seeds")]
    return [
        *again,
        (f"ednas pick {name}", "one network, and why"),
        (f"ednas train {name} {best.architecture}", "a network in full, then: ednas predict, export, benchmark"),
    ]


def seconds_line(view: SearchView) -> list[tuple[str, str]]:
    """Begin, end and durations as (name, text)."""
    begins = [t.submitted_at for t in view.history.all_trials]
    begins += [view.history.head.time] if view.history.head is not None else []
    ends = [t.ended_at for t in view.history.all_trials if t.ended_at is not None]
    lines = []
    if begins:
        lines.append(("started", when(min(begins))))
    if begins and ends:
        pauses = ", pauses included" if any(start.mode == "resume" for start in view.history.starts) else ""
        made = view.head.prepared_s or 0.0
        before = f", and {duration(made)} before it for the supernet" if made else ""
        lines.append(("last trial ended", when(max(ends))))
        name = f"wall clock, first submission to last end{pauses}{before}"
        lines.append((name, duration(max(ends) - min(begins) + made)))
    trained = [t.seconds for t in view.trials if t.quality is not None and t.seconds is not None]
    if trained:
        lines.append((f"median trial (n = {len(trained)})", duration(statistics.median(trained))))
    return lines


def delta_t(trial: Trial) -> str:
    """A trial's Delta_T without its unit, such as `-3.20 [-5.10, -1.30]`; "-" where it has none."""
    value, estimate = trial.value(DELTA_T), trial.delta_t
    if value is None:
        return "-"
    if estimate is None or estimate.low is None or estimate.high is None:
        return f"{value:.2f}"
    return f"{value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _best_delta_t(view: SearchView) -> str:
    """The best trial's Delta_T by task, one sentence; "" where it has none."""
    best = view.best
    if best is None or best.value(DELTA_T) is None:
        return ""
    parts = ""
    if best.delta_t is not None:
        each = ", ".join(f"{task} {value:+.2f} %" for task, value in best.delta_t.tasks.items())
        parts = f" ({each})"
    against = f" against {view.compared.member} on single tasks" if view.compared else ""
    return f"Its delta_t is {delta_t(best)} %{parts}{against}."


def origin(quantity: Quantity) -> str:
    """Origin and device of a cost."""
    device = f" for {quantity.device}" if quantity.device not in ("", quantity.key) else ""
    return f"{quantity.origin}{device}"


def plugin_name(value: object) -> str:
    """The name of a plugin as a study gives it."""
    return str(value.get("name", "?") if isinstance(value, dict) else value if value is not None else "?")


def when(seconds: float) -> str:
    """Unix time -> "2026-01-31 12:00 UTC"."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "unknown time"


def counted(view: SearchView) -> list[str]:
    """What never became a trial, and what was put right, one line each."""
    history = view.history
    reasons = [f"{count} by {name}" for name, count in _rejections(view)]
    pruned = view.count("pruned")
    lines = [
        *(
            [f"{_n(pruned, 'trial')} ended early: dominated at its cost by its learning curve (pruned)."]
            if pruned
            else []
        ),
        f"{_n(len(history.rejected), 'proposal')} rejected before training"
        + (f": {', '.join(reasons)}." if reasons else "."),
        f"{_n(len(history.reused), 'proposal')} of known architectures answered from the journal without training.",
        f"{_n(len(history.swaps), 'trial')} to which NNI handed the parameters of another one"
        + (", corrected: every result stands beside the architecture that produced it." if history.swaps else "."),
    ]
    kinds: dict[str, list[str]] = {}
    for note in history.notes:
        kinds.setdefault(str(note.kind), []).append(note.text or "")
    return lines + [texts[-1] + (f" ({len(texts)} times)" if len(texts) > 1 else "") for texts in kinds.values()]


def failures(view: SearchView) -> list[tuple[str, list[Trial]]]:
    """Trials that failed or were cancelled, by cause, the most frequent first."""
    by_cause: dict[str, list[Trial]] = {}
    for trial in view.trials:
        if trial.status in ("failed", "cancelled"):
            by_cause.setdefault(f"{trial.status}: {trial.cause or 'no cause was recorded'}", []).append(trial)
    return sorted(by_cause.items(), key=lambda item: -len(item[1]))


def _rejections(view: SearchView) -> list[tuple[str, int]]:
    """Constraint -> number of rejected proposals, the most frequent first."""
    counts: Counter[str] = Counter()
    for event in view.history.rejected:
        counts.update({reason.partition(" is ")[0] for reason in event.reasons or ["no reason was recorded"]})
    return counts.most_common()


def _size(value: object) -> str:
    if isinstance(value, list | tuple) and len(value) == 2:
        return f"{value[0]} x {value[1]} pixels"
    return "an unknown size"


def _measured(quantity: Quantity, value: float) -> str:
    """A cost in a sentence, such as `6.75 ms latency` or `2.60 GMAC`."""
    said = quantity.label.lower().removesuffix("s") in quantity.unit.lower()
    return quantity.text(value) + ("" if said else f" {quantity.label}")


def _bound(view: SearchView, constraint: Constraint) -> str:
    quantity = next((q for q in view.costs if q.key == constraint.name), None)
    sign = "≤" if constraint.op == "<=" else "≥"
    if quantity is None:
        return f"{constraint.name} {sign} {constraint.bound:g}"
    return f"{quantity.label} {sign} {constraint.bound * quantity.scale:g} {quantity.unit}"


def _n(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
