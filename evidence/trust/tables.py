"""What `ednas trust` prints; the same tables stand in the docs."""

from __future__ import annotations

from collections.abc import Sequence

from ednas_nni.study.objectives import QUALITY
from evidence.trust.picks import LOT, SEARCHES, ExpectedPick
from evidence.trust.ranks import RankEstimate
from evidence.trust.record import INHERITED, SHIPPED, TRUTH, TrustRecord
from evidence.trust.training import CONTROLS
from evidence.trust.verdict import Agreement, Verdict

HEADINGS = ("predictor", "images", "all", "same cost", "best third", "beyond controls", "ceiling")
GAIN_HEADINGS = (f"{QUALITY}, minus {SHIPPED!r}", "same cost", "best third")
PICK_HEADINGS = ("recipe", *(f"images of {searched}" for searched in SEARCHES))


def rows(agreements: Sequence[Agreement]) -> list[tuple[str, ...]]:
    """One row a predictor."""
    made = []
    for a in agreements:
        images, ceiling = f"{a.images:,}" if a.images else "-", "-" if a.ceiling is None else f"{a.ceiling:.2f}"
        made.append((a.predictor, images, *map(str, (a.overall, a.within, a.top, a.margin or "-")), ceiling))
    return made


def gain_rows(agreements: Sequence[Agreement]) -> list[tuple[str, ...]]:
    """What other recipes order better than the study's own, on the same architectures; one row a recipe."""
    return [(a.predictor, str(a.within_gain), str(a.top_gain)) for a in agreements if a.within_gain]


def remarks(record: TrustRecord, result: Verdict) -> list[str]:
    """What the figures mean, in sentences; the verdict first."""
    longer = record.recipes[TRUTH]
    chosen = {a.predictor: a for a in result.on_other}[result.chosen]
    said = [
        f"{result.architectures} architectures spread over {record.cost}, {result.seeds} trainings of each by each "
        f"recipe; predictors see one training, {TRUTH!r} ({longer['steps']} steps, scored on "
        f"{longer.get('scored_on', 'the same split')}) is the mean of its {result.seeds}.",
        "Kendall's tau-b [95 % interval over architectures]. same cost: pairs of the same third by "
        f"{record.cost}; best third: by {TRUTH!r}; beyond controls: same cost minus that of the best of "
        f"{', '.join(dict.fromkeys((*CONTROLS, record.cost)))}; ceiling: same cost of a recipe without fault, given "
        "the noise of both trainings; images: what a training sees, steps times batch size.",
        f"Chosen on one half: {result.chosen!r}, the cheapest within one standard error of the best. On the other "
        f"half: all {chosen.overall}, same cost {chosen.within}, beyond controls {chosen.margin}.",
    ]
    if result.lead is not None:
        lead, half = result.lead.mean, result.lead.half or 0.0
        how = "as good as" if abs(lead) <= half else "better than" if lead > 0 else "NOT as good as"
        worth = "" if lead + half >= 0 else ": it is no judge of them. Train it longer (--until-flat)"
        said.append(
            f"{INHERITED!r}: one supernet, whose images are those of its whole training, scores every network. On the "
            f"same images {TRUTH!r} is {how} the inherited networks{worth}: quality {lead:+.4f} ± {half:.4f} over "
            f"{result.lead.n} architectures."
        )
    whole = {a.predictor: a for a in result.quantities[QUALITY]}[result.chosen]
    said.append(f"On all {result.architectures} together: all {whole.overall}, same cost {whole.within}.")
    verdict = [
        "it orders networks of equal cost better than what trains nothing does"
        if chosen.margin is not None and chosen.margin.low > 0
        else "it is NOT shown to order networks of equal cost better than what trains nothing does",
        "its lower 95 % bound over all pairs is at least 0.5"
        if chosen.overall.low >= 0.5
        else f"its lower 95 % bound over all pairs is {chosen.overall.low:+.2f}, below 0.5",
    ]
    if whole.top.low <= 0:
        verdict.append(
            "it is NOT shown to order the best third: train the networks of a front longer before one is taken"
        )
    return [f"Verdict on {result.chosen!r}: {'; '.join(verdict)}.", *said]


def pick_rows(picks: Sequence[ExpectedPick]) -> list[tuple[str, ...]]:
    """One row a recipe: of the study's own what is taken, of the others how much better."""
    names = dict.fromkeys((SHIPPED, *(pick.recipe for pick in picks)))
    cells = {(p.recipe, p.searched): _fine(p.quality) if p.recipe == SHIPPED else _fine(p.gain, "+") for p in picks}
    return [
        (name if name == SHIPPED else f"{name}, minus {SHIPPED!r}", *(cells[name, n] for n in SEARCHES))
        for name in names
    ]


def pick_remark(record: TrustRecord) -> str:
    """What the rows of `pick_rows` are."""
    return (
        f"For the images of so many trainings by {SHIPPED!r}, each recipe trains random networks once, as many as it "
        f"can, and takes the best of each third by {record.cost}; {QUALITY} of what is taken, by {TRUTH!r} and in the "
        f"mean of the thirds [95 % interval]; {LOT}: one of each third without any training."
    )


def _fine(value: RankEstimate, sign: str = "") -> str:
    return f"{value.value:{sign}.4f} [{value.low:{sign}.4f}, {value.high:{sign}.4f}]"


def gap_headings(result: Verdict) -> tuple[str, ...]:
    """Of `gap_rows`."""
    return ("apart by", *result.gaps)


def gap_rows(result: Verdict) -> list[tuple[str, ...]]:
    """How often an order is right, by distance in units of the recipe's own noise; one row a distance."""
    cells: dict[tuple[float, float], dict[str, str]] = {(g.low, g.high): {} for of in result.gaps.values() for g in of}
    for name, of in result.gaps.items():
        for g in of:
            cells[g.low, g.high][name] = f"{100 * g.right:.0f} % of {g.pairs:,}"
    return [
        (
            f"{low:.0f} to {high:.0f} x noise" if high != float("inf") else f"{low:.0f} x noise and more",
            *(cells[low, high].get(name, "-") for name in result.gaps),
        )
        for low, high in sorted(cells)
    ]


def gap_remark(result: Verdict) -> str:
    """What the rows of `gap_rows` are, and the unit of their distances."""
    noise = ", ".join(f"{name} {value:.4f}" for name, value in result.noise.items())
    return (
        f"Noise of one training's {QUALITY} (standard deviation): {noise}; over architectures: {result.spread:.4f}. Of "
        f"two architectures trained once each, so often {TRUTH!r} orders them as the recipe does, by how far apart the "
        "recipe saw them, in units of its noise (and of how many pairs of trainings)."
    )


def show(record: TrustRecord, result: Verdict) -> None:
    """Print tables and sentences."""
    from ednas_nni.cli.terminal import console, table

    def tabulate(headings: Sequence[str], rows: Sequence[tuple[str, ...]], title: str) -> None:
        console().print(table((headings[0], *(f">{heading}" for heading in headings[1:])), title, rows))

    verdict, *said = remarks(record, result)
    print(verdict)
    for name, agreements in result.quantities.items():
        tabulate(HEADINGS, rows(agreements), f"Order by {name}")
    if others := gain_rows(result.quantities[QUALITY]):
        tabulate(GAIN_HEADINGS, others, f"Order by {QUALITY}, against {SHIPPED!r}")
    tabulate(gap_headings(result), gap_rows(result), "Ordered right")
    tabulate(PICK_HEADINGS, pick_rows(result.picks), "Taken at equal cost")
    print(pick_remark(record), gap_remark(result), *said, sep="\n")
    if result.chosen != SHIPPED:
        options = ", ".join(f"{k}: {v}" for k, v in record.recipes[result.chosen].items())
        print(f"To use it, set evaluator: {{..., {options}}}")
