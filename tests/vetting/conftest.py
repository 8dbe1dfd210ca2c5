"""What tests of the story share."""

from datetime import datetime, timedelta
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from tests.conftest import NOON

moments = count(1)


@pytest.fixture
def later() -> datetime:
    """A day after noon, and never the same moment in two tests: what a moment's calibration says is read once."""
    return NOON + timedelta(days=1, seconds=next(moments))


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """A database of its own for each test, also where the names of two tests begin alike."""
    name = f"test_{uuid4().hex}"
    admin = create_engine(f"{postgres}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    admin.dispose()
    return f"{postgres}/{name}"
