"""What every handler may need, opened once when the app starts."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from api.access import Access
from api.comparison_table import Tables
from api.kept_pictures import Pictures
from api.pool import Pool
from api.rates import Rates
from api.readiness import Readiness
from api.sharing import Reads
from api.waiting import Watcher
from store.artifacts import Artifacts
from store.callers import Caller
from store.database import Database
from store.ringer import Ringer
from store.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    """The app's settings, database, ringer, artifacts, watchers and pool, what it keeps of final answers, reads of
    followers, and how often who asks.

    A route asks for `ResourcesDep` (api/security.py): those of its caller, whose database shows one project.
    """

    settings: Settings
    database: Database
    ringer: Ringer
    artifacts: Artifacts
    watcher: Watcher
    access: Access
    pool: Pool
    readiness: Readiness
    tables: Tables = field(default_factory=Tables)
    rates: Rates = field(default_factory=Rates)
    pictures: Pictures = field(default_factory=Pictures)
    reads: Reads = field(default_factory=Reads)
    caller: Caller = field(default_factory=Caller)


async def open_resources(request: Request) -> Resources:
    """The resources of the app that serves this request: of every project, for who asks in nobody's name."""
    resources: Resources = request.app.state.resources
    return resources


OpenResourcesDep = Annotated[Resources, Depends(open_resources)]
