"""Every block of docs/your-loop.md, as it stands there."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct

PAGE = (Path(__file__).parents[3] / "docs" / "your-loop.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


def run(command: list[str], folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CLR_URL": url}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_all_blocks_are_run_here() -> None:
    languages = re.findall(r"^```(\w+)$", PAGE, re.MULTILINE)

    assert languages == ["python", "sh", "awk", "python", "python", "perl"]  # JAX with the frameworks


def test_the_loop_in_pytorch_is_reported(client: ct.Client, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    digits = load_digits()
    images, labels = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    held_out = images[1400:], labels[1400:]
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def evaluate() -> tuple[float, float]:
        outputs = model(held_out[0])
        right = (outputs.argmax(1) == held_out[1]).float().mean().item()
        return nn.functional.cross_entropy(outputs, held_out[1]).item(), right

    names: dict[str, Any] = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "criterion": nn.CrossEntropyLoss(),
        "loader": DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=32, shuffle=True),
        "held_out": held_out,
        "evaluate": evaluate,
    }
    exec(block("python").replace(ADDRESS, client.connection.shown), names)

    assert capsys.readouterr().out.endswith(" trained\n")
    assert names["report"].job.data["result"]["final"]["accuracy"] > 0.85
    names["client"].close()


def test_the_loop_in_the_shell_finds_bounds(client: ct.Client, tmp_path: Path) -> None:
    (tmp_path / "loop.sh").write_text(block("sh"))
    (tmp_path / "line.awk").write_text(block("awk"))

    ran = run(["sh", "loop.sh"], tmp_path, client.connection.shown)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"max_lr":' in ran.stdout


def test_the_loop_in_numpy_finds_bounds(client: ct.Client, capsys: pytest.CaptureFixture[str]) -> None:
    exec(block("python", 1).replace(ADDRESS, client.connection.shown), {})

    assert capsys.readouterr().out == "bounds_found\n"


@pytest.mark.skipif(
    not shutil.which("perl") or subprocess.run(["perl", "-MJSON::PP", "-e1"], check=False).returncode != 0,
    reason="no Perl with its core modules here",
)
def test_the_training_in_perl_is_stored(client: ct.Client, tmp_path: Path) -> None:
    (tmp_path / "train.pl").write_text(block("perl"))

    ran = run(["perl", "train.pl"], tmp_path, client.connection.shown)

    assert (ran.stdout, ran.stderr) == ("trained\n", "")
    job = next(client.training_jobs()).refresh()
    assert (job.data["name"], job.data["result"]["final"]["cycle"]) == ("a mean in Perl", 4)
