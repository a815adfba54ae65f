"""What the tests of trainings share."""

from tests.planes import reports_to_nni

__all__ = ["reports_to_nni"]
