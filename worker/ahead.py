"""Idle slots measure what a range test may ask for next, and the range test takes what it does ask for.

Whatever they do, the answer is that of one slot: a sweep depends on its plan, the seed and the number of torch's
threads alone, and only what is asked for is read.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TypeVar

from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.orm import Session

from clr.contender import ContenderRun
from clr.sweep import Sweep
from store import ahead
from store.doorbell import Doorbell
from store.models import Job
from store.runs import StoredRun
from store.settings import Settings
from store.status import ACTIVE, Status
from worker.measuring import Plan, read_plan
from worker.recorder import Recorder

log = logging.getLogger(__name__)

SLOW_S = 5.0  # of a sweep: a shorter one costs more to hand out than to measure
POLL_S = 0.1

Measured = TypeVar("Measured", Sweep, ContenderRun)


class Ahead:
    """What other slots measure for one range test, by what is planned."""

    def __init__(self, range_test: Job, recorder: Recorder, settings: Settings) -> None:
        self._range_test, self._recorder, self._settings = range_test, recorder, settings
        self._step_s = 0.0  # of what was measured here, looks included
        self._offers: dict[str, str] = {}
        self._remember()

    def timed(self, measure: Callable[[], Measured]) -> Measured:
        """What is measured; the time that a step took tells which sweeps are slow."""
        began = time.monotonic()
        measured = measure()
        self._step_s = max(self._step_s, (time.monotonic() - began) / len(measured.points))
        return measured

    def take(self, plan: Plan, later: Sequence[Plan], *, completed: int) -> StoredRun | None:
        """What another slot measured, made a run of the range test; waits for one that is at it. None where none is.

        later: what may be asked for next, which slots that are idle measure meanwhile.
        completed: steps of the range test that were measured before.
        """
        run = self._take(plan, later, completed=completed)
        if run is None:
            self._offer(later)
        return run

    def _take(self, plan: Plan, later: Sequence[Plan], *, completed: int) -> StoredRun | None:
        sweep_id = self._offers.pop(_key(plan), None)
        while sweep_id is not None:
            sweep = self._recorder.look(lambda session: session.get(Job, sweep_id))
            if sweep is None or sweep.status not in {*ACTIVE, Status.QUEUED, Status.SUCCEEDED}:
                return None
            measured = (sweep.progress or {}).get("completed", 0)
            if sweep.status == Status.SUCCEEDED:
                return self._recorder.take_over(sweep_id, asdict(plan), completed=completed + measured)
            if sweep.status == Status.QUEUED and self._recorder.write(
                lambda session: ahead.withdraw(session, sweep_id)
            ):
                return None
            self._offer(later)
            self._recorder.tell(plan.phase, completed=completed + measured)
            time.sleep(POLL_S)
        return None

    def describe_waste(self) -> dict[str, int]:
        """{"unread_steps"}: those that were measured ahead and not asked for; empty where there were none."""
        steps = self._recorder.look(lambda session: ahead.count_unread_steps(session, self._range_test.id))
        return {"unread_steps": steps} if steps else {}

    def _offer(self, later: Sequence[Plan]) -> None:
        """Have the first of these that are slow measured by slots that are idle."""
        slow = [plan for plan in later if plan.num_steps * self._step_s >= SLOW_S]
        new = [plan for plan in slow if _key(plan) not in self._offers]
        idle = self._recorder.look(self._count_idle_slots) if new else 0
        if idle:
            plans = [asdict(plan) for plan in new[:idle]]
            self._recorder.write(lambda session: ahead.offer(session, self._range_test, plans))
            self._remember()
            self._ring(len(plans))

    def _count_idle_slots(self, session: Session) -> int:
        return ahead.count_idle_slots(session, self._range_test.workload)

    def _remember(self) -> None:
        offers = self._recorder.look(lambda session: ahead.list_offers(session, self._range_test.id))
        self._offers = {_key(read_plan(offer.config["plan"])): offer.id for offer in offers}

    def _ring(self, queued: int) -> None:
        try:
            Doorbell(self._settings.broker_url).ring(queued, queued=queued)
        except BrokerError as error:  # the ringer rings later
            log.warning("could not ring for sweeps ahead: %s", error)


def _key(plan: Plan) -> str:
    """What tells plans apart but for their number, which only names a sweep."""
    return json.dumps(asdict(replace(plan, sweep=0)), sort_keys=True)
