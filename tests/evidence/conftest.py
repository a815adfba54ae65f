"""Made-up searches, as those of what a search hands over."""

from tests.cli.conftest import experiment, small_journal
from tests.handover.conftest import made

__all__ = ["experiment", "made", "small_journal"]
