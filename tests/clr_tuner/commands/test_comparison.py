"""`clr-tuner compare` and `comparisons`, against what a service would say."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clr_tuner.commands.cli import main
from tests.clr_tuner.conftest import (
    COMPARED,
    COMPARISON,
    COMPARISON_ID,
    DIVERGED,
    Answer,
    Service,
    comparison,
    row,
)

POLICIES = ["--policy", "fixed", "--policy", "triangular2"]


def run(service: Service, *arguments: str) -> Result:
    environment = {"CLR_URL": service.url, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(main, arguments, env=environment)


def finished(service: Service, **fields: object) -> None:
    service.answers("POST", "/comparisons", Answer(202, comparison()))
    service.answers("GET", COMPARISON, Answer(body=comparison("succeeded", **COMPARED | fields)))


def test_the_table_marks_who_is_within_the_noise_of_the_best(service: Service) -> None:
    finished(service)

    result = run(service, "compare", "digits-mlp", *POLICIES)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "   LABEL  FINAL ACCURACY  BEST ACCURACY  STEPS TO 0.95  P",
        "   fixed  0.95 ± 0.002    0.96           300 (2/3)      0.012",
        "*  CLR    0.98 ± 0.001    0.985 ± 0.001  120.5 (3/3)    best",
        "   wild                                  never (0/3)",
        "* the best, and what is within noise of it: Welch's t-test over seeds",
        "warning: wild: 3 of 3 runs diverged",
    ]


def test_without_a_target_and_a_p_value_the_table_stands(service: Service) -> None:
    lost = row("fixed", **DIVERGED, within_noise=False)
    rows = [lost, row("CLR", final={"mean": 0.98, "std": None}, steps_to_target=None, reached=0)]
    finished(service, target=None, rows=rows, warnings=[])

    header, *table, _ = run(service, "compare", "digits-mlp", *POLICIES).stdout.splitlines()

    assert header.endswith("STEPS TO TARGET  P")
    assert [line.split()[:3] for line in table] == [["fixed", "never", "(0/3)"], ["*", "CLR", "0.98"]]


def test_options_become_fields_of_the_request(service: Service, tmp_path: Path) -> None:
    finished(service)
    own = {"schedule": {"policy": "fixed", "lr": 0.05}, "label": "slow"}
    (tmp_path / "own.json").write_text(json.dumps([own]))
    options = (
        "--preset paper --policy one_cycle --num-seeds 5 --seed 7 --num-epochs 8 --step-size-epochs 3 --target .9 "
        "--param hidden=64 --optimizer SGD --optimizer-param momentum=0.9 --priority low --name n --tag nightly"
    )

    run(service, "compare", "digits-mlp", *options.split(), "--entries", str(tmp_path / "own.json"))

    [request] = service.heard("POST", "/comparisons")
    assert request.body == {
        "workload": "digits-mlp",
        "preset": "paper",
        "entries": [{"schedule": {"policy": "one_cycle"}}, own],
        "num_seeds": 5,
        "seed": 7,
        "num_epochs": 8.0,
        "step_size_epochs": 3.0,
        "target": 0.9,
        "params": {"hidden": 64},
        "optimizer": {"name": "SGD", "momentum": 0.9},
        "priority": "low",
        "name": "n",
        "tags": ["nightly"],
    }


def test_json_is_all_that_stdout_holds_and_the_picture_is_written(service: Service, tmp_path: Path) -> None:
    finished(service)
    service.answers("GET", f"{COMPARISON}/plot.svg", Answer(body=b"<svg/>"))

    result = run(service, "compare", "digits-mlp", *POLICIES, "--json", "--plot", str(tmp_path / "c.svg"))

    assert json.loads(result.stdout)["within_noise"] == ["CLR"]
    assert (tmp_path / "c.svg").read_bytes() == b"<svg/>"


def test_one_that_failed_exits_1_and_says_why(service: Service) -> None:
    service.answers("POST", "/comparisons", Answer(202, comparison()))
    service.answers("GET", COMPARISON, Answer(body=comparison("failed", warnings=["fixed: no_bounds"])))

    result = run(service, "compare", "digits-mlp", *POLICIES)

    assert result.exit_code == 1
    assert "error: failed: fixed: no_bounds" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--policy, --preset or --entries"),
        (["--preset", "best"], "paper"),
        (["--policy", "saw"], "triangular2"),
        (["--policy", "staged"], "--stages is missing"),
        (["--entries", "missing.json"], "does not exist"),
        (["--entries", "{folder}/text.json"], "is not JSON"),
        (["--entries", "{folder}/object.json"], "must hold a list"),
        ([*POLICIES, "--plot", "curve.gif"], ".svg"),
    ],
)
def test_a_wrong_argument_exits_2_before_anything_is_sent(
    service: Service, tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "text.json").write_text("triangular2")
    (tmp_path / "object.json").write_text("{}")

    result = run(service, "compare", "digits-mlp", *(one.format(folder=tmp_path) for one in arguments))

    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert not service.requests


def test_ctrl_c_cancels_it(service: Service) -> None:
    progress = {"completed": 5, "total": 10, "unit": "jobs"}
    running = comparison("running", progress=progress)
    service.answers("POST", "/comparisons", Answer(202, comparison()))
    service.answers("GET", COMPARISON, Answer(body=running, headers={"Retry-After": "60"}))
    service.answers("POST", f"{COMPARISON}/cancel", Answer(body=comparison("cancelling")))
    command = [str(Path(sys.executable).parent / "clr-tuner"), "compare", "digits-mlp", *POLICIES]

    with subprocess.Popen([*command, "--url", service.url], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        said += process.stderr.readlines()

    assert process.returncode == 130
    assert said == [
        f"comparison {COMPARISON_ID}\n",
        "running, 50 % of 10 jobs\n",
        f"comparison {COMPARISON_ID} is cancelling\n",
    ]


def test_they_are_listed_in_columns(service: Service) -> None:
    items = [comparison("running", name="nightly"), comparison("succeeded")]
    service.answers("GET", "/comparisons", Answer(body={"items": items, "next_page_token": None}))

    _, first, second = run(service, "comparisons", "--status", "running", "--search", "x").stdout.splitlines()

    assert first.split()[:4] == [COMPARISON_ID, "nightly", "digits-mlp", "running"]
    assert second.split()[:3] == [COMPARISON_ID, "digits-mlp", "succeeded"]
    assert service.heard("GET", "/comparisons")[0].query == {
        "search": "x",
        "status": "running",
        "page_size": "20",
    }


def test_one_that_runs_is_printed_as_far_as_it_is(service: Service) -> None:
    service.answers("GET", COMPARISON, Answer(body=comparison("running")))

    assert run(service, "comparisons", COMPARISON_ID).stdout == "running: 0 of 10 jobs\n"
