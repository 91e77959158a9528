"""`import clr_tuner as ct`: all that is public, and nothing loaded before it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import clr_tuner as ct

ROOT = Path(__file__).parent.parent.parent
PUBLIC = [
    "Bounds",
    "Client",
    "DatasetMissing",
    "Inconclusive",
    "LRFinder",
    "MuonAndAdamW",
    "OptimizerPlugin",
    "ParameterGroup",
    "Problem",
    "Scheduler",
    "StagedBatches",
    "Sweep",
    "Workload",
    "as_lambda_lr",
    "check_schedule",
    "find_bounds",
    "parse_schedule",
    "read_bounds",
    "seeded",
]


def loaded_after(code: str) -> set[str]:
    """The modules of a fresh process that ran this."""
    said = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(said.stdout.split())


def test_the_public_names_are_exactly_these() -> None:
    assert ct.__all__ == dir(ct) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_is_there(name: str) -> None:
    assert getattr(ct, name).__doc__


def test_a_name_that_is_not_public_is_told_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'clr_tuner' has no attribute 'find_bound'"):
        ct.find_bound  # noqa: B018


def test_the_import_loads_nothing_else() -> None:
    assert loaded_after("import clr_tuner").isdisjoint({"torch", "matplotlib", "typer", "pydantic", "numpy"})


def test_a_client_loads_what_it_sends_requests_with_and_no_more() -> None:
    loaded = loaded_after("import clr_tuner as ct; ct.Client()")

    assert loaded.isdisjoint(
        {"torch", "matplotlib", "typer", "sqlalchemy", "rich", "pydantic", "numpy", "scipy"}
    )


def test_the_command_line_loads_no_numbers_before_a_command_needs_them() -> None:
    loaded = loaded_after("import clr_tuner.commands.cli")

    assert loaded.isdisjoint({"torch", "matplotlib", "numpy", "pydantic", "sqlalchemy"})


SWEPT = """
import torch, clr_tuner as ct
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
batches = [(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))]
ct.find_bounds(model, optimizer, torch.nn.CrossEntropyLoss(), batches, effort="quick", num_steps=20)
"""


def test_bounds_are_found_without_what_draws_or_schedules() -> None:
    loaded = loaded_after(SWEPT)

    assert loaded.isdisjoint({"matplotlib", "rich", "scipy", "clr.policies", "clr.optimizers", "httpx2"})


def test_its_types_are_published() -> None:
    assert (ROOT / "clr_tuner" / "py.typed").is_file()
