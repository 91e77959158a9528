"""Much to write, in transactions so small that nobody waits for one: SQLite has one writer at a time.

What is left to do is in the rows themselves, so that whoever comes next goes on where a killed process stopped.
"""

import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from store.database import POLL_S, Database

ROWS = 300  # in one transaction, about: 5 to 10 ms of SQLite on an idle machine
BYTES = 2_000_000  # of curves that one transaction frees
PAUSE_S = 2 * POLL_S  # whoever waits for the lock looks for it meanwhile


def in_batches(database: Database, step: Callable[[Session], bool]) -> None:
    """Take a step, each in a transaction of its own, until it answers that nothing is left for another."""
    while True:
        with database.write() as session:
            is_more = step(session)
        if not is_more:
            return
        time.sleep(PAUSE_S)
