"""A check names what is wrong with a workload, and leaves a sound one in peace."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from worker.check.__main__ import check

BROKEN = Path(__file__).parent.parent / "plugins" / "broken"


@pytest.fixture(autouse=True)
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken workloads, installed."""
    monkeypatch.syspath_prepend(str(BROKEN))


def checked(name: str, params: dict[str, Any] | None = None) -> tuple[bool, list[str]]:
    said: list[str] = []
    return check(name, params, num_steps=10, say=said.append), said


def starting(word: str, said: list[str]) -> list[str]:
    return [line for line in said if line.startswith(f"{word} ")]


@pytest.mark.parametrize("name", ["sound", "digits-mlp", "digits-cnn"])
def test_a_sound_workload_passes_with_its_speed_and_the_length_of_its_epoch(name: str) -> None:
    passed, said = checked(name)

    assert passed
    assert said[-1] == "all is well"
    assert "ms a step on" in said[-2]
    assert "an epoch is" in said[-2]
    assert starting("ok", said) == said[:-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "has no attribute 'Absent'"),
        ("unimportable", "RuntimeError: no licence for this machine"),
        ("quitting", "SystemExit: not on this machine"),
        ("unfinished", "abstract class Unfinished"),
        ("not-a-workload", "must be a subclass of clr_tuner.Workload"),
        ("misnamed", "name is 'well-named', and its entry point is called 'misnamed'"),
        ("infinite-default", "Params has no JSON Schema"),
        ("loose", 'model_config = ConfigDict(extra="forbid")'),
        ("demanding", "Params has no default for width"),
        (
            "contradicting",
            "Params refuses its own defaults: width Input should be greater than or equal to 1",
        ),
        ("raising", "build(seed=0) failed, workload_error:"),
        ("missing", "build(seed=0) failed, dataset_missing: the data is not here; bring it with: fetch-data"),
        ("bare", "build must answer a clr_tuner.Problem"),
        ("function-loss", "loss must be a torch.nn.Module"),
        ("frozen", "no parameter that requires a gradient"),
        ("no-train-size", "train_size must be the number of training examples"),
        ("uneven", "as many inputs as targets, one at least; got a tuple of a tensor of shape (20, 4)"),
        ("nothing-held-out", "as many inputs as targets, one at least"),
        ("loader-held-out", "held_out must be a pair of tensors"),
        ("shifting-held-out", "held_out differs between seed 0 and seed 1"),
        ("regression", "say classifies=False"),
        ("column-targets", "outputs (8, 2) are not one row of classes for each of targets (8, 1)"),
        ("one-model", "the same model twice"),
        ("unseeded-order", "seed 0 gives other losses when trained again"),
        ("deaf", "seed 1 gives the same losses as seed 0"),
        ("no-batches", "batches are empty"),
        ("ending", "batches end after 5"),
        ("inputs-alone", "a batch must be a pair of tensors (inputs, targets), got a tensor of shape (8, 4)"),
        ("wrong-shape", "model(inputs) failed, workload_error:"),
        ("wrong-targets", "loss(outputs, targets) failed, workload_error:"),
        ("no-mean", "a scalar; got a tensor of shape (8,)"),
        ("not-finite", "the loss of the first batch is nan"),
        ("detached", "the loss has no gradient"),
        ("flat", "10 steps at a learning rate of 0.001 change no weight"),
        ("elsewhere", "no parameter of model gets a gradient"),
        ("named-targets", "are a dict of 'side': a tensor of shape (8,), 'sum': a tensor of shape (8,); say"),
        ("one-column", "outputs (8, 1) are not one row of classes for each of targets (8,)"),
        ("nowhere", "model lies on the meta device"),
        ("callable-batches", "batches must be an iterable of (inputs, targets), as a loader or a list is"),
        ("array-held-out", "got a tuple of an array of shape (100, 4), an array of shape (100,)"),
        ("left-out", "invalid_workload: the parameter groups leave out bias"),
    ],
)
def test_a_broken_workload_is_told_its_one_problem(name: str, message: str) -> None:
    passed, said = checked(name)

    assert not passed
    [problem] = starting("problem", said)
    assert message in problem
    assert said[-1] == "problems: 1, warnings: 0"


def test_weights_that_do_not_follow_the_seed_are_told_how() -> None:
    passed, said = checked("unseeded")

    assert not passed
    assert "make the model inside `with seeded(seed):`" in starting("problem", said)[0]


def test_every_fault_of_a_declaration_is_told_at_once() -> None:
    _, said = checked("undeclared")

    variables = [line.split()[1] for line in starting("problem", said)]
    assert variables == ["name", "description", "default_batch_size", "default_optimizer", "Params"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("wandering", "a DataLoader needs a generator"), ("half-used", "no gradient reaches spare.weight")],
)
def test_what_will_run_all_the_same_is_a_warning(name: str, message: str) -> None:
    passed, said = checked(name)

    assert passed
    [warning] = starting("warning", said)
    assert message in warning
    assert said[-1] == "problems: 0, warnings: 1"


def test_a_required_parameter_is_a_warning_when_it_is_given() -> None:
    passed, said = checked("demanding", {"width": 3})

    assert passed
    assert "every request must name it" in starting("warning", said)[0]


def test_params_that_are_refused_are_named() -> None:
    passed, said = checked("digits-mlp", {"hidden": 0})

    assert not passed
    assert "hidden Input should be greater than or equal to 1" in starting("problem", said)[0]


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    passed, said = checked("digits-mpl")

    assert not passed
    assert "no workload digits-mpl is installed" in said[0]
    assert "digits-cnn, digits-mlp" in said[0]


def test_a_name_that_two_packages_offer_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "rival-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[clr_tuner.workloads]\nsound = broken:Sound\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    passed, said = checked("sound")

    assert not passed
    assert "sound is offered more than once" in starting("problem", said)[0]


def test_a_check_leaves_no_file_and_reads_no_settings(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "worker.check.__main__", "sound", "--steps=2"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(BROKEN), "PYTHONDONTWRITEBYTECODE": "1", "CLR_PORT": "none of your business"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(tmp_path.iterdir())
