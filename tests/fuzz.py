"""`make fuzz`: Schemathesis asks a real service everything that its OpenAPI document allows, and much that it does not.

No answer may be a 5xx of ours, none undocumented, each as its schema says, and every operation succeeds at
least once. The seed is fixed. Left out is the check that whatever the schema allows is accepted: a rule between two
fields is a 422 that no schema can tell.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import httpx2

from migrations.schema import upgrade
from store import workers, workloads
from store.database import Database
from store.workers import WorkerInfo
from tests.api.conftest import WORKLOAD
from tests.e2e.service import Service
from tests.fuzzed import Fuzzed
from tests.services import broker

SEED = 16
KEY = "a-key-to-fuzz-with"  # without one, Schemathesis makes up its own, and most of what it asks is a 401
EXAMPLES = 30  # of each operation and phase
NAMES = ("digits", "digits-mlp", "digits-cnn")  # as in the document's examples
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)

# A fast machine asks more than a key may, and is told 429 instead of what was to be seen.
UNLIMITED = {"key_requests_a_minute": 0, "failed_keys_a_minute": 0}


def main() -> int:
    """Run it; the exit code of Schemathesis."""
    with TemporaryDirectory() as folder, broker() as broker_url:
        url = f"sqlite:///{folder}/clr.sqlite3"
        upgrade(url)
        _publish(url)
        service = Service(
            url,
            broker_url,
            Path(folder),
            log_level="WARNING",
            admin_key=KEY,
            webhook_private="true",
            **UNLIMITED,
        )
        service.start("api")
        try:
            service.wait_until_ready()
            _fill(url, service.url, Path(folder))
            return _attack(service.url, folder)
        finally:
            service.stop()
            sys.stderr.write(service.log_of("api")[-3000:])


def _publish(url: str) -> None:
    """A catalogue, as a worker would have left it."""
    database = Database(url)
    with database.write() as session:
        workloads.publish(session, [WORKLOAD | {"name": name} for name in NAMES])
        worker = WorkerInfo(id="w", hostname="host", pid=1, slots=1, device="cpu")
        workers.publish(session, worker, list(NAMES))
    database.close()


def _fill(database_url: str, url: str, folder: Path) -> None:
    """Jobs to ask about: of an id that nobody has, every route knows one answer."""
    database = Database(database_url)
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as api:
        fuzzed = Fuzzed(api, database, folder / "data-api")
        fuzzed.fill()
    database.close()
    fuzzed.write(folder / "schemathesis.toml")


def _attack(url: str, folder: str) -> int:
    program = Path(sys.executable).with_name("schemathesis")
    options = ["--checks", ",".join(CHECKS), "--seed", str(SEED)]
    options += [
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--max-examples",
        str(EXAMPLES),
        "--no-shrink",
    ]
    options += ["--continue-on-failure", "--request-timeout", "30", "--suppress-health-check", "all"]
    options += ["--generation-database", "none", "--warnings", "off"]
    options += ["--header", f"Authorization: Bearer {KEY}"]
    options += ["--exclude-path-regex", "/events$"]  # streams, of which one has no end
    options += ["--report", "har", "--report-har-path", "asked.har"]
    failed = subprocess.run(
        [program, "run", f"{url}/openapi.json", *options], cwd=folder, check=False
    ).returncode
    document = httpx2.get(f"{url}/openapi.json").json()
    never = list_never_succeeded(document, json.loads(Path(folder, "asked.har").read_text()))
    sys.stdout.write("".join(f"never succeeded: {told}\n" for told in never) or "every operation succeeded\n")
    return failed or bool(never)


def list_never_succeeded(document: dict[str, Any], har: dict[str, Any]) -> list[str]:
    """Each operation that was never answered with 2xx, with how often it was answered how."""
    answers: dict[tuple[str, str], Counter[int]] = {
        (method.upper(), path): Counter()
        for path, operations in document["paths"].items()
        for method in operations
        if not path.endswith("/events")
    }
    patterns = {path: re.compile(re.sub(r"\\{[^{}]+\\}", "[^/]+", re.escape(path))) for _, path in answers}
    for entry in har["log"]["entries"]:
        asked = urlsplit(entry["request"]["url"]).path
        for path in sorted(patterns, key=lambda path: path.count("{")):  # /plot.svg is no /{format}
            if patterns[path].fullmatch(asked) and (entry["request"]["method"], path) in answers:
                answers[entry["request"]["method"], path][entry["response"]["status"]] += 1
                break
    return [
        f"{method} {path}: {dict(sorted(statuses.items()))}"
        for (method, path), statuses in answers.items()
        if not any(200 <= status < 300 for status in statuses)
    ]


if __name__ == "__main__":
    sys.exit(main())
