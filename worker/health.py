"""`python -m worker.health`: exit 0 while the database hears from this host's worker, else 1; the image's health check.

It asks the database, as the API does: a worker that is cut off from it runs no job, whatever its process looks like.
"""

import socket
import sys

from store import workers
from store.database import Database
from store.settings import get_settings


def is_healthy() -> bool:
    """Whether a worker of this host was seen within a lease."""
    settings = get_settings()
    database = Database(settings.resolved_database_url)
    with database.read() as session:
        seen = workers.is_seen(session, socket.gethostname(), within_s=settings.lease_s)
    database.close()
    return seen


if __name__ == "__main__":
    sys.exit(0 if is_healthy() else 1)
