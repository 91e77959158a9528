"""Other packages' finders answer for a task once, and what they said is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.finders import Finder, Training
from benchmarks.quality import kept, packages
from benchmarks.quality.methods import REPEATS
from benchmarks.quality.packages import Rule, asked, package_answers
from benchmarks.quality.tasks import Task
from store.settings import Settings

CLASSES = Task(workload="digits-mlp", optimizer="sgd")
REGRESSION = Task(workload="digits-halves", optimizer="momentum")


@pytest.fixture
def only_rule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Rule], None]:
    """Have this rule alone, and nothing kept."""
    monkeypatch.setattr(kept, "get_settings", lambda: Settings(data_dir=tmp_path))
    return lambda rule: monkeypatch.setattr(packages, "_rules", lambda: {"theirs": rule})


def test_an_answer_is_asked_for_once(only_rule: Callable[[Rule], None]) -> None:
    asked_of: list[Training] = []

    def rule(training: Training) -> float:
        asked_of.append(training)
        training.optimizer.step()
        return 0.1

    only_rule(rule)

    first, second = package_answers(CLASSES), package_answers(CLASSES)

    assert first == second
    assert [(one.lr, one.why, one.steps) for one in first["theirs"]] == [(0.1, None, 1)] * len(REPEATS)
    assert len(asked_of) == len(REPEATS)


def test_a_rule_that_raises_has_no_answer(only_rule: Callable[[Rule], None]) -> None:
    def rule(training: Training) -> float:
        raise RuntimeError("too few points")

    only_rule(rule)

    answer = package_answers(CLASSES)["theirs"][0]

    assert (answer.lr, answer.why) == (None, "RuntimeError: too few points")


def test_a_rule_that_says_nothing_has_no_answer() -> None:
    answer = asked(CLASSES, lambda training: None, 0)

    assert (answer["lr"], answer["why"]) == (None, "no answer")


@pytest.mark.parametrize("task", [CLASSES, REGRESSION])
def test_a_packages_rules_answer_the_same_again(installed: Finder, task: Task) -> None:
    for rule in installed.RULES.values():
        answer, again = asked(task, rule, 0), asked(task, rule, 0)

        assert answer["lr"] is not None, answer["why"]
        assert (answer["lr"], answer["steps"]) == (again["lr"], again["steps"])
        assert 50 < answer["steps"] <= 100
