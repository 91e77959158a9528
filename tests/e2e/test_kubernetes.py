"""deploy/kubernetes: what it says holds together, and its programs run with its variables, as plain processes."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from api.app import create_app
from clr_tuner.client import Client
from store.settings import Settings
from tests.e2e.compose import (
    BIN,
    ROOT,
    Containers,
    command_of,
    postgres_of,
    redis_of,
    wait_until_ready,
)
from tests.machine import patience
from tests.services import BUCKET

FOLDER = ROOT / "deploy" / "kubernetes"
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
MANIFESTS: dict[str, list[dict[str, Any]]] = {
    file.name: list(yaml.safe_load_all(file.read_text())) for file in sorted(FOLDER.glob("*.yaml"))
}
KUSTOMIZATION = MANIFESTS.pop("kustomization.yaml")[0]
DOCUMENTS = [document for documents in MANIFESTS.values() for document in documents]
OURS = {"clr-migrate": "api", "clr-api": "api", "clr-worker": "worker", "clr-worker-gpu": "worker"}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OTHERS = {"OMP_NUM_THREADS", "HOME", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
COMPONENT = "app.kubernetes.io/component"


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in DOCUMENTS if document["kind"] in kinds}


PODS = {name: owner["spec"]["template"] for name, owner in of_kind("Deployment", "Job").items()}
CONTAINERS = {name: pod["spec"]["containers"][0] for name, pod in PODS.items()}
SETTINGS: dict[str, str] = of_kind("ConfigMap")["clr-settings"]["data"]
SECRETS = dict(
    line.split("=", 1) for line in re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
)


def secrets_of(name: str) -> dict[str, dict[str, Any]]:
    """The variables of a container that come from a secret, and where from."""
    variables = CONTAINERS[name].get("env", [])
    return {each["name"]: each["valueFrom"]["secretKeyRef"] for each in variables if "valueFrom" in each}


def environment_of(name: str, secrets: dict[str, str]) -> dict[str, str]:
    """What a container's process would have, if these were the secrets."""
    container = CONTAINERS[name]
    plain = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    shared = SETTINGS if container.get("envFrom") == [{"configMapRef": {"name": "clr-settings"}}] else {}
    return (
        shared | plain | {variable: secrets[variable] for variable in secrets_of(name) if variable in secrets}
    )


@pytest.fixture
def containers(
    installed: Path, postgres_url: str, s3_access: dict[str, str], tmp_path: Path
) -> Iterator[Containers]:
    """Every program of ours, ready to run; what they call by the cluster's names is on this machine."""
    folder = tmp_path / "run"
    folder.mkdir()
    secrets = SECRETS | {name: value for name, value in s3_access.items() if name in SECRETS}
    services = {
        name: {
            "command": CONTAINERS[name]["command"],
            "environment": environment_of(name, secrets)
            | {"AWS_ENDPOINT_URL": s3_access["AWS_ENDPOINT_URL"], "CLR_HOST": "127.0.0.1"},
            "stop_grace_period": f"{PODS[name]['spec'].get('terminationGracePeriodSeconds', 30)}s",
        }
        for name in OURS
    }
    postgres = {"POSTGRES_USER": "clr", "POSTGRES_DB": "clr", "POSTGRES_PASSWORD": "PASSWORD"}
    with (
        redis_of(CONTAINERS["clr-broker"], password=SECRETS["REDISCLI_AUTH"]) as broker,
        postgres_of({"environment": postgres}, postgres_url) as database,
    ):
        addresses = {
            "postgres:5432": database,
            "clr-broker:6379": broker,
            "s3://clr-tuner/": f"s3://{BUCKET}/",
        }
        running = Containers({"services": services}, folder, addresses=addresses, installed=installed)
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.timeout(300)
def test_the_programs_run_and_their_probes_hear_of_it(containers: Containers) -> None:
    migrated = containers.run("clr-migrate")
    assert migrated.returncode == 0, migrated.stderr
    probes = [
        CONTAINERS["clr-worker"][probe]["exec"]["command"] for probe in ("startupProbe", "livenessProbe")
    ]
    assert [containers.run("clr-worker", probe).returncode for probe in probes] == [1, 1], "none runs yet"
    containers.start("clr-api")
    containers.start("clr-worker")
    url = f"http://127.0.0.1:{containers.port}"

    with Client(url, SECRETS["CLR_ADMIN_KEY"], retry_s=0) as client:
        wait_until_ready(containers, client, workers=1)
        job = client.train("digits-mlp", {"policy": "fixed", "lr": 0.05}, num_steps=50)
        job.wait(timeout_s=patience(90))
        assert job.checkpoints()
        assert [containers.run("clr-worker", probe).returncode for probe in probes] == [0, 0]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = CONTAINERS["clr-api"][probe]["httpGet"]["path"]
            assert httpx2.get(f"{url}{path}").status_code == 200
    for program in ("clr-worker-1", "clr-api-1"):
        containers.stop(program)


def test_one_command_applies_every_manifest_but_the_gpus() -> None:
    text = (FOLDER / "kustomization.yaml").read_text()

    assert {*KUSTOMIZATION["resources"], "worker-gpu.yaml"} == MANIFESTS.keys()
    assert "# - worker-gpu.yaml" in text
    assert {
        document["metadata"].get("namespace", document["metadata"]["name"]) for document in DOCUMENTS
    } == {KUSTOMIZATION["namespace"]}


def test_every_variable_of_the_service_is_a_setting() -> None:
    settings = {f"CLR_{name.upper()}" for name in Settings.model_fields}

    for name in OURS:
        assert set(environment_of(name, SECRETS)) - OTHERS <= settings
    assert set(re.findall(r"\bCLR_\w+", "".join(file.read_text() for file in FOLDER.iterdir()))) - {
        "CLR_"
    } <= (settings)
    plain = {name.removeprefix("CLR_").lower(): value for name, value in SETTINGS.items() if "CLR_" in name}
    assert Settings.model_validate(plain)


def test_every_program_of_ours_comes_from_a_target_of_the_dockerfile() -> None:
    for name, target in OURS.items():
        assert CONTAINERS[name]["image"] == f"clr-tuner-{target}:{VERSION}"
        if name != "clr-migrate":
            assert CONTAINERS[name]["command"] == command_of("CMD", target)
    assert CONTAINERS["clr-migrate"]["command"] == ["clr-tuner", "migrate"]
    assert f"newTag: {VERSION}" in PAGE


def test_the_broker_is_the_one_of_compose() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["redis"]

    assert CONTAINERS["clr-broker"]["image"] == compose["image"]
    escaped = [word.replace("$", "$$") for word in CONTAINERS["clr-broker"]["command"]]
    assert escaped == compose["command"]


def test_the_probes_of_the_api_are_routes_that_want_no_key(tmp_path: Path) -> None:
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/clr.sqlite3"))
    open_to_all = {
        path
        for path, item in app.openapi()["paths"].items()
        if "get" in item and "401" not in item["get"]["responses"]
    }
    container = CONTAINERS["clr-api"]

    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]

    assert [probe["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
    assert {probe["path"] for probe in probes} <= open_to_all
    assert {probe["port"] for probe in probes} == {"http"}
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    assert environment_of("clr-api", SECRETS)["CLR_PORT"] == "8000"


@pytest.mark.parametrize("name", ["clr-worker", "clr-worker-gpu"])
def test_the_probe_that_starts_a_worker_is_the_health_check_of_its_image(name: str) -> None:
    start, live = (CONTAINERS[name][probe]["exec"]["command"] for probe in ("startupProbe", "livenessProbe"))

    assert start == command_of("HEALTHCHECK", "worker")
    assert live == [*start, "--alive"]


def test_each_program_gets_the_secrets_that_it_needs_and_no_others() -> None:
    assert secrets_of("clr-migrate").keys() == {"CLR_DATABASE_URL"}
    assert secrets_of("clr-broker").keys() == {"REDISCLI_AUTH"}
    assert f":{SECRETS['REDISCLI_AUTH']}@" in SECRETS["CLR_BROKER_URL"]
    assert secrets_of("clr-api").keys() == {"CLR_API_KEYS", *SECRETS} - {"REDISCLI_AUTH"}
    for worker in ("clr-worker", "clr-worker-gpu"):
        assert secrets_of(worker).keys() == SECRETS.keys() - {"CLR_ADMIN_KEY", "REDISCLI_AUTH"}
    for name in CONTAINERS:
        assert all(
            source["name"] == "clr-secrets" and source["key"] == variable
            for variable, source in secrets_of(name).items()
        )


def test_no_secret_stands_in_the_manifests() -> None:
    assert of_kind("Secret") == {}
    assert not re.search(
        r"://[^/\s]*@|password", "".join(file.read_text() for file in FOLDER.iterdir()), re.IGNORECASE
    )


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether Kubernetes' selector takes a pod with these labels."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
        if expression["operator"] == "In"
    )


def labels_of(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "clr-tuner", COMPONENT: component}


def callers(component: str, port: int | str) -> set[str]:
    """The pods of ours that the policies let call this port."""
    policies = [
        policy["spec"]
        for policy in of_kind("NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], labels_of(component))
    ]
    assert policies, f"nobody guards the {component}"
    rules = [rule for policy in policies for rule in policy.get("ingress", [])]
    return {
        name
        for name, pod in PODS.items()
        for rule in rules
        if {"port": port} in rule["ports"]
        and any(selects(peer["podSelector"], pod["metadata"]["labels"]) for peer in rule.get("from", []))
    }


def test_only_api_workers_and_the_migration_reach_the_database() -> None:
    assert callers("database", 5432) == set(OURS)
    assert "component: database" in PAGE


def test_only_api_and_workers_reach_the_broker() -> None:
    assert callers("broker", "redis") == set(OURS) - {"clr-migrate"}


def test_nobody_reaches_a_worker() -> None:
    for component in ("worker", "migrate"):
        guards = [
            policy["spec"]
            for policy in of_kind("NetworkPolicy").values()
            if selects(policy["spec"]["podSelector"], labels_of(component))
        ]
        assert [guard.get("ingress", []) for guard in guards] == [[]]
        assert guards[0]["policyTypes"] == ["Ingress"]


def test_every_selector_finds_its_own_pods_alone() -> None:
    for name, deployment in of_kind("Deployment").items():
        selector = deployment["spec"]["selector"]
        assert [pod for pod in PODS if selects(selector, PODS[pod]["metadata"]["labels"])] == [name]
    for name, service in of_kind("Service").items():
        selector = {"matchLabels": service["spec"]["selector"]}
        assert [pod for pod in PODS if selects(selector, PODS[pod]["metadata"]["labels"])] == [name]
        assert service["spec"]["ports"][0]["targetPort"] == CONTAINERS[name]["ports"][0]["name"]


@pytest.mark.parametrize("name", PODS)
def test_every_pod_has_bounds_and_no_rights(name: str) -> None:
    pod, container = PODS[name]["spec"], CONTAINERS[name]

    assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, "CLR_API_PORT and its like are no settings"
    if name in OURS:
        user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert user
        assert [pod["securityContext"][key] for key in ("runAsUser", "runAsGroup")] == [10001, 10001]


def test_one_worker_has_one_gpu_and_is_otherwise_as_the_others() -> None:
    gpu, cpu = PODS["clr-worker-gpu"]["spec"], PODS["clr-worker"]["spec"]

    assert CONTAINERS["clr-worker-gpu"]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert environment_of("clr-worker-gpu", SECRETS)["CLR_WORKER_SLOTS"] == "1"
    assert gpu["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert gpu["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert gpu.keys() - cpu.keys() == {"nodeSelector", "tolerations"}
    differ = [
        key
        for key in CONTAINERS["clr-worker"]
        if CONTAINERS["clr-worker-gpu"][key] != CONTAINERS["clr-worker"][key]
    ]
    assert differ == ["env", "resources"]


@pytest.mark.parametrize("name", ["clr-worker", "clr-worker-gpu"])
def test_a_worker_takes_as_many_threads_as_it_has_cores(name: str) -> None:
    threads = environment_of(name, SECRETS)["OMP_NUM_THREADS"]

    assert CONTAINERS[name]["resources"]["limits"]["cpu"] == threads


def test_the_check_refuses_a_mistake(tmp_path: Path) -> None:
    spoilt = tmp_path / "api.yaml"
    spoilt.write_text((FOLDER / "api.yaml").read_text().replace("replicas", "replica"))
    [line] = [line for line in (ROOT / "Makefile").read_text().splitlines() if "kubernetes-validate" in line]

    refused = subprocess.run(
        [BIN / "kubernetes-validate", "--strict", spoilt], capture_output=True, text=True, check=False
    )

    assert refused.returncode != 0
    assert "'replica' was unexpected" in refused.stdout + refused.stderr
    assert "--strict" in line
    assert "deploy/kubernetes/*.yaml" in line


def test_the_commands_of_the_page_name_what_is_there() -> None:
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))

    assert all(line.startswith("kubectl ") for line in commands.splitlines())
    for path in re.findall(r"-[fk] (\S+)", commands):
        assert (ROOT / path).exists(), path
    for kind, name in re.findall(r" (job|deployment|service)/(\S+)", commands):
        assert name in of_kind(kind.title()), name
    assert set(re.findall(r"--namespace (\S+)", commands)) == {KUSTOMIZATION["namespace"]}


def test_the_queue_scales_a_worker_that_is_there_by_metrics_that_are() -> None:
    [example] = [
        block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "ScaledObject" in block
    ]
    scaled = yaml.safe_load(example)
    [trigger] = scaled["spec"]["triggers"]
    metrics = (ROOT / "docs" / "metrics.md").read_text()

    assert scaled["spec"]["scaleTargetRef"]["name"] in of_kind("Deployment")
    assert set(re.findall(r"clr_\w+", trigger["metadata"]["query"])) <= set(re.findall(r"clr_\w+", metrics))
