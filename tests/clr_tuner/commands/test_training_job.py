"""`clr-tuner train`, `resume` and `checkpoints`, against what a service would say."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clr_tuner.commands.cli import main
from tests.clr_tuner.conftest import (
    INCONCLUSIVE,
    JOB,
    JOB_ID,
    TRAINED,
    TRAINING,
    TRAINING_ID,
    Answer,
    Service,
    checkpoint,
    job,
    training,
)

RATES = ["--base-lr", "0.01", "--max-lr", "0.1"]


def run(service: Service, *arguments: str) -> Result:
    environment = {"CLR_URL": service.url, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(main, arguments, env=environment)


def finished(service: Service, **fields: object) -> None:
    answer = training("succeeded", outcome="trained", result=TRAINED) | fields
    service.answers("POST", "/training-jobs", Answer(202, training()))
    service.answers("GET", TRAINING, Answer(body=answer))


def keeps(service: Service, *kept: dict[str, object]) -> None:
    service.answers("GET", f"{TRAINING}/checkpoints", Answer(body={"items": list(kept)}))
    for one in kept:
        service.answers(
            "GET", f"{TRAINING}/checkpoints/{one['step']}", Answer(body=b"of step %d" % one["step"])
        )


def test_what_was_trained_is_printed_with_the_final_and_the_best(service: Service) -> None:
    finished(service, warnings=["700 steps end inside a cycle"])

    result = run(service, "train", "digits-mlp")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "schedule  triangular base_lr=0.01 max_lr=0.1 step_size=86",
        "num_steps 688 (43 an epoch)",
        "final     accuracy 0.985, loss 0.06, cycle 4, step 687",
        "best      accuracy 0.9875, loss 0.06, cycle 3, step 515",
        "warning: 700 steps end inside a cycle",
    ]


def test_a_workload_alone_leaves_all_but_the_policy_to_the_service(service: Service) -> None:
    finished(service)

    run(service, "train", "digits-mlp")

    [request] = service.heard("POST", "/training-jobs")
    assert request.body == {"workload": "digits-mlp", "schedule": {"policy": "triangular"}}


def test_options_become_fields_of_the_request_and_parameters_of_the_schedule(service: Service) -> None:
    finished(service)
    options = (
        "--policy exp_range --base-lr 1e-3 --max-lr=0.1 --step-size 88 --gamma 0.999 --num-cycles 5 --patience 2 "
        "--optimizer SGD --optimizer-param momentum=0.9 --cycle-momentum --accumulation-steps 2 "
        "--clip-grad-norm 1 --precision bfloat16 --seed 7 --param hidden=64 --priority high --tag nightly"
    )

    run(service, "train", *options.split(), "digits-mlp")

    [request] = service.heard("POST", "/training-jobs")
    assert request.body == {
        "workload": "digits-mlp",
        "schedule": {"policy": "exp_range", "base_lr": 0.001, "max_lr": 0.1, "step_size": 88, "gamma": 0.999},
        "num_cycles": 5,
        "patience": 2,
        "optimizer": {"name": "SGD", "momentum": 0.9},
        "cycle_momentum": True,
        "accumulation_steps": 2,
        "clip_grad_norm": 1.0,
        "precision": "bfloat16",
        "seed": 7,
        "params": {"hidden": 64},
        "priority": "high",
        "tags": ["nightly"],
    }


def test_a_range_test_gives_the_workload_and_a_policy_its_num_steps_by_the_budget(service: Service) -> None:
    finished(service)

    run(service, "train", "--range-test", JOB_ID, "--policy", "one_cycle", "--num-steps", "100")

    assert service.heard("POST", "/training-jobs")[0].body == {
        "schedule": {"policy": "one_cycle"},
        "range_test_id": JOB_ID,
        "num_steps": 100,
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a WORKLOAD"),
        (["digits-mlp", "digits-cnn"], "unexpected 'digits-cnn'"),
        (["digits-mlp", "--policy", "zigzag"], "no policy 'zigzag'"),
        (["digits-mlp", "--speed", "3"], "--speed is not an option of this policy"),
        (["digits-mlp", "--lr", "0.1"], "--lr is not an option of this policy"),
        (["digits-mlp", "--base-lr", "0.1", "--max-lr", "0.01"], "--max-lr must be greater than base_lr"),
        (["digits-mlp", "--policy", "staged"], "--stages is missing"),
        (["digits-mlp", "--max-lr"], "--max-lr needs a value"),
        (["digits-mlp", "--optimizer-param", "momentum=0.9"], "--optimizer-param needs --optimizer"),
        (["digits-mlp", "--plot", "training.gif"], "must end in .png, .svg or .pdf"),
        (["digits-mlp", "--checkpoint", "/nowhere/best.pt"], "no folder /nowhere"),
    ],
)
def test_a_wrong_argument_is_explained_before_anything_is_sent(
    service: Service, arguments: list[str], says: str
) -> None:
    result = run(service, "train", *arguments)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert not service.requests


def test_json_is_all_that_stdout_holds(service: Service) -> None:
    finished(service)

    result = run(service, "train", "digits-mlp", "--json")

    assert json.loads(result.stdout)["result"] == TRAINED


def test_the_picture_and_the_best_checkpoint_are_written(service: Service, tmp_path: Path) -> None:
    finished(service)
    keeps(service, checkpoint(687), checkpoint(515, best=True))
    service.answers("GET", f"{TRAINING}/plot.svg", Answer(body=b"<svg/>"))
    picture, best = tmp_path / "training.svg", tmp_path / "best.pt"

    run(service, "train", "digits-mlp", "--plot", str(picture), "--checkpoint", str(best))

    assert (picture.read_bytes(), best.read_bytes()) == (b"<svg/>", b"of step 515")


def test_a_diverged_job_says_so_and_exits_4(service: Service, tmp_path: Path) -> None:
    finished(service, outcome="diverged", result=TRAINED | {"final": None, "best": None})
    keeps(service)

    result = run(service, "train", "digits-mlp", "--checkpoint", str(tmp_path / "best.pt"))

    assert result.exit_code == 4
    assert "diverged: the loss is no longer finite" in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_range_test_is_followed_first(service: Service) -> None:
    finished(service)
    done = training("succeeded", outcome="trained", result=TRAINED)
    service.answers("GET", TRAINING, Answer(body=training()), Answer(body=done))
    progress = {"phase": "scout", "completed": 50, "total": 100, "unit": "steps"}
    service.answers("GET", JOB, Answer(body=job("running", progress=progress)))

    result = run(service, "train", "digits-mlp")

    assert result.stderr.splitlines() == [
        f"job {TRAINING_ID}",
        "running: scout, 50 % of 100 steps",
        "succeeded",
    ]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_an_inconclusive_range_test_before_it_says_what_to_run_next_and_exits_3(
    service: Service, as_json: list[str]
) -> None:
    finished(service, status="failed", reason="no_bounds", message="the range test is inconclusive")
    service.answers("GET", JOB, Answer(body=job("succeeded", outcome="inconclusive")))
    service.answers("GET", f"{JOB}/bounds", Answer(409, INCONCLUSIVE))

    result = run(service, "train", "digits-mlp", *as_json)

    assert result.exit_code == 3
    if as_json:
        told = json.loads(result.stdout)
        assert (told["id"], told["links"]["range_test"]) == (TRAINING_ID, JOB)
        assert told.items() >= INCONCLUSIVE.items()
    else:
        assert "next: Raise end_lr to 10." in result.stdout


def test_ctrl_c_cancels_the_training_job(service: Service) -> None:
    service.answers("POST", "/training-jobs", Answer(202, training()))
    service.answers("GET", TRAINING, Answer(body=training(), headers={"Retry-After": "60"}))
    service.answers("GET", JOB, Answer(body=job("running")))
    service.answers("POST", f"{TRAINING}/cancel", Answer(200, training("cancelled")))
    command = [str(Path(sys.executable).parent / "clr-tuner"), "train", "digits-mlp", "--url", service.url]

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        said += process.stderr.readlines()

    assert process.returncode == 130
    assert said == [f"job {TRAINING_ID}\n", "running\n", f"job {TRAINING_ID} is cancelled\n"]


def test_a_training_job_is_resumed_by_its_id(service: Service) -> None:
    finished(service)
    service.answers("POST", f"{TRAINING}/resume", Answer(202, training()))

    result = run(service, "resume", TRAINING_ID, "--num-cycles", "2", "--priority", "low")

    assert result.exit_code == 0
    assert service.heard("POST", f"{TRAINING}/resume")[0].body == {"num_cycles": 2, "priority": "low"}
    assert result.stdout.startswith("schedule  triangular")


def test_checkpoints_are_listed_in_columns(service: Service) -> None:
    finished(service)
    keeps(service, checkpoint(687, cycle=None), checkpoint(515, cycle=3, best=True))

    _, newest, best = run(service, "checkpoints", TRAINING_ID).stdout.splitlines()

    assert newest.split() == ["687", "223865", "2026-11-25T12:00:05.000000Z"]
    assert best.split()[:4] == ["515", "3", "best", "223865"]


@pytest.mark.parametrize(("step", "content"), [([], b"of step 515"), (["--step", "687"], b"of step 687")])
def test_the_best_checkpoint_is_downloaded_or_that_of_a_step(
    service: Service, tmp_path: Path, step: list[str], content: bytes
) -> None:
    finished(service)
    keeps(service, checkpoint(687), checkpoint(515, best=True))

    run(service, "checkpoints", TRAINING_ID, "--download", str(tmp_path / "kept.pt"), *step)

    assert (tmp_path / "kept.pt").read_bytes() == content


def test_without_checkpoints_there_is_nothing_to_download(service: Service, tmp_path: Path) -> None:
    finished(service)
    keeps(service)

    assert run(service, "checkpoints", TRAINING_ID).stdout == "no checkpoints\n"
    result = run(service, "checkpoints", TRAINING_ID, "--download", str(tmp_path / "kept.pt"))
    assert (result.exit_code, result.stderr) == (1, f"error: job {TRAINING_ID} has no checkpoints\n")


@pytest.mark.parametrize(
    ("command", "id", "kind"),
    [("bounds", TRAINING_ID, "a training job"), ("checkpoints", JOB_ID, "a range test")],
)
def test_a_job_of_the_other_kind_is_a_wrong_argument(
    service: Service, command: str, id: str, kind: str
) -> None:
    service.answers("GET", JOB, Answer(body=job("succeeded")))
    service.answers("GET", TRAINING, Answer(body=training("succeeded")))

    result = run(service, command, id)

    assert result.exit_code == 2
    assert f"is {kind}" in result.stderr
