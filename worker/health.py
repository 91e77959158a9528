"""`python -m worker.health`: exit 0 while the database hears from this host's worker, else 1; the image's health check.

It asks the database, as the API does: a worker that is cut off from it runs no job, whatever its process looks like.
With `--alive` a database that is away is no reason to end the worker, whose jobs wait for it.
"""

import socket
import sys

from store import workers
from store.database import Database
from store.settings import get_settings
from worker.patience import AWAY


def is_healthy() -> bool:
    """Whether a worker of this host was seen within a lease."""
    settings = get_settings()
    database = Database(settings.resolved_database_url)
    with database.read() as session:
        seen = workers.is_seen(session, socket.gethostname(), within_s=settings.lease_s)
    database.close()
    return seen


def is_alive() -> bool:
    """Whether it may go on: the database hears from it, or from nobody."""
    try:
        return is_healthy()
    except AWAY:
        return True


if __name__ == "__main__":
    sys.exit(0 if (is_alive if "--alive" in sys.argv else is_healthy)() else 1)
