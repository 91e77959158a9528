"""`python -m worker`: one Celery worker with CLR_WORKER_SLOTS children."""

import logging
import sys

from store.settings import get_settings
from worker.app import app

settings = get_settings()
if not settings.broker_url:
    sys.exit("CLR_BROKER_URL is not set: a worker needs the broker that the API rings (redis://HOST:PORT/0)")
logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
app.worker_main(
    [
        "worker",
        "--pool=prefork",
        "--without-gossip",
        "--without-mingle",
        f"--loglevel={settings.log_level}",
    ]
)
