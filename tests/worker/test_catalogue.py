"""Workloads come from installed packages, and a broken one harms nobody."""

import json
import logging
from pathlib import Path

import pytest

from worker.catalogue import describe, load_workloads

PLUGIN = """
from clr.workload import Workload

class Mine(Workload):
    name = "mine"
    description = "d"
    def build(self, params, *, seed, batch_size, device):
        raise NotImplementedError
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Install a plugin with these entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def installed(module: str, source: str, **entry_points: str) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        lines = [f"{name.replace('_', '-')} = {value}" for name, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[clr_tuner.workloads]", *lines]))

    return installed


def test_an_installed_plugin_is_found(install: object) -> None:
    install("plugin_a", PLUGIN, mine="plugin_a:Mine")  # type: ignore[operator]

    assert load_workloads()["mine"].description == "d"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("raise RuntimeError('broken')", "Mine"),
        ("raise SystemExit('not here')", "Mine"),
        (PLUGIN, "Absent"),
        (PLUGIN.replace("def build", "def nothing"), "Mine"),
        (PLUGIN.replace('"d"', "None"), "Mine"),
    ],
    ids=["raises", "exits", "absent", "abstract", "undescribed"],
)
def test_a_broken_plugin_is_logged_and_left_out(
    install: object,
    caplog: pytest.LogCaptureFixture,
    source: str,
    target: str,
    request: pytest.FixtureRequest,
) -> None:
    module = f"plugin_{request.node.callspec.id}"
    install(module, source, mine=f"{module}:{target}")  # type: ignore[operator]

    with caplog.at_level(logging.ERROR):
        found = load_workloads()

    assert "mine" not in found
    assert "digits-mlp" in found
    assert "mine" in caplog.text


def test_a_plugin_that_calls_itself_otherwise_is_left_out(
    install: object, caplog: pytest.LogCaptureFixture
) -> None:
    install("plugin_b", PLUGIN, yours="plugin_b:Mine")  # type: ignore[operator]

    assert not {"mine", "yours"} & set(load_workloads())
    assert "yours" in caplog.text


def test_a_description_is_plain_json_with_the_params_limits() -> None:
    described = describe(load_workloads()["digits-mlp"])

    json.dumps(described, allow_nan=False)
    assert described["params_schema"]["properties"]["hidden"]["maximum"] == 4096
    assert described["params_schema"]["additionalProperties"] is False
