"""Alembic's entry: migrates the database of CLR_DATABASE_URL, one migrator at a time."""

from alembic import context
from sqlalchemy import create_engine, text

from store.models import Base
from store.settings import get_settings

_LOCK = 7_105_112  # any fixed number; two migrators of one database must not run together

url = context.config.attributes.get("url") or get_settings().resolved_database_url
engine = create_engine(url)
with engine.connect() as connection:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
