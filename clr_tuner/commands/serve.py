"""The whole service in a terminal until Ctrl-C: `clr-tuner serve`, `make serve`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from clr_tuner.commands.terminal import say, warn
from clr_tuner.embedded.processes import on_end
from clr_tuner.embedded.service import EmbeddedService
from store.settings import Settings

TEND_S = 0.25


def run_service(settings: Settings) -> None:
    """Serve until a signal asks for the end. Raises `CannotServe`."""
    with signals_interrupt(), suppress(KeyboardInterrupt):
        say("starting ...")
        with EmbeddedService(settings, say=warn) as service:
            say(_write_welcome(service, settings))
            with suppress(KeyboardInterrupt):
                while True:
                    service.tend()
                    time.sleep(TEND_S)
            say("stopping; Ctrl-C again kills at once")
    say("stopped")


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGTERM and a closed terminal end us as Ctrl-C does: in order, and once, as the end takes a while."""
    is_ending = False

    def interrupt() -> None:
        nonlocal is_ending
        if not is_ending:
            is_ending = True
            raise KeyboardInterrupt

    with on_end(interrupt):
        yield


def _write_welcome(service: EmbeddedService, settings: Settings) -> str:
    key = " -H 'Authorization: Bearer YOUR_KEY'" if settings.api_keys or settings.admin_key else ""
    body = """-H 'Content-Type: application/json' -d '{"workload": "digits-mlp"}'"""
    return f"""clr-tuner is ready at {service.url}
  docs  {service.url}/docs
  data  {settings.data_dir.resolve()}
  logs  {service.logs.resolve()}
  try   curl{key} {service.url}/range-tests {body}
  or    clr-tuner range-test digits-mlp --url {service.url}
Ctrl-C stops it."""
