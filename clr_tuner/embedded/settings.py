"""The service's settings as the command line reads and shows them: what is wrong is told by its variable."""

import os
from collections.abc import Callable, Iterator
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_settings import SettingsError

from clr_tuner.errors import CannotServe
from store.addresses import masked
from store.artifacts import find_artifacts
from store.settings import FORMER, PREFIX, Settings, describe_former, get_settings

OTHERS = frozenset(
    {"CLR_URL", "CLR_API_KEY", "CLR_WORKER_ID", "CLR_WORKER_PID"}
)  # the client's, a worker's own

EXAMPLES = {"api_keys": """'["a-long-secret"]'""", "hosts": """'["box.example.com"]'"""}


def read_settings(
    host: str | None = None, port: int | None = None, *, say: Callable[[str], None]
) -> Settings:
    """The settings of the environment, but for what is given; `say` hears a line about each doubtful variable.

    Raises `CannotServe`.
    """
    for line in _list_doubts():
        say(f"warning: {line}")
    try:
        settings = get_settings()
    except ValidationError as error:
        faults = [
            f"{_find_source(str(detail['loc'][0]))}: {_trim(detail['msg'])}" for detail in error.errors()
        ]
        raise CannotServe("\n".join(faults)) from None
    except SettingsError as error:  # a list is no JSON; the error names its field, and no value
        name = "hosts" if '"hosts"' in str(error) else "api_keys"
        raise CannotServe(
            f"""{name_variable(name)}: must be a JSON list, such as {EXAMPLES[name]}"""
        ) from None
    overrides = {"host": host, "port": port}
    return settings.model_copy(update={name: value for name, value in overrides.items() if value is not None})


def require_artifacts(settings: Settings) -> None:
    """Raise `CannotServe` where checkpoints could not be kept in the place that `CLR_ARTIFACTS_URL` names."""
    if not settings.artifacts_url:
        return
    try:
        find_artifacts(settings).check()
    except OSError as error:
        raise CannotServe(f"CLR_ARTIFACTS_URL: {error}") from None


def describe_settings(settings: Settings) -> list[list[object]]:
    """A row for each setting: its variable, its value without secrets, its meaning."""
    rows: list[list[object]] = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        rows.append(
            [name_variable(name), masked(value) if name.endswith("_url") else value, field.description]
        )
    return rows


def name_variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _find_source(name: str) -> str:
    """The variable that a setting was read from: it may have been its old name."""
    former = next(
        (former_name for former_name, name_now in FORMER.items() if name_now == name_variable(name)), ""
    )
    return former if former in os.environ and name_variable(name) not in os.environ else name_variable(name)


def _list_doubts() -> Iterator[str]:
    """What looks like a slip of the pen, or has another name now; other variables may be a workload's own."""
    yield from describe_former()
    names = {name_variable(name) for name in Settings.model_fields} | FORMER.keys()
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in names | OTHERS:
            for near in get_close_matches(name, names, n=1, cutoff=0.8):
                yield f"no setting is called {name}; did you mean {near}?"


def _trim(message: str) -> str:
    return message.removeprefix("Value error, ")
