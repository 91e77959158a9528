"""What another finder would choose, as bounds show it beside their own; its rule is one of clr/finders.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another finder's single learning rate; `lr` is None where its rule gives nothing."""

    name: str
    lr: float | None
    note: str
