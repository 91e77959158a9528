"""Bring a database to the newest schema, and tell whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine


def _config(url: str | URL) -> Config:
    config = Config()
    here = str(Path(__file__).parent).replace("%", "%%")  # ConfigParser's own escape
    config.set_main_option("script_location", here)
    config.attributes["url"] = url
    return config


def upgrade(url: str | URL) -> None:
    """Run every migration that the database of `url` lacks; running it again changes nothing."""
    command.upgrade(_config(url), "head")


def is_current(url: str | URL) -> bool:
    """Whether the database of `url` has the newest schema."""
    engine = create_engine(url)
    with engine.connect() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    engine.dispose()
    return set(heads) == set(ScriptDirectory.from_config(_config(url)).get_heads())
