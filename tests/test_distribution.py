"""What the package asks for: torch is the user's own, and stays the version that it is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def needs(name: str, extra: str = "") -> Iterator[Requirement]:
    """What a distribution requires here, with one of its extras; nothing where it is not installed."""
    try:
        listed = [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return
    yield from (one for one in listed if one.marker is None or one.marker.evaluate({"extra": extra}))


def brought(extra: str) -> set[str]:
    """Every distribution that clr-tuner brings with this extra, through however many others."""
    names, left = set[str](), list(needs("clr-tuner", extra))
    while left:
        one = left.pop()
        if canonicalize_name(one.name) not in names:
            names.add(canonicalize_name(one.name))
            left += [inner for each in one.extras or {""} for inner in needs(one.name, each)]
    return names


@pytest.mark.parametrize("extra", ["", "dev", "bench"])
def test_torch_comes_with_the_worker_alone(extra: str) -> None:
    assert "torch" in brought("worker")
    assert "numpy" in brought(extra)
    assert "torch" not in brought(extra)


def test_a_newer_torch_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    newer = tmp_path / "torch-2.99.0.dist-info"
    newer.mkdir()
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.99.0\n")
    (newer / "RECORD").touch()
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-"]
    command += ["--no-index", "--no-build-isolation", f"{ROOT}[worker,dev]"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}

    resolved = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert resolved.returncode == 0, resolved.stderr
    installed = [item["metadata"]["name"] for item in json.loads(resolved.stdout)["install"]]
    assert installed == ["clr-tuner"]
