"""The tables of a trust measurement, printed; the order by quality goes into docs/trust.md.

    ednas trust HALF.yml --longer 3 --recipes benchmarks/trust_recipes.yml --out benchmarks/results/trust.json
    python benchmarks/trust_table.py benchmarks/results/trust.json

HALF.yml is experiments/separate.yml with `steps: 250`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from into_docs import DOCS, EVIDENCE, grid, put

from ednas_nni.study.objectives import QUALITY
from evidence.trust.plot import trust_plot
from evidence.trust.record import TrustRecord
from evidence.trust.tables import (
    GAIN_HEADINGS,
    HEADINGS,
    PICK_HEADINGS,
    gain_rows,
    gap_headings,
    gap_remark,
    gap_rows,
    pick_remark,
    pick_rows,
    remarks,
    rows,
)
from evidence.trust.verdict import Verdict, verdict


def all_tables(record: TrustRecord, found: Verdict) -> str:
    """Everything that was measured, in Markdown."""
    parts = []
    for name, agreements in found.quantities.items():
        parts.append(f"Order by {name}:\n\n{grid(HEADINGS, rows(agreements))}")
    parts.append(f"Quality, on the half that the choice has not seen:\n\n{grid(HEADINGS, rows(found.on_other))}")
    parts.append(
        "The same architectures by each recipe and by `study`, order by quality:\n\n"
        + grid(GAIN_HEADINGS, gain_rows(found.quantities[QUALITY]))
    )
    parts.append(f"{pick_remark(record)}\n\n{grid(PICK_HEADINGS, pick_rows(found.picks))}")
    unseen = grid(PICK_HEADINGS, pick_rows(found.picks_on_other))
    parts.append(f"The same on the half that the choice has not seen:\n\n{unseen}")
    parts.append(f"{gap_remark(found)}\n\n{grid(gap_headings(found), gap_rows(found))}")
    return "\n\n".join(parts)


def text(record: TrustRecord, found: Verdict) -> str:
    """What docs/trust.md shows: the remarks, and the order by quality."""
    recipes = "; ".join(
        f"`{name}` {', '.join(f'{k}: {v}' for k, v in options.items()) or 'as the study says'}"
        for name, options in record.recipes.items()
    )
    table = grid(HEADINGS, rows(found.quantities[QUALITY]))
    return "\n\n".join([f"Recipes: {recipes}.", *remarks(record, found)[:2], table])


def progress(record: TrustRecord) -> str:
    """What stands in the page until the measurement is complete: counts, no claim."""
    done = {name: sum(len(seeds) for seeds in record.runs.get(name, {}).values()) for name in record.recipes}
    each = record.seeds * len(record.architectures)
    counts = ", ".join(f"`{name}` {count} of {each}" for name, count in done.items())
    return f"The measurement is not complete, so nothing is claimed of these ranks yet. Trainings so far: {counts}."


def main() -> None:
    """Render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    record = TrustRecord.read(parser.parse_args().record)
    if not all(map(record.complete, record.recipes)):
        put(EVIDENCE, "trust", progress(record))
        print(progress(record))
        return
    found = verdict(record)
    put(EVIDENCE, "trust", text(record, found))
    (DOCS / "images" / "trust.png").write_bytes(trust_plot(record, found))
    print("\n\n".join([*remarks(record, found), all_tables(record, found)]))


if __name__ == "__main__":
    main()
