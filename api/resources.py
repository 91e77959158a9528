"""What every handler may need, opened once when the app starts."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from api.comparison_table import Tables
from api.sharing import Reads
from api.waiting import Watcher
from store.artifacts import Artifacts
from store.database import Database
from store.ringer import Ringer
from store.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    """The app's settings, database, ringer, artifacts, watcher, tables of comparisons, and reads of followers."""

    settings: Settings
    database: Database
    ringer: Ringer
    artifacts: Artifacts
    watcher: Watcher
    tables: Tables = field(default_factory=Tables)
    reads: Reads = field(default_factory=Reads)


def get_resources(request: Request) -> Resources:
    """The resources of the app that serves this request."""
    resources: Resources = request.app.state.resources
    return resources


ResourcesDep = Annotated[Resources, Depends(get_resources)]
