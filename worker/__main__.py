"""`python -m worker`: one Celery worker with CLR_WORKER_SLOTS children."""

import logging
import os
import signal
import sys

from celery.apps import worker as celery_worker

from store import logs
from store.settings import get_settings
from worker.app import app

log = logging.getLogger("worker")

settings = get_settings()
if not settings.broker_url:
    sys.exit("CLR_BROKER_URL is not set: a worker needs the broker that the API rings (redis://HOST:PORT/0)")
logs.set_up(settings)
if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # by nohup
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
celery_worker.install_worker_restart_handler = lambda _: (
    None
)  # Celery's own SIGHUP: it cannot start this anew
celery_worker.safe_say = lambda message, *_: log.info(message)  # it writes past the log
app.worker_main(
    [
        "--quiet",  # its banner is no log line
        "worker",
        "--pool=prefork",
        "--without-gossip",
        "--without-mingle",
        f"--loglevel={settings.log_level}",
    ]
)
