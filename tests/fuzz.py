"""`make fuzz`: Schemathesis asks a real service everything that its OpenAPI document allows, and much that it does not.

No answer may be a 5xx of ours, none undocumented, each as its schema says. The seed is fixed. Left out is the check
that whatever the schema allows is accepted: a rule between two fields is a 422 that no schema can tell.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

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


def main() -> int:
    """Run it; the exit code of Schemathesis."""
    with TemporaryDirectory() as folder, broker() as broker_url:
        url = f"sqlite:///{folder}/clr.sqlite3"
        upgrade(url)
        _publish(url)
        service = Service(url, broker_url, Path(folder), log_level="WARNING", api_keys=json.dumps([KEY]))
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
        fuzzed = Fuzzed(api, database)
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
    return subprocess.run(
        [program, "run", f"{url}/openapi.json", *options], cwd=folder, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
