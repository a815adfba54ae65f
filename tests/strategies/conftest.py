"""What the tests of the search core share: a journal."""

from __future__ import annotations

from tests.search.conftest import journal

__all__ = ["journal"]
