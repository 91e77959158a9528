"""Other packages' finders, run by their own code with their own defaults; what they said once is kept."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.finders import PACKAGES, Training, finder, quiet, title
from benchmarks.quality.kept import Kept
from benchmarks.quality.methods import REPEATS, Answer
from benchmarks.quality.tasks import OPTIMIZERS, Task
from clr.optimizers import parse_optimizer
from clr.training.seeding import seeded

Rule = Callable[[Training], float | None]


def package_answers(task: Task) -> dict[str, list[Answer]]:
    """What every rule of the installed packages says of a task, once for each of `REPEATS`."""
    kept = Kept("packages")
    known = {(row["method"], row["seed"]): row["answer"] for row in kept if row["task"] == task.name}
    found: dict[str, list[Answer]] = {}
    for method, rule in _rules().items():
        for seed in REPEATS:
            if (method, seed) not in known:
                known[method, seed] = asked(task, rule, seed)
                kept.add({"task": task.name, "method": method, "seed": seed, "answer": known[method, seed]})
        found[method] = [Answer(**known[method, seed]) for seed in REPEATS]
    return found


def asked(task: Task, rule: Rule, seed: int) -> dict[str, Any]:
    """The fields of an `Answer`; one that raises has none."""
    training = Training.of(task.problem(seed), parse_optimizer(OPTIMIZERS[task.optimizer]))
    steps: list[None] = []
    training.optimizer.register_step_post_hook(lambda *_: steps.append(None))
    started = time.process_time()
    try:
        with quiet(), seeded(seed):
            lr = rule(training)
        why = "no answer" if lr is None else None
    except Exception as error:
        lr, why = None, f"{type(error).__name__}: {error}"
    return {"lr": lr, "why": why, "steps": len(steps), "seconds": round(time.process_time() - started, 3)}


def _rules() -> dict[str, Rule]:
    """Every rule of the installed packages, as the tables call it."""
    return {
        f"{title(package)} {name} (own package)": rule
        for package in PACKAGES
        if (module := finder(package)) is not None
        for name, rule in module.RULES.items()
    }
