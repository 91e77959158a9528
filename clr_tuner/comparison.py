"""A comparison as its caller sees it: several schedules on one workload, and who is ahead beyond the noise."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from clr.metric import Metric
from clr.records import pick_fields
from clr.spread import Spread
from clr_tuner.errors import JobFailed
from clr_tuner.resource import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one entry so far.

    statuses: {status: how many of `jobs`}. final, best: of the metric, over the runs that did not diverge.
    steps_to_target: the median over the `reached` runs that got there. p_value: against the best mean, corrected;
    None of the best itself. within_noise: it is the best, or may be as good.
    """

    label: str
    schedule: dict[str, Any]
    optimizer: str
    jobs: tuple[str, ...]
    statuses: dict[str, int]
    final: Spread | None
    best: Spread | None
    num_steps: int | None
    steps_to_target: float | None
    reached: int
    diverged: int
    p_value: float | None
    within_noise: bool

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read one of the `rows` of `GET /comparisons/{id}`."""
        known = pick_fields(cls, data)
        final, best = (
            known[name] and Spread(**pick_fields(Spread, known[name])) for name in ("final", "best")
        )
        return cls(**known | {"jobs": tuple(known["jobs"]), "final": final, "best": best})


class Comparison(Resource):
    """Several entries, each trained with every seed; of a list it holds how it stands, `refresh` brings the rest."""

    noun: ClassVar[str] = "comparison"

    @property
    def rows(self) -> tuple[Row, ...]:
        """One of each entry, in their order; filled in as jobs end."""
        return tuple(map(Row.from_dict, self.data.get("rows") or ()))

    @property
    def within_noise(self) -> tuple[str, ...]:
        """The labels of the best, and of those that these seeds do not tell from it."""
        return tuple(self.data.get("within_noise") or ())

    @property
    def metric(self) -> Metric | None:
        """What they are measured by, accuracy or loss; None before the first run ended."""
        return self.data.get("metric")

    @property
    def target(self) -> float | None:
        """The value of the metric until which steps are counted; None before it is known."""
        return self.data.get("target")

    @property
    def test(self) -> str:
        """What the p-values are of."""
        return self.data.get("test") or ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before reading the rows: budgets that differ, runs that failed or diverged."""
        return tuple(self.data.get("warnings") or ())

    def _failure(self) -> JobFailed:
        return JobFailed(self.status, "; ".join(self.warnings), self.data)
