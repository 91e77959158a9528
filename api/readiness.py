"""Whether the service can do its job, looked up in a thread of its own, as all others may be held."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from store import workloads
from store.database import Database


class Readiness:
    """One look at the database at a time, for all who ask meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._look: asyncio.Future[bool] | None = None

    async def has_catalogue(self) -> bool:
        """Whether a worker has published its workloads. Raises what the database raises."""
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().run_in_executor(self._thread, self._ask)
        return await asyncio.shield(self._look)

    def _ask(self) -> bool:
        with self._database.read() as session:
            return bool(workloads.find_all(session))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False)
