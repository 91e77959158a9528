"""What `make speed` compares is the same work: the same numbers by hand and by us, every step by the packages."""

import pytest

from benchmarks import finders
from benchmarks.finders import PACKAGES, Finder, Training, quiet
from benchmarks.quality.tasks import Task
from benchmarks.speed import BY_HAND, LOOKING, OURS, by_hand, contestants, ours, planned, rows, times
from clr.optimizers import parse_optimizer

CLASSES = Task(workload="digits-mlp", optimizer="momentum")
REGRESSION = Task(workload="digits-halves", optimizer="momentum")
PLAN = planned(60)  # more than an epoch


@pytest.fixture
def none_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a plain `make setup`."""

    def missing(name: str) -> Finder:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(finders.importlib, "import_module", missing)


@pytest.mark.parametrize("task", [CLASSES, REGRESSION])
def test_our_sweep_is_the_one_by_hand_bit_for_bit(task: Task) -> None:
    losses = by_hand(task, PLAN)()

    assert len(losses) == PLAN.num_steps
    assert losses == ours(task, PLAN)() == ours(task, PLAN, looking=True)()


@pytest.mark.usefixtures("none_installed")
def test_a_package_that_is_not_there_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(contestants()) == [BY_HAND, OURS, LOOKING, "DataLoader"]
    assert capsys.readouterr().err.count("left out, not installed") == len(PACKAGES)


@pytest.mark.usefixtures("none_installed")
def test_the_table_has_a_row_a_contestant_and_a_column_for_looks() -> None:
    taken = times(CLASSES, PLAN, contestants(), rounds=2)

    by_itself, ours_row, loader = rows(CLASSES, PLAN, taken)
    assert all(len(spent) == 2 and min(spent) > 0 for spent in taken.values())
    assert by_itself.rstrip().endswith(" 1.000 (1.000-1.000)")
    assert [line.count("(") for line in (by_itself, ours_row, loader)] == [2, 3, 2]


@pytest.mark.parametrize("task", [CLASSES, REGRESSION])
def test_a_package_takes_every_step_that_is_timed(installed: Finder, task: Task) -> None:
    training = Training.of(task.problem(0), parse_optimizer({"name": "SGD"}))
    rates: list[float] = []
    training.optimizer.register_step_post_hook(lambda one, *_: rates.append(one.param_groups[0]["lr"]))

    with quiet():
        installed.ready(training, PLAN)()

    assert len(rates) == PLAN.num_steps
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(PLAN.start_lr)
    assert rates[-1] == pytest.approx(PLAN.end_lr, rel=0.1)
