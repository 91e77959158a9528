"""The tables of docs/evidence.md: a pure function of the rows of benchmarks/evidence.jsonl.

`python -m benchmarks.evidence_tables` writes them into the page, each between the comments that name it.
"""

import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.evidence_plan import (
    ADAPTIVE_WORKLOADS,
    CONTROL,
    CYCLICAL,
    EIGHTHS,
    FULL,
    OPTIMIZERS,
    OTHERS,
    PARTLY,
    SGD,
    STEP_SIZE_EPOCHS,
    WINDOWS,
    Row,
    accuracies,
    around,
    best_fixed,
    bounds_of,
    grid,
    read_rows,
    studies,
)
from benchmarks.evidence_stats import LEVEL, Welch, spread

PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"
FRACTIONS = {1: "1/8", 2: "1/4", 3: "3/8", 4: "1/2", 8: "1"}
FIXED = "fixed"
CANDIDATES = (*CYCLICAL, *OTHERS, CONTROL, FIXED)


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Every table by its name."""
    made = {"machine": machine(rows), "bounds": bounds(rows), "grid": grids(rows)}
    made |= {f"budgets {workload}": budgets(rows, workload) for workload in STEP_SIZE_EPOCHS}
    made |= {"fractions": fractions(rows), "baseline": against(rows, FIXED, (*CYCLICAL, "one_cycle"))}
    made |= {"control": against(rows, CONTROL, CYCLICAL), "adaptive": adaptive(rows)}
    return made | {"windows": windows(rows)}


def machine(rows: Sequence[Row]) -> str:
    """Where, with what and how long it was measured; a paragraph."""
    packages = ("torch", "numpy", "scipy", "scikit-learn")
    places = [
        f"{row['date']}, {row['cpu']}, {row['cores']} cores, one thread a run; Python {row['python']}, "
        + ", ".join(f"{name} {row[name]}" for name in packages)
        for row in rows
        if row["kind"] == "machine"
    ]
    number = sum(row["kind"] == "run" for row in rows)
    minutes = sum(row.get("cpu_s", 0.0) for row in rows) / 60
    return ". ".join([*places, f"{number} training runs; {minutes:.0f} minutes of one core in all"]) + "."


def bounds(rows: Sequence[Row]) -> str:
    """What the range tests found, and what they cost."""
    head = [
        "workload",
        "optimizer",
        "base_lr",
        "max_lr",
        "max_lr over its seeds",
        "steps",
        "of a full budget",
    ]
    return _table(head, _bounds(rows))


def _bounds(rows: Sequence[Row]) -> Iterator[list[str]]:
    for workload, optimizer in sorted(studies(), key=lambda study: list(STEP_SIZE_EPOCHS).index(study[0])):
        found = _found(rows, workload, optimizer)
        full = max(row["steps"] for row in rows if row["kind"] == "run" and row["workload"] == workload)
        cost = [f"{found['steps']:,}", f"{found['steps'] / full:.1f}"]
        if found["max_lr"] is None:
            yield [workload, optimizer, "-", "-", f"inconclusive: `{found['why']}`", *cost]
            continue
        low, high = found["max_lr_interval"]
        rates = [f"{found['base_lr']:.3g}", f"{found['max_lr']:.3g}", f"{low:.3g} to {high:.3g}"]
        yield [workload, optimizer, *rates, *cost]


def grids(rows: Sequence[Row]) -> str:
    """Fixed rates at the full budget, the best in bold."""
    return _table(["workload", *(f"{half / 2:+g} decades" for half in range(-3, 4))], _grids(rows))


def _grids(rows: Sequence[Row]) -> Iterator[list[str]]:
    for workload in STEP_SIZE_EPOCHS:
        rates = grid(_found(rows, workload, SGD))
        best = best_fixed(rows, workload, SGD, rates)
        cells = [f"{lr:.3g}: {spread(accuracies(rows, workload, SGD, FIXED, FULL, lr))}" for lr in rates]
        yield [
            workload,
            *(f"**{cell}**" if lr == best else cell for lr, cell in zip(rates, cells, strict=True)),
        ]


def budgets(rows: Sequence[Row], workload: str) -> str:
    """Final accuracies of each schedule at each budget; a * is significantly below the best fixed rate's."""
    return _table(["schedule", *FRACTIONS.values()], _budgets(rows, workload))


def _budgets(rows: Sequence[Row], workload: str) -> Iterator[list[str]]:
    reference = _at(rows, workload, FIXED, FULL)
    for policy in CANDIDATES:
        samples = [_at(rows, workload, policy, eighths) for eighths in EIGHTHS]
        yield [
            policy,
            *(
                spread(sample) + (" *" if Welch.of(sample, reference).p_below < LEVEL else "")
                for sample in samples
            ),
        ]


def fractions(rows: Sequence[Row]) -> str:
    """The smallest budgets that reach the best fixed rate's: within noise, and its mean."""
    return _table(["schedule", *STEP_SIZE_EPOCHS], _fractions(rows))


def _fractions(rows: Sequence[Row]) -> Iterator[list[str]]:
    for policy in CANDIDATES:
        cells = []
        for workload in STEP_SIZE_EPOCHS:
            reference = _at(rows, workload, FIXED, FULL)
            compared = {e: Welch.of(_at(rows, workload, policy, e), reference) for e in EIGHTHS}
            within = _first(e for e, one in compared.items() if one.p_below >= LEVEL)
            reached = _first(e for e, one in compared.items() if one.difference >= 0)
            cells.append(f"{within} / {reached}")
        yield [policy, *cells]


def against(rows: Sequence[Row], reference: str, policies: Sequence[str]) -> str:
    """These policies less the reference at the same budget."""
    head = [
        "workload",
        "budget",
        reference,
        *(cell for name in policies for cell in (f"{name} less it", "p")),
    ]
    return _table(head, _against(rows, reference, policies))


def _against(rows: Sequence[Row], reference: str, policies: Sequence[str]) -> Iterator[list[str]]:
    for workload in STEP_SIZE_EPOCHS:
        for eighths in EIGHTHS:
            alone = _at(rows, workload, reference, eighths)
            cells = []
            for policy in policies:
                compared = Welch.of(_at(rows, workload, policy, eighths), alone)
                cells += [str(compared), _p(compared)]
            yield [workload, FRACTIONS[eighths], spread(alone), *cells]


def adaptive(rows: Sequence[Row]) -> str:
    """`triangular` against fixed rates, optimizer by optimizer."""
    head = ["workload", "optimizer", "fixed at base_lr", "in the middle", "at max_lr", "triangular"]
    head += ["less base_lr", "p", "less the best", "p", "triangular, 3/8", "best fixed, 3/8"]
    return _table(head, _adaptive(rows))


def _adaptive(rows: Sequence[Row]) -> Iterator[list[str]]:
    for workload in ADAPTIVE_WORKLOADS:
        for optimizer in OPTIMIZERS:
            found = _found(rows, workload, optimizer)
            if found["max_lr"] is None:
                yield [workload, optimizer, "no bounds", *[""] * 9]
                continue
            rates = around(found)
            samples = [accuracies(rows, workload, optimizer, FIXED, FULL, lr) for lr in rates]
            best = max(samples, key=statistics.fmean)
            cycled = accuracies(rows, workload, optimizer, "triangular", FULL)
            cells = [spread(sample) for sample in (*samples, cycled)]
            for sample in (samples[0], best):
                compared = Welch.of(cycled, sample)
                cells += [str(compared), _p(compared)]
            partly = [accuracies(rows, workload, optimizer, "triangular", PARTLY)]
            partly.append(
                accuracies(rows, workload, optimizer, FIXED, PARTLY, _chosen(rows, workload, optimizer))
            )
            yield [workload, optimizer, *cells, *(spread(sample) for sample in partly)]


def windows(rows: Sequence[Row]) -> str:
    """The two other windows against the triangle, at the full budget."""
    head = ["workload", "triangular", *(cell for name in WINDOWS for cell in (name, "less triangular", "p"))]
    return _table(head, _windows(rows))


def _windows(rows: Sequence[Row]) -> Iterator[list[str]]:
    for workload in STEP_SIZE_EPOCHS:
        triangle = _at(rows, workload, "triangular", FULL)
        cells = [spread(triangle)]
        for policy in WINDOWS:
            sample = _at(rows, workload, policy, FULL)
            compared = Welch.of(sample, triangle)
            cells += [spread(sample), str(compared), _p(compared)]
        yield [workload, *cells]


def _found(rows: Sequence[Row], workload: str, optimizer: str) -> Row:
    found = bounds_of(rows, workload, optimizer)
    assert found is not None
    return found


def _chosen(rows: Sequence[Row], workload: str, optimizer: str) -> float:
    """The fixed rate that was shortened."""
    found = _found(rows, workload, optimizer)
    rates = grid(found) if optimizer == SGD else around(found)
    return best_fixed(rows, workload, optimizer, rates)


def _at(rows: Sequence[Row], workload: str, policy: str, eighths: int) -> list[float]:
    """With SGD; `fixed` at its best rate."""
    lr = _chosen(rows, workload, SGD) if policy == FIXED else None
    return accuracies(rows, workload, SGD, policy, eighths, lr)


def _p(compared: Welch) -> str:
    return f"{compared.p:.3f}" if compared.p >= 0.001 else "< 0.001"


def _first(eighths: Iterator[int]) -> str:
    return FRACTIONS.get(next(eighths, 0), "never")


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = [f"| {' | '.join(cells)} |" for cells in (head, *lines)]
    return "\n".join([body[0], "|" + "---|" * len(head), *body[1:]])


def inserted(page: str, made: dict[str, str]) -> str:
    """The page with every table in its place: after `<!-- table: NAME -->`, before `<!-- end -->`."""
    for name, table in made.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = place.subn(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", page)
        assert count == 1, f"the page has {count} places for {name}"
    return page


def rewrite() -> None:
    """Bring the page up to date."""
    PAGE.write_text(inserted(PAGE.read_text(), tables(read_rows())))


if __name__ == "__main__":
    rewrite()
