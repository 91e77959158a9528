"""Waiting while the database is away.

Patience ends with the lease: the child that cannot renew it is gone (worker/lease.py).
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

AWAY = (OperationalError, InterfaceError, InternalError)  # what passes when the database is back
PAUSE_S = 0.5


def act_patiently(action: Callable[[], Answer]) -> Answer:
    """Do it once the database answers."""
    while True:
        try:
            return action()
        except AWAY as error:
            log.warning("waiting for the database: %s", error)
            time.sleep(PAUSE_S)
