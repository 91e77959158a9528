"""`python -m migrations`: migrate the database of the settings."""

from migrations.schema import upgrade
from store import logs
from store.settings import get_settings

settings = get_settings()
logs.set_up(settings)
settings.data_dir.mkdir(parents=True, exist_ok=True)
upgrade(settings.resolved_database_url)
