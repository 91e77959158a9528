"""The migrations make exactly the tables that the code uses, from wherever they start."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from migrations.schema import _config, is_current, upgrade
from store.models import Base


@pytest.fixture
def empty_url(database_url: str) -> str:
    """A database without tables, of each backend."""
    command.downgrade(_config(database_url), "base")
    return database_url


def test_a_migrated_database_differs_from_the_models_in_nothing(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()

    assert differences == []


def test_a_database_of_the_first_schema_is_brought_up_to_date(empty_url: str) -> None:
    command.upgrade(_config(empty_url), "0001")
    before = is_current(empty_url)

    upgrade(empty_url)

    assert not before
    assert is_current(empty_url)


def test_migrating_again_changes_nothing(database_url: str) -> None:
    upgrade(database_url)

    assert is_current(database_url)
