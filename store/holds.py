"""How long the write transactions of one process took: on SQLite, how long each held up all other writers."""

from bisect import bisect_left
from threading import Lock

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Holds:
    """Counts those that committed, by how long they took from their beginning to their commit."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s, self.longest_s = 0.0, 0.0

    def observe(self, held_s: float) -> None:
        """Count one."""
        with self._lock:
            self._counts[bisect_left(BOUNDS_S, held_s)] += 1
            self.total_s += held_s
            self.longest_s = max(self.longest_s, held_s)

    def reached(self) -> list[tuple[str, int]]:
        """(Upper bound, seconds; how many took no longer), for each bound; the last is `+Inf`."""
        with self._lock:
            counts = list(self._counts)
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        return [(bound, sum(counts[: index + 1])) for index, bound in enumerate(bounds)]
