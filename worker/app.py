"""The Celery app: its one task answers a ring, its signals keep watch over the pool.

Rings are acknowledged early and never retried: the database is the truth (store/claims.py), the message a
doorbell. The pool's children are spawned and stay: each is a slot (worker/slot.py) that forks one process a job.
"""

import logging
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from celery import Celery, Task, signals

from store import logs
from store.database import Database
from store.doorbell import TASK, make_celery
from store.gate import pass_gate
from store.reaper import Reaper
from store.ringer import Ringer
from store.settings import get_settings
from worker.ancestors import die_with, leave_signals
from worker.drain import Drain
from worker.publisher import Publisher
from worker.rings import take_rings_only
from worker.watcher import Watcher

if TYPE_CHECKING:
    from worker.slot import Slot

log = logging.getLogger(__name__)
settings = get_settings()

take_rings_only()
app: Celery = make_celery(settings.broker_url)
app.conf.update(
    worker_concurrency=settings.worker_slots,
    worker_pool_start_method="spawn",
    worker_proc_alive_timeout=120,
    worker_lost_wait=1,  # seconds until a dead slot's signal is reported; the default of 10 is a third of a lease
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_enable_remote_control=False,  # whoever reaches the broker could stop the worker, and we ask it nothing
    worker_send_task_events=False,
)

WORKER_ID, PARENT_PID = "CLR_WORKER_ID", "CLR_WORKER_PID"  # the parent's, inherited by its slots and children

_slot: "Slot | None" = None


@app.task(name=TASK, bind=True)
def claim(self: Task) -> None:
    """Have one queued job claimed and run, if there is one."""
    leave_signals()  # here, as billiard sets its own after `prepare_slot`
    assert _slot is not None
    _slot.answer(self.request.id)


@signals.setup_logging.connect
def set_up_logging(**_: Any) -> None:
    """In the parent and in every slot: our log lines instead of Celery's, and what workloads print as such."""
    logs.set_up(settings)
    app.log.redirect_stdouts("WARNING")


@signals.celeryd_after_setup.connect
def silence_billiard(**_: Any) -> None:
    """Without this a slot logs its first line in a format of billiard's own, before ours is set up."""
    os.environ.pop("_MP_FORK_LOGLEVEL_", None)


@signals.worker_process_init.connect
def prepare_slot(**_: Any) -> None:
    """Die with the parent; load torch and the workloads while waiting for a job."""
    global _slot
    die_with(int(os.environ[PARENT_PID]))
    from worker import slot  # noqa: PLC0415 - loads torch, which the Celery parent must not

    _slot = slot.prepare(settings, worker_id=os.environ[WORKER_ID])


class _Parent:
    """What the Celery parent runs beside its pool."""

    def __init__(self, publisher: Publisher) -> None:
        self.id = os.environ[WORKER_ID]
        self.database = Database(settings.resolved_database_url)
        self.ringer = Ringer(self.database, settings)
        self.reaper = Reaper(self.database, settings, self.ringer)
        self.watcher = Watcher(self.database, settings, worker_id=self.id, publisher=publisher)


_parent: _Parent | None = None
_drain: Drain | None = None
_publisher: Publisher | None = None


@signals.celeryd_init.connect
def name_worker(**_: Any) -> None:
    """Give the worker an id that its children inherit, and publish its catalogue; from now on it can be stopped."""
    global _drain, _publisher
    _drain = Drain()
    os.environ |= {WORKER_ID: str(uuid4()), PARENT_PID: str(os.getpid())}
    _publisher = Publisher(os.environ[WORKER_ID])  # it loads torch meanwhile


@signals.worker_ready.connect
def start_parent(**_: Any) -> None:
    """Watch, ring and reap."""
    global _parent
    pass_gate()
    assert _publisher is not None
    _parent = _Parent(_publisher)
    if _drain is not None:
        _drain.watcher = _parent.watcher
    _parent.watcher.start()
    _parent.ringer.start()
    _parent.reaper.start()


@signals.task_failure.connect
def bury_child(task_id: str, exception: BaseException, **_: Any) -> None:
    """End what a child left behind that died with its job (SIGKILL, SIGSEGV, exit), or whose slot did."""
    if _parent is not None:
        _parent.watcher.buried(task_id, str(exception))


@signals.worker_shutting_down.connect
def drain(**_: Any) -> None:
    """Give running jobs back, and wait for no child."""
    if _drain is not None:
        _drain.begin()


@signals.worker_shutdown.connect
def stop_parent(**_: Any) -> None:
    """Leave nothing running."""
    if _publisher is not None:
        _publisher.stop()
    if _parent is not None:
        _parent.watcher.stop()
        _parent.watcher.drain()  # what a child claimed in its last moment
        _parent.reaper.stop()
        _parent.ringer.stop()
        _parent.database.close()
