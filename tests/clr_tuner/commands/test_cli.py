import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clr_tuner.commands.cli import main
from tests.clr_tuner.conftest import (
    BOUNDS,
    CONFIRMATION,
    INCONCLUSIVE,
    JOB,
    JOB_ID,
    TRAINING_ID,
    Answer,
    Service,
    job,
    training,
)


def run(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"CLR_URL": service.url, "NO_COLOR": "1"})


def finished(service: Service, *, bounds: Answer) -> None:
    service.answers("POST", "/range-tests", Answer(202, job()))
    service.answers("GET", JOB, Answer(body=job("succeeded")))
    service.answers("GET", f"{JOB}/bounds", bounds)


def test_a_range_test_prints_both_rates_their_spread_and_reasons(service: Service) -> None:
    finished(service, bounds=Answer(body=BOUNDS))

    result = run(service, "range-test", "digits-mlp")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "base_lr  0.01         between 0.008 and 0.012",
        "         The loss starts to fall here.",
        "max_lr   0.1          between 0.09 and 0.11",
        "         The accuracy stops rising here.",
        "constant_lr 0.03 (for training without cycles)",
        "step_size 120 steps (half a cycle)",
        "warning: the seeds differ",
    ]


def test_bounds_for_a_budget_tell_all_that_is_known(service: Service) -> None:
    known = {
        "constant_lr": 0.03,
        "cost": {"steps": 1400, "seconds": 2.5},
        "sensitivity": {"metric": "accuracy", "off_by_2": 0.012, "off_by_4": None, "by_factor": []},
        "for_budget": {
            **{"num_steps": 960, "step_size": 120, "num_cycles": 4, "policy": "one_cycle"},
            **{"base_lr": 0.005, "max_lr": 0.05, "constant_lr": 0.016, "basis": "turn"},
            "reason": "It would overfit.",
        },
    }
    finished(service, bounds=Answer(body=BOUNDS | known))

    result = run(service, "bounds", JOB_ID, "--num-epochs", "16", "--policy", "one_cycle")

    assert service.heard("GET", f"{JOB}/bounds")[0].query == {"num_epochs": "16.0", "policy": "one_cycle"}
    assert result.stdout.splitlines()[4:-1] == [
        "constant_lr 0.03 (for training without cycles)",
        "step_size 120 steps (half a cycle)",
        "for 960 steps: 4 cycles with step_size 120",
        "for so long a one_cycle: base_lr 0.005, max_lr 0.05 (turn)",
        "         It would overfit.",
        "a wrong max_lr costs, in accuracy: off by 2 x up to 0.012",
        "cost 1,400 steps, 2.5 s",
    ]


def test_a_snippet_is_of_the_length_that_the_request_was_for(service: Service) -> None:
    budget = {"num_steps": 960, "step_size": 120, "num_cycles": 4}
    finished(service, bounds=Answer(body=BOUNDS | {"for_budget": budget}))

    asked, told = run(service, "bounds", JOB_ID, "--snippet", "one_cycle"), ["--num-steps", "500"]
    other = run(service, "bounds", JOB_ID, "--snippet", "one_cycle", *told)

    assert service.heard("GET", f"{JOB}/bounds")[0].query == {"policy": "one_cycle"}
    assert "960" in asked.stdout
    assert "960" not in other.stdout
    assert "500" in other.stdout


def test_a_thorough_test_prints_what_was_tried_and_what_training_says(service: Service) -> None:
    finished(service, bounds=Answer(body=BOUNDS | {"confirmation": CONFIRMATION}))

    result = run(service, "range-test", "digits-mlp", "--effort", "thorough")

    assert service.heard("POST", "/range-tests")[0].body == {"workload": "digits-mlp", "effort": "thorough"}
    assert result.stdout.splitlines()[6:] == [
        "training: adjusted, margin 0.05: max_lr x 2 was better beyond the noise",
        "  TRIED       MEAN ACCURACY  RUNS",
        "  max_lr      0.9            4",
        "  max_lr x 2  0.95           4",
        "  one_cycle   diverged       1",
        "warning: the seeds differ",
    ]


def test_options_become_fields_of_the_request(service: Service) -> None:
    finished(service, bounds=Answer(body=BOUNDS))
    options = "--param hidden=64 --param activation=relu --optimizer SGD --optimizer-param momentum=0.9"

    run(service, "range-test", "digits-mlp", *options.split(), "--num-seeds", "2", "--start-lr", "1e-4")

    assert service.heard("POST", "/range-tests")[0].body == {
        "workload": "digits-mlp",
        "params": {"hidden": 64, "activation": "relu"},
        "optimizer": {"name": "SGD", "momentum": 0.9},
        "num_seeds": 2,
        "start_lr": 1e-4,
    }


def test_an_inconclusive_test_says_what_to_run_next_and_exits_3(service: Service) -> None:
    finished(service, bounds=Answer(409, INCONCLUSIVE))

    result = run(service, "range-test", "digits-mlp")

    assert result.exit_code == 3
    assert "inconclusive (flat): The loss never changes." in result.stdout
    assert "next: Raise end_lr to 10." in result.stdout


def test_a_failed_job_exits_1_with_its_reason(service: Service) -> None:
    service.answers("POST", "/range-tests", Answer(202, job()))
    service.answers("GET", JOB, Answer(body=job("failed", reason="crashed", message="SIGSEGV")))

    result = run(service, "range-test", "digits-mlp")

    assert result.exit_code == 1
    assert "error: crashed: SIGSEGV" in result.stderr


@pytest.mark.parametrize(("bounds", "exit_code"), [(Answer(body=BOUNDS), 0), (Answer(409, INCONCLUSIVE), 3)])
def test_json_is_all_that_stdout_holds(service: Service, bounds: Answer, exit_code: int) -> None:
    finished(service, bounds=bounds)

    result = run(service, "range-test", "digits-mlp", "--json")

    assert result.exit_code == exit_code
    answered = {**bounds.body, "id": JOB_ID, "links": {"self": JOB}}
    assert json.loads(result.stdout).items() >= answered.items()


def test_the_picture_is_written_in_the_format_of_its_name(service: Service, tmp_path: Path) -> None:
    finished(service, bounds=Answer(body=BOUNDS))
    service.answers("GET", f"{JOB}/plot.svg", Answer(body=b"<svg/>"))

    run(service, "range-test", "digits-mlp", "--plot", str(tmp_path / "curve.svg"))

    assert (tmp_path / "curve.svg").read_bytes() == b"<svg/>"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--plot", "curve.gif"],
        ["--policy", "one_cycle"],
        ["--param", "hidden"],
        ["--optimizer-param", "momentum=0.9"],
        ["--num-seeds", "many"],
        ["--url", "localhost:8000"],
    ],
)
def test_a_wrong_argument_exits_2_before_anything_is_sent(service: Service, arguments: list[str]) -> None:
    result = run(service, "range-test", "digits-mlp", *arguments)

    assert result.exit_code == 2
    assert not service.requests


def test_refused_fields_are_named(service: Service) -> None:
    errors = [{"pointer": "/workload", "message": "unknown; there are digits-mlp, digits-cnn"}]
    service.answers("POST", "/range-tests", Answer(422, {"detail": "Invalid request.", "errors": errors}))

    result = run(service, "range-test", "digits-mpl")

    assert result.exit_code == 1
    assert "/workload: unknown; there are digits-mlp, digits-cnn" in result.stderr


def test_without_a_service_the_message_says_what_to_do(service: Service) -> None:
    service.close()

    result = run(service, "jobs")

    assert result.exit_code == 1
    assert "clr-tuner serve" in result.stderr
    assert "Traceback" not in result.output


def test_jobs_are_listed_in_columns(service: Service) -> None:
    items = [job("succeeded", outcome="bounds_found"), training("running", name="one night")]
    service.answers("GET", "/jobs", Answer(body={"items": items, "next_page_token": None}))

    header, first, second = run(service, "jobs", "--search", "night").stdout.splitlines()

    assert header.split() == ["ID", "KIND", "WORKLOAD", "STATUS", "OUTCOME", "CREATED", "NAME"]
    assert first.split() == [JOB_ID, "range_test", "succeeded", "bounds_found"]
    assert second.split() == [TRAINING_ID, "training_job", "running", "one", "night"]
    assert service.heard("GET", "/jobs")[0].query["search"] == "night"


def test_ctrl_c_cancels_the_job(service: Service) -> None:
    service.answers("POST", "/range-tests", Answer(202, job()))
    service.answers("GET", JOB, Answer(body=job("running"), headers={"Retry-After": "60"}))
    service.answers("POST", f"{JOB}/cancel", Answer(202, job("cancelling")))
    command = [
        str(Path(sys.executable).parent / "clr-tuner"),
        "range-test",
        "digits-mlp",
        "--url",
        service.url,
    ]

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]  # its id, then the first progress
        process.send_signal(signal.SIGINT)
        said += process.stderr.readlines()

    assert process.returncode == 130
    assert said[-1] == f"job {JOB_ID} is cancelling\n"
    assert "Traceback" not in "".join(said)


def test_a_job_can_be_looked_at_and_cancelled_by_id(service: Service) -> None:
    progress = {"phase": "scout", "completed": 10, "total": 100, "unit": "steps"}
    service.answers("GET", JOB, Answer(body=job("running", progress=progress)))
    service.answers("GET", f"{JOB}/curve", Answer(body=b"seed,step\n0,0\n"))
    service.answers("POST", f"{JOB}/cancel", Answer(202, job("cancelling")))

    assert "scout: 10 of 100 steps" in run(service, "status", JOB_ID).stdout
    assert run(service, "curve", JOB_ID).stdout == "seed,step\n0,0\n"
    assert run(service, "cancel", JOB_ID).stdout == f"job {JOB_ID} is cancelling\n"


def test_workloads_are_listed_with_their_parameters(service: Service) -> None:
    schema = {"properties": {"hidden": {"default": 64}, "path": {}}}
    workload = {"name": "digits-mlp", "description": "Digits.", "params_schema": schema}
    service.answers("GET", "/workloads", Answer(body={"items": [workload]}))

    assert "hidden=64, path (required)" in run(service, "workloads").stdout


def test_a_picture_that_cannot_be_written_is_told_before_anything_is_sent(service: Service) -> None:
    result = run(service, "range-test", "digits-mlp", "--plot", "/nowhere/at-all.png")

    assert result.exit_code == 2
    assert "no folder /nowhere" in result.stderr
    assert not service.requests


@pytest.mark.parametrize("id", ["", "../workloads", "?x", ".."])
def test_an_id_that_is_none_is_asked_for_as_it_is_spelled(service: Service, id: str) -> None:
    result = run(service, "status", id)

    assert result.exit_code == 1
    assert "error: " in result.stderr


def test_every_command_has_help() -> None:
    listed = CliRunner().invoke(main, ["--help"]).stdout
    commands = (
        "range-test bounds confirm analyse train resume checkpoints compare comparisons jobs status curve plot "
        "cancel workloads workload schedule serve demo api worker migrate settings"
    )

    for command in commands.split():
        assert command in listed
        assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


@pytest.mark.parametrize("command", ["new", "check"])
def test_every_command_of_workload_has_help(command: str) -> None:
    assert command in CliRunner().invoke(main, ["workload", "--help"]).stdout
    assert CliRunner().invoke(main, ["workload", command, "--help"]).exit_code == 0


@pytest.mark.parametrize("params", ["{hidden: 64}", "64"])
def test_params_of_a_check_that_are_no_json_object_exit_2(params: str) -> None:
    result = CliRunner().invoke(main, ["workload", "check", "digits-mlp", "--params", params])

    assert result.exit_code == 2
    assert "--params" in result.stderr


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("clr-tuner 0.")
