"""A journal's search goes on only where its networks still cost what they did."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from devices.roofline import Roofline
from ednas_nni.bridge import head
from ednas_nni.cost.registry import device
from ednas_nni.errors import JournalError
from ednas_nni.record.journal import Journal
from tests.search.test_taking_over import earlier, study

SHIPPED = Path(__file__).parents[2] / "devices" / "roofline" / "profiles" / "phone_cpu.yml"
FAST = {"gmacs_per_s: 19.2": "gmacs_per_s: 400", "gbytes_per_s: 12": "gbytes_per_s: 400"}


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "my_phone.yml"
    path.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def goes_on(path: Path, profile: Path) -> None:
    with closing(Journal(path)) as journal:
        head.write_head(journal, "abcd", study(device=[str(profile)]), engine="sequential")


def changed(profile: Path) -> None:
    text = profile.read_text(encoding="utf-8")
    for old, new in FAST.items():
        assert old in text
        text = text.replace(old, new)
    profile.write_text(text, encoding="utf-8")


def test_a_search_does_not_go_on_with_another_device(profile: Path, tmp_path: Path) -> None:
    """Its front would hold prices of two devices, of which the later network wins whatever it is."""
    path = earlier(tmp_path, study(device=[str(profile)]), count=3)
    goes_on(path, profile)
    changed(profile)
    with pytest.raises(JournalError, match=r"latency_ms of [0-9a-f]{10} was .* and is .*Put it back.*start_from"):
        goes_on(path, profile)


def test_what_is_measured_anew_is_no_other_device(
    profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = earlier(tmp_path, study(device=[str(profile)]), count=3)
    changed(profile)
    made = device(str(profile))
    assert isinstance(made, Roofline)
    measured = tuple(replace(column, origin="measured") for column in made.columns)
    monkeypatch.setattr(Roofline, "from_profile", classmethod(lambda *_: made))
    monkeypatch.setattr(made, "columns", measured)
    goes_on(path, profile)


def test_the_check_of_prices_can_fail(profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it two devices stand in one front."""
    path = earlier(tmp_path, study(device=[str(profile)]), count=3)
    changed(profile)
    monkeypatch.setattr(head, "changed_price", lambda *_: "")
    goes_on(path, profile)
