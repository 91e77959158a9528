"""`python -m worker.takeover`: migrate a database that this service alone uses, and let go what a killed one held.

`serve` runs it before its worker and API: it holds the data directory, and neither database nor broker is another's.
"""

from migrations.schema import upgrade
from store import logs
from store.database import Database
from store.losses import take_over
from store.settings import get_settings
from worker.installation import installation

if __name__ == "__main__":
    settings = get_settings()
    logs.set_up(settings)
    upgrade(settings.resolved_database_url)
    database = Database(settings.resolved_database_url)
    take_over(database, settings, installation=installation())
    database.close()
