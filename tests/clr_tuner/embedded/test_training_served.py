"""Training jobs from the command line, on the embedded service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from clr_tuner.commands.cli import main
from clr_tuner.embedded.service import EmbeddedService
from store.settings import Settings


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(port=0, data_dir=tmp_path_factory.mktemp("serve"), database_url="", broker_url="")
    with EmbeddedService(settings, say=lambda _: None) as embedded:
        yield embedded.url


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"CLR_URL": url, "NO_COLOR": "1"})


def test_a_workload_alone_is_tested_then_trained_and_goes_on_from_there(url: str, tmp_path: Path) -> None:
    best = tmp_path / "best.pt"

    trained = run(url, "train", "digits-mlp", "--num-cycles", "1", "--checkpoint", str(best), "--json")
    assert trained.exit_code == 0, trained.stderr
    job = json.loads(trained.stdout)
    resumed = run(url, "resume", job["id"], "--num-cycles", "1", "--json")

    assert "succeeded" in trained.stderr
    assert job["result"]["best"]["accuracy"] > 0.9
    assert "model" in torch.load(best, weights_only=True)
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["result"]["final"]["cycle"] == 2


def test_a_rate_that_is_far_too_high_exits_4_and_is_drawn(url: str, tmp_path: Path) -> None:
    far_too_high = ["--policy", "fixed", "--lr", "1e6", "--num-epochs", "1"]

    result = run(url, "train", "digits-mlp", *far_too_high, "--plot", str(tmp_path / "training.svg"))

    assert result.exit_code == 4, result.stderr
    assert "diverged" in result.stderr
    assert (tmp_path / "training.svg").read_bytes().startswith(b"<?xml")
