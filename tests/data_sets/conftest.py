"""The rendered rooms that the tests of data write in other layouts."""

from tests.data.conftest import rooms

__all__ = ["rooms"]
