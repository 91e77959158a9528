"""fastai: `Learner.lr_find` and its four rules."""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fastai.callback.schedule import SuggestionMethod
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper

from benchmarks.finders import Training
from clr.sweep import SweepPlan


def ready(training: Training, plan: SweepPlan) -> Callable[[], object]:
    """The sweep of a plan."""
    return _finding(
        training,
        start_lr=plan.start_lr,
        end_lr=plan.end_lr,
        num_it=plan.num_steps,
        stop_div=False,
        suggest_funcs=None,
    )


def suggestion(training: Training, *, rule: str) -> float | None:
    """With its defaults: from 1e-7 to 10 in 100 steps."""
    (lr,) = _finding(training, suggest_funcs=getattr(SuggestionMethod, rule.capitalize()))()
    return float(lr)


def _finding(training: Training, **options: Any) -> Callable[[], Any]:
    scratch = tempfile.TemporaryDirectory()
    learner = Learner(
        DataLoaders(training.loader, training.loader),  # the second is for validation, which a finder skips
        training.model,
        loss_func=training.loss,
        opt_func=OptimWrapper(opt=training.optimizer),
        path=scratch.name,
    )

    def find() -> Any:
        with scratch, learner.no_bar():
            return learner.lr_find(show_plot=False, **options)

    return find


RULES: Mapping[str, Callable[[Training], float | None]] = {
    rule: partial(suggestion, rule=rule) for rule in ("valley", "slide", "minimum", "steep")
}
