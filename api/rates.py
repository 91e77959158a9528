"""How often who asks: requests of a key, and wrong keys from an address; counted in this process's memory."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class Rates:
    """Counts what happened in the last minute."""

    def __init__(self) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def count(self, what: str, whose: str, *, most: int) -> int:
        """Count once more; 0, or after how many seconds it may be once more. most: a minute; 0: any number."""
        if most == 0 or self._window.hit(RateLimitItemPerMinute(most), what, whose):
            return 0
        return self.left_s(what, whose, most=most)

    def left_s(self, what: str, whose: str, *, most: int) -> int:
        """0, or after how many seconds it may be once more; counts nothing."""
        if most == 0 or self._window.test(item := RateLimitItemPerMinute(most), what, whose):
            return 0
        return max(1, math.ceil(self._window.get_window_stats(item, what, whose).reset_time - time.time()))
