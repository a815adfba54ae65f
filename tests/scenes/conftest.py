"""The rendered rooms of tests/data."""

from __future__ import annotations

from tests.data.conftest import pictures, rooms

__all__ = ["pictures", "rooms"]
