"""What every handler may need, opened once when the app starts."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from api.comparison_table import Tables
from api.kept_pictures import Pictures
from api.pool import Pool
from api.readiness import Readiness
from api.waiting import Watcher
from store.artifacts import Artifacts
from store.database import Database
from store.ringer import Ringer
from store.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    """The app's settings, database, ringer, artifacts, watcher and pool, and what it keeps of final answers."""

    settings: Settings
    database: Database
    ringer: Ringer
    artifacts: Artifacts
    watcher: Watcher
    pool: Pool
    readiness: Readiness
    tables: Tables = field(default_factory=Tables)
    pictures: Pictures = field(default_factory=Pictures)


async def get_resources(request: Request) -> Resources:
    """The resources of the app that serves this request."""
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]
