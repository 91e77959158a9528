"""What every handler may need, opened once when the app starts."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from store.database import Database
from store.reaper import Sweeper
from store.settings import Settings


@dataclass(frozen=True, slots=True)
class State:
    """The app's settings, database and sweeper."""

    settings: Settings
    database: Database
    sweeper: Sweeper


def get_state(request: Request) -> State:
    """The state of the app that serves this request."""
    state: State = request.app.state.clr
    return state


Opened = Annotated[State, Depends(get_state)]
