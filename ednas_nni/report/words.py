"""The search in sentences. Every figure says its unit, its protocol and n."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

from ednas_nni.report import compared
from ednas_nni.report.data import SearchView, Trial
from ednas_nni.report.facts import DataFacts
from ednas_nni.report.quantities import Quantity, is_number
from ednas_nni.study.objectives import Constraint


def state(view: SearchView) -> str:
    """Where the search stands, one line."""
    if view.history.finished is not None:
        return f"finished: {view.history.finished or 'no reason given'}"
    return "not finished: it is still running or was interrupted; the report shows what is known so far"


def what(view: SearchView, facts: DataFacts) -> str:
    """What was searched, on what, for what."""
    study = view.study
    tasks = _and(list(map(str, study.get("tasks") or []))) or "unknown tasks"
    size = f" of {_count(view.domains.size())} different architectures" if view.domains is not None else ""
    goals = _and([f"{o.name} ({'larger' if o.maximise else 'smaller'} is better)" for o in view.objectives])
    limits = f", allowed only where {_and([_bound(view, c) for c in view.constraints])}" if view.constraints else ""
    return (
        f"One network for {tasks} was searched in the space {plugin_name(study.get('space'))}{size} with the strategy "
        f"{plugin_name(study.get('strategy'))}, on the data {facts.name}, for {goals}{limits}."
    )


def how_many(view: SearchView) -> str:
    """How many trials, and what became of them."""
    counts = Counter(trial.status for trial in view.trials)
    told = [f"{counts[s]} {s}" for s in ("trained", "failed", "cancelled", "running") if counts[s]]
    text = f"{_n(len(view.trials), 'trial')} started" + (f" ({', '.join(told)})" if told else "") + "."
    history = view.history
    if history.reused:
        known = _n(len(history.reused), "proposal was", "proposals were")
        text += f" {known} known already and answered without training."
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
    best = view.best
    if best is None:
        return f"There is no result yet: no trial has ended with a {view.score.label}."
    costs = [f"{_measured(q, best.costs[q.key])} ({origin(q)})" for q in view.costs if q.key in best.costs]
    name = f", the member {best.name}" if best.name else ""
    at = f", with {_and(costs)}" if costs else ""
    return (
        f"The best {view.score.label} is {view.score.text(best.quality)}, reached by architecture "
        f"{best.architecture}{name} (trial {best.number}, one training){at}. {compared.best_line(view)}".rstrip()
    )


def against_references(view: SearchView) -> list[str]:
    """The front against each named member that was trained: the best quality at equal or lower cost."""
    if view.x is None:
        return []
    x, y = view.x, view.y
    up = next((o.maximise for o in view.objectives if o.name == y.key), True)
    found = []
    for member in view.references:
        limit, own = member.value(x.key), member.value(y.key)
        if limit is None or own is None:
            continue
        rivals = [
            trial
            for trial in view.results
            if not trial.name and trial.value(y.key) is not None and _at_most(trial.value(x.key), limit)
        ]
        told = f"{member.name}, trained by the same recipe, reaches {y.label} {y.text(own)} at {_measured(x, limit)}"
        if not rivals:
            found.append(f"{told}; the search trained no network at equal or lower {x.label}.")
            continue
        rival = (max if up else min)(rivals, key=lambda trial: trial.value(y.key))
        theirs = rival.value(y.key)
        better = theirs > own if up else theirs < own
        verdict = "beats it" if better else "comes closest"
        found.append(
            f"{told}. At equal or lower {x.label}, architecture {rival.architecture} {verdict} with "
            f"{y.label} {y.text(theirs)} at {x.text(rival.value(x.key))} (n = 1 training each)."
        )
    return found


def honest(view: SearchView, facts: DataFacts) -> list[str]:
    """What the figures mean and what they do not."""
    study = view.study
    options = study.get("evaluator") if isinstance(study.get("evaluator"), dict) else {}
    images = (facts.counts or {}).get("search")
    n = f"all {images} images" if images else "all images"
    size = _size(study.get("train_size"))
    steps = f" of {options['steps']} steps" if is_number(options.get("steps")) else ""
    found = [
        f"Every {view.score.label} comes from one short training{steps} of one network with seed "
        f"{study.get('seed', '?')} (n = 1 training per architecture) at {size}; it is scored with the last weights on "
        f"{n} of the search split, "
        "on which candidates are compared. It ranks architectures; it is not what a full training reaches.",
    ]
    if any(q.group in (study.get("tasks") or []) for q in view.metrics):
        found.append(
            "Quality is the mean over tasks of the skill of each primary metric against the position prior, a "
            "predictor that knows where a pixel lies but not what the image shows: 0 is no better than the prior, 1 is "
            "perfect, negative is worse. All metrics are sums over valid pixels of the split, not means of batches."
        )
    else:
        found.append("Quality is the trial's metric `default` as the evaluator reports it; larger is better.")
    found.extend(compared.meaning(view))
    n = len(view.results)
    if n:
        found.append(
            f"The best of n = {n} noisy single trainings is optimistic: part of its lead is luck. It counts once it is "
            "confirmed with fresh seeds on the select split; the test split is left for a final evaluation."
        )
    found.extend(
        f"{q.key} [{q.unit}] is {origin(q)}, priced at {_size(study.get('deploy_size'))}: {q.note or 'no note given'}"
        + ("" if q.note.endswith(".") else ".")
        for q in view.costs
    )
    return found


def seconds_line(view: SearchView) -> list[tuple[str, str]]:
    """Begin, end and durations as (name, text)."""
    begins = [t.submitted_at for t in view.history.trials] + [view.header.get("time")]
    ends = [t.ended_at for t in view.history.trials]
    begins, ends = [b for b in begins if is_number(b)], [e for e in ends if is_number(e)]
    found = []
    if begins:
        found.append(("started", when(min(begins))))
    if begins and ends:
        found.append(("last trial ended", when(max(ends))))
        found.append(("wall clock", duration(max(ends) - min(begins))))
        if any(start.get("mode") == "resume" for start in view.history.starts):
            found[-1] = ("wall clock, pauses included", found[-1][1])
    trained = sorted(trial.seconds for trial in view.trials if trial.scored and trial.seconds is not None)
    if trained:
        found.append((f"median trial (n = {len(trained)})", duration(trained[len(trained) // 2])))
    return found


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


def duration(seconds: float) -> str:
    """Seconds -> "45 s", "12 min 5 s" or "3 h 20 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(view: SearchView) -> list[str]:
    """What never became a trial, and what was put right, one line each."""
    history = view.history
    refused = [f"{count} by {name}" for name, count in _refusals(view)]
    found = [
        f"{_n(len(history.rejected), 'proposal')} refused before training"
        + (f": {', '.join(refused)}." if refused else "."),
        f"{_n(len(history.reused), 'proposal')} of known architectures answered from the journal without training.",
        f"{_n(len(history.swaps), 'trial')} to which NNI handed the parameters of another one"
        + (", corrected: every result stands beside the architecture that produced it." if history.swaps else "."),
    ]
    kinds: dict[str, list[str]] = {}
    for note in history.notes:
        kinds.setdefault(str(note.get("kind")), []).append(str(note.get("text", note)))
    return found + [texts[-1] + (f" ({len(texts)} times)" if len(texts) > 1 else "") for texts in kinds.values()]


def failures(view: SearchView) -> list[tuple[str, list[Trial]]]:
    """Trials that failed or were cancelled, by cause, the most frequent first."""
    found: dict[str, list[Trial]] = {}
    for trial in view.trials:
        if trial.status in ("failed", "cancelled"):
            found.setdefault(f"{trial.status}: {trial.cause or 'no cause was recorded'}", []).append(trial)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def _refusals(view: SearchView) -> list[tuple[str, int]]:
    """Constraint -> number of refused proposals, the most frequent first."""
    counts: Counter[str] = Counter()
    for entry in view.history.rejected:
        reasons = entry.get("reasons") or ["no reason was recorded"]
        listed = reasons if isinstance(reasons, list) else [reasons]
        counts.update({str(reason).partition(" is ")[0] for reason in listed})
    return counts.most_common()


def _size(value: object) -> str:
    if isinstance(value, list | tuple) and len(value) == 2:
        return f"{value[0]} x {value[1]} pixels"
    return "an unknown size"


def _count(n: int) -> str:
    for size, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if size <= n < 1000 * size:
            return f"{n / size:.3g} {name}"
    return f"{n:,}" if n < 10**6 else f"about 10^{len(str(n)) - 1}"


def _measured(quantity: Quantity, value: float) -> str:
    """A cost in a sentence, such as `6.75 ms latency` or `2.60 GMAC`."""
    known = quantity.label.lower().removesuffix("s") in quantity.unit.lower()
    return quantity.text(value) + ("" if known else f" {quantity.label}")


def _at_most(value: float | None, limit: float) -> bool:
    return value is not None and value <= limit


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
