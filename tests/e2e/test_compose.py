"""docker-compose.yml: what it says holds together, and its services find bounds, as plain processes."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clr_tuner.client import Client
from store.settings import Settings
from tests.e2e.compose import (
    BIN,
    DOCKERFILE,
    GIVEN,
    KEY,
    ROOT,
    Containers,
    command_of,
    compose,
    postgres_of,
    read_compose_file,
    redis_of,
    seconds,
    stage,
    wait_until_ready,
)
from tests.machine import patience
from tests.services import POLL_S

OF_BUCKETS = {"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
BUILDS = ("build", "build-api", "build-worker")
OURS = {"migrate": "api", "api": "api", "worker": "worker", "worker-gpu": "worker"}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return read_compose_file()


@pytest.fixture(scope="module")
def services(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = config["services"]
    return found


@pytest.fixture
def containers(
    config: dict[str, Any], installed: Path, postgres_url: str, tmp_path: Path
) -> Iterator[Containers]:
    folder = tmp_path / "run"
    folder.mkdir()
    services = config["services"]
    with (
        redis_of(services["redis"], password=GIVEN["REDIS_PASSWORD"]) as broker,
        postgres_of(services["postgres"], postgres_url) as database,
    ):
        addresses = {"postgres:5432": database, "redis:6379": broker}
        found = Containers(config, folder, addresses=addresses, installed=installed)
        try:
            yield found
        finally:
            found.kill()


@pytest.mark.timeout(300)
def test_the_services_find_bounds_and_stop_in_time(containers: Containers) -> None:
    migrated = containers.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert containers.check_health("worker") == 1, "no worker runs yet"
    containers.start("api")
    for replica in (1, 2):
        containers.start("worker", replica)
    url = f"http://127.0.0.1:{containers.port}"

    with Client(url, KEY, retry_s=0) as client:
        wait_until_ready(containers, client, workers=2)
        assert httpx2.post(f"{url}/range-tests", json={"workload": "digits-mlp"}).status_code == 401
        bounds = client.range_test("digits-mlp", num_seeds=1).wait(timeout_s=patience(90)).bounds()
        assert 0 < bounds.base_lr < bounds.max_lr
        assert [containers.check_health(service) for service in ("api", "worker")] == [0, 0]

        busy = client.range_test("digits-cnn", start_lr=1e-4, end_lr=0.1, num_steps=100_000)
        while not busy.refresh().progress.get("completed"):
            assert busy.status in ("queued", "running"), containers.logs()
            time.sleep(POLL_S)
        for worker in ("worker-1", "worker-2"):
            containers.stop(worker)
        assert busy.refresh().status == "queued", "a stopped worker gives its job back"
    containers.stop("api-1")


def test_every_program_of_ours_comes_from_a_target_of_the_dockerfile(services: dict[str, Any]) -> None:
    assert {name: service["build"]["target"] for name, service in services.items() if "build" in service} == (
        OURS
    )
    assert {services[name]["image"] for name in OURS} == {"clr-tuner-api", "clr-tuner-worker"}
    for name in ("api", "worker", "worker-gpu"):
        assert services[name]["command"] == command_of("CMD", OURS[name])


def test_every_image_of_others_is_pinned_to_a_release(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values() if "build" not in service]
    stages = set(re.findall(r" AS (\S+)", DOCKERFILE))
    images += [base for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) if base not in stages]

    assert len(images) == 3
    assert [image for image in images if not re.search(r":\d+\.\d+(\.\d+)?-[\w-]+$", image)] == []


def test_every_variable_of_the_service_is_a_setting(services: dict[str, Any]) -> None:
    settings = {f"CLR_{name.upper()}" for name in Settings.model_fields}

    for name in OURS:
        assert set(services[name]["environment"]) - {"OMP_NUM_THREADS", *OF_BUCKETS} <= settings
    assert set(re.findall(r"CLR_\w+", (ROOT / "docker-compose.yml").read_text() + DOCKERFILE)) <= settings


def test_the_workers_keep_their_data_in_the_volume_of_the_image(services: dict[str, Any]) -> None:
    folder = re.search(r"CLR_DATA_DIR=(\S+)", stage("run"))
    assert folder

    for name in ("worker", "worker-gpu"):
        mounts = [(mount["source"], mount["target"]) for mount in services[name]["volumes"]]
        assert mounts == [("data", folder[1])]
    assert f"install --directory --owner clr --group clr --mode 0700 {folder[1]}" in stage("run")


def test_no_secret_stands_in_the_files() -> None:
    raw = compose("--profile", "*", "config", "--no-interpolate", "--format", "json").stdout

    assert '"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:?set it in .env}"' in raw
    assert '"CLR_ADMIN_KEY": "${CLR_ADMIN_KEY:?set it in .env}"' in raw
    passwords = {f"${{{name}_PASSWORD:?set it in .env}}" for name in ("POSTGRES", "REDIS")}
    assert set(re.findall(r"://\w*:([^@\"\n]*)@", raw)) == passwords
    assert not re.search(r"password|secret|key", DOCKERFILE, re.IGNORECASE)
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    for name in GIVEN:
        assert f"\n{name}=\n" in (ROOT / ".env.example").read_text()


@pytest.mark.parametrize("missing", GIVEN)
def test_without_a_secret_nothing_starts(missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}

    refused = compose("config", "--quiet", **given)

    assert refused.returncode != 0
    assert f"{missing} is missing a value: set it in .env" in refused.stderr


def test_the_threads_of_a_worker_are_left_to_it_unless_somebody_says() -> None:
    told = read_compose_file(**GIVEN, OMP_NUM_THREADS="3")["services"]["worker"]["environment"]
    untold = read_compose_file()["services"]["worker"]["environment"]

    assert told["OMP_NUM_THREADS"] == "3"
    assert untold["OMP_NUM_THREADS"] is None


def test_the_example_names_every_variable_with_its_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    passed_on = re.findall(r"^ +([A-Z_]+):  #", text, re.MULTILINE)
    defaults = dict.fromkeys(passed_on, "") | dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))

    example = (ROOT / ".env.example").read_text()

    assert dict(re.findall(r"^#(\w+)=(.*)$", example, re.MULTILINE)) == defaults
    assert set(re.findall(r"^#?(\w+)=", example, re.MULTILINE)) == {
        *passed_on,
        *re.findall(r"\$\{(\w+):", text),
    }


def test_only_the_api_is_published_and_on_this_machine_alone(services: dict[str, Any]) -> None:
    published = {
        name: [(port["host_ip"], port["target"]) for port in service["ports"]]
        for name, service in services.items()
        if "ports" in service
    }

    assert published == {"api": [("127.0.0.1", 8000)]}
    elsewhere = read_compose_file(**GIVEN, PUBLISH="0.0.0.0:9000")["services"]["api"]["ports"][0]
    assert (elsewhere["host_ip"], elsewhere["published"]) == ("0.0.0.0", "9000")


def test_every_service_has_a_health_check_and_time_to_stop(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name == "migrate":
            continue
        own = service.get("healthcheck", {}).get("test")
        assert own or command_of("HEALTHCHECK", OURS[name]), name
        assert seconds(service["stop_grace_period"]) >= 10


def test_the_images_install_by_hash_whatever_is_not_ours_but_torch() -> None:
    installs = re.findall(r"pip install (.+?)(?: \\)?$", "".join(map(stage, BUILDS)), re.MULTILINE)
    locked, ours = "--no-deps --require-hashes", "--no-deps --no-build-isolation . ./service"

    assert [line for line in installs if not line.startswith(locked)] == [
        ours,
        "-c constraints.txt torch",
        ours,
    ]


def test_the_image_of_the_api_installs_no_worker() -> None:
    assert re.findall(r"-r (\S+)", stage("build") + stage("build-api")) == ["requirements/api.txt"]


def test_the_images_run_as_nobody_special(services: dict[str, Any]) -> None:
    assert re.search(r"^USER \d{4,}:\d{4,}$", stage("run"), re.MULTILINE)
    for target in ("api", "worker"):
        assert f"FROM run AS {target}\n" in DOCKERFILE
        assert "USER" not in stage(target)
    for name in OURS:
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_only_api_migration_and_workers_share_a_network_with_database_and_broker(
    config: dict[str, Any], services: dict[str, Any]
) -> None:
    networks = {name: set(service["networks"]) for name, service in services.items()}

    assert {name for name, network in config["networks"].items() if network.get("internal")} == {"inside"}
    assert all("inside" in network for network in networks.values())
    assert {name for name, network in networks.items() if network != {"inside"}} == (
        {"api", "worker", "worker-gpu"}
    )


def test_every_service_has_bounds_and_gains_no_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("read_only") or name == "postgres", name


def test_one_worker_has_one_gpu(services: dict[str, Any]) -> None:
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    devices = services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert [(device["driver"], device["device_ids"]) for device in devices] == [("nvidia", ["0"])]
    assert services["worker-gpu"]["environment"]["CLR_WORKER_SLOTS"] == "1"


def test_the_linters_of_make_check_refuse_a_mistake(tmp_path: Path) -> None:
    latest = tmp_path / "Dockerfile"
    latest.write_text(DOCKERFILE.replace("python:3.11.15-slim-bookworm", "python"))
    spoilt = tmp_path / "docker-compose.yml"
    spoilt.write_text((ROOT / "docker-compose.yml").read_text().replace("depends_on", "depend_on"))
    called = [line.strip() for line in (ROOT / "Makefile").read_text().splitlines()]

    refused = compose("--file", spoilt, "config", "--quiet", "--no-interpolate")
    warned = subprocess.run([BIN / "hadolint", latest], capture_output=True, text=True, check=False)

    assert refused.returncode != 0
    assert "depend_on" in refused.stderr
    assert warned.returncode != 0
    assert "Always tag the version" in warned.stdout
    assert "@$(BIN)/docker-compose --profile gpu config --quiet --no-interpolate" in called
    assert "@$(BIN)/hadolint Dockerfile" in called
