"""What tests of the story share."""

from datetime import datetime, timedelta
from itertools import count

import pytest

from tests.conftest import NOON

moments = count(1)


@pytest.fixture
def later() -> datetime:
    """A day after noon, and never the same moment in two tests: what a moment's calibration says is read once."""
    return NOON + timedelta(days=1, seconds=next(moments))
