"""The tasks that break finders."""

import math

import pytest
import torch

from benchmarks.quality import examples
from benchmarks.quality.halves import scores
from benchmarks.quality.losses import (
    GROUP,
    MARGIN,
    TEMPERATURE,
    ContrastedClasses,
    HardestTriplets,
    Unaligned,
)
from benchmarks.quality.oracle import LOWEST
from benchmarks.quality.reserve import Focal, SeveralLabels
from benchmarks.quality.tasks import (
    ASIDE_TASKS,
    FOLKLORE,
    FRESH_TASKS,
    HARD_TASKS,
    MORE_TASKS,
    MUON_TASKS,
    OPTIMIZERS,
    RESERVE_TASKS,
    SMALL_TASKS,
    TASKS,
    UNSEEN_HARD_TASKS,
    UNSEEN_SMALL_TASKS,
    UNSEEN_TASKS,
    Task,
    chance,
    points,
)

HARD = HARD_TASKS + UNSEEN_HARD_TASKS
OTHERS = TASKS + MORE_TASKS + UNSEEN_TASKS + SMALL_TASKS + UNSEEN_SMALL_TASKS + FRESH_TASKS


@pytest.mark.parametrize(
    "task", HARD + FRESH_TASKS + ASIDE_TASKS + RESERVE_TASKS + MUON_TASKS, ids=lambda task: task.name
)
def test_a_hard_task_trains_and_is_scored(task: Task) -> None:
    problem = task.problem(0)
    trainer = task.trainer(problem)

    loss = trainer.step(FOLKLORE[task.optimizer] / 10)

    assert math.isfinite(float(loss))
    assert 0 <= points(problem, *trainer.evaluate()) <= 100
    assert 0 <= chance(problem) < 80
    assert len(problem.held_out[1]) >= 1000


def test_every_hard_task_is_in_one_half_and_in_no_other_set() -> None:
    names = [task.name for task in HARD]

    assert len(set(names)) == len(names)
    assert not set(names) & {task.name for task in OTHERS}
    assert abs(len(HARD_TASKS) - len(UNSEEN_HARD_TASKS)) <= 1


def test_ten_tasks_are_kept_aside_and_in_no_other_set() -> None:
    names = {task.name for task in ASIDE_TASKS}

    assert len(names) == 10
    assert not names & {task.name for task in HARD + OTHERS}


@pytest.mark.parametrize("task", ASIDE_TASKS, ids=lambda task: task.name)
def test_two_thousand_examples_score_a_task_kept_aside(task: Task) -> None:
    assert len(scores(task.problem(0)).held_out[1]) == 2000


def test_ten_tasks_are_reserved_and_in_no_other_set() -> None:
    workloads = {task.workload for task in RESERVE_TASKS}

    assert len(workloads) == 10
    assert not workloads & {task.workload for task in HARD + OTHERS + ASIDE_TASKS + MUON_TASKS}


@pytest.mark.parametrize("task", RESERVE_TASKS, ids=lambda task: task.name)
def test_two_thousand_examples_score_a_reserved_task_or_a_third_of_the_recordings(task: Task) -> None:
    few = task.workload.startswith("spoken")

    assert len(scores(task.problem(0)).held_out[1]) == (1000 if few else 2000)


def test_every_optimizer_has_its_plain_default_and_its_lowest_rate() -> None:
    assert OPTIMIZERS.keys() == FOLKLORE.keys() == LOWEST.keys()


def test_only_training_labels_are_wrong() -> None:
    clean, spoilt = examples.small_mnist(), examples.mislabelled(examples.small_mnist())

    wrong = (clean.train.targets != spoilt.train.targets).float().mean()
    assert float(wrong) == pytest.approx(examples.WRONG, abs=0.03)
    assert spoilt.held_out is clean.held_out


def test_only_training_classes_are_rare() -> None:
    split = examples.long_tailed(examples.small_mnist())

    counts = split.train.targets.bincount()
    assert counts[0] == examples.TIMES_RARER * counts[-1]
    assert split.held_out.targets.bincount().min() == split.held_out.targets.bincount().max()


def test_no_sequence_of_digits_shows_a_digit_that_is_held_out() -> None:
    rows, digits = examples.digits_in_a_row(), examples.small_digits()

    frames = rows.held_out.inputs.reshape(-1, 3, 64)
    held_out = {tuple(image.tolist()) for image in digits.held_out.inputs[:, 0].transpose(1, 2).flatten(1)}
    assert {tuple(image.tolist()) for image in frames.flatten(0, 1)} <= held_out


def test_one_point_for_all_embeddings_is_worth_nothing() -> None:
    [task] = [task for task in HARD if task.workload == "mnist-triplets"]
    problem = task.problem(0)

    assert points(problem, MARGIN, None) == 0
    assert points(problem, 0.0, None) == 100


def test_triplets_that_are_far_enough_apart_cost_nothing() -> None:
    classes = torch.arange(64) % 4

    assert float(HardestTriplets()(classes[:, None].float(), classes)) == 0
    assert float(HardestTriplets()(0.1 * classes[:, None], classes)) == pytest.approx(MARGIN - 0.1)


def test_contrasted_classes_in_one_point_are_told_apart_by_luck_alone() -> None:
    loss, classes = ContrastedClasses(), torch.arange(3 * GROUP + 1) % 4

    assert float(loss.trivial(classes)) == pytest.approx(math.log(GROUP - 1), abs=1e-5)


def test_contrasted_classes_of_a_direction_each_are_told_from_each_other() -> None:
    classes = torch.arange(2 * GROUP) % 4

    loss = ContrastedClasses()(torch.eye(4)[classes], classes)

    like, unlike = GROUP // 4 - 1, 3 * GROUP // 4
    assert float(loss) == pytest.approx(math.log(like + unlike * math.exp(-1 / TEMPERATURE)), abs=1e-5)


def test_focal_loss_is_cross_entropy_less_what_is_known() -> None:
    outputs, classes = torch.tensor([[0.0, 0.0], [0.0, 20.0]]), torch.tensor([0, 1])

    assert float(Focal()(outputs, classes)) == pytest.approx(0.25 * math.log(2) / 2, abs=1e-6)


def test_the_trivial_loss_of_several_labels_is_that_of_their_frequencies() -> None:
    targets = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])

    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert float(SeveralLabels().trivial(targets)) == pytest.approx(entropy, abs=1e-6)


def test_the_trivial_loss_of_sequences_is_that_of_the_best_constant() -> None:
    loss, targets = Unaligned(frames=12, classes=11), torch.randint(1, 11, (50, 3))

    uniform = loss(torch.zeros(50, 12, 11), targets)
    assert float(loss.trivial(targets)) < float(uniform)


def test_who_predicts_the_mean_has_no_points() -> None:
    problem = Task(workload="diabetes-mlp", optimizer="adam").problem(0)
    _, targets = problem.held_out

    assert points(problem, float(targets.square().mean()), None) == pytest.approx(0, abs=1e-4)
