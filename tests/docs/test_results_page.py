"""docs/results.md and tables of other pages are what is committed below benchmarks/results; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import results_page

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [ROOT / "examples" / "plugin" / "README.md", results_page.EVIDENCE]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize(("page", "name"), list(results_page.TABLES))
def test_a_table_is_what_is_committed(page: Path, name: str) -> None:
    table = results_page.TABLES[page, name]().strip()
    text = page.read_text(encoding="utf-8")
    assert f"<!-- {name}:begin -->\n{table}\n<!-- {name}:end -->" in text, "run python benchmarks/results_page.py"


def test_figures_of_the_readme_are_those_of_the_page() -> None:
    wrong = results_page.read("swaps.json")["arms"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    plain, forked = wrong["plain NNI 3.0"], wrong["EDNAS, forked"]
    assert f"{plain[0]} of {plain[1]}" in readme and f"{forked[0]} of {forked[1]}" in readme


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, text: str) -> list[str]:
    """Links to files of the repository that are not there, or to headings that their page does not have."""
    faults = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            faults.append(link)
    return faults


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: page.parent.name + page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_links_that_lead_nowhere_are_noticed() -> None:
    text = "[a](study.md#fields) [b](study.md#feilds) [c](stduy.md) [d](#words) [e](https://x.org)"
    assert broken(ROOT / "docs" / "words.md", text) == ["study.md#feilds", "stduy.md"]


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[3:] if f"docs/{page.name}" not in readme] == []
