"""A workload whose import starts a thread, as that of some libraries does: its worker must not fork."""

import time
from threading import Thread
from typing import ClassVar

from worker.workloads.digits import DigitsMLP

Thread(target=time.sleep, args=(3600,), daemon=True).start()


class Threaded(DigitsMLP):
    """The digits."""

    name: ClassVar[str] = "threaded"
