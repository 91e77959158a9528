"""What `make fuzz` asks about: jobs of each kind, ended, queued and measured by a caller; and what it may spend."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from store import checkpoints, runs
from store.checkpoints import FOLDER, NewCheckpoint
from store.database import Database
from store.status import Outcome
from tests.api.lifecycle import BOUNDS, INCONCLUSIVE, claim, finish, measure
from tests.api.test_training_jobs import PLAN, RATES, RESULT

SHARE = 0.8  # of the ids asked for are of something that is there
SPENT = 5  # of each kind, for what cancels and deletes
OPERATIONS = """
[[operations]]
include-path-regex = '^/{path}/\\{{id\\}}(?!/cancel|/ask|/sweeps/|/checkpoints/)'
exclude-method = ["DELETE"]
parameters = {{ "path.id" = {{ dictionary = "kept-{path}", probability = {share} }} }}

[[operations]]
include-path-regex = '^/{path}/\\{{id\\}}(/cancel)?$'
exclude-method = ["GET"]
parameters = {{ "path.id" = {{ dictionary = "spent-{path}", probability = {share} }} }}
"""
RUN = """
[[operations]]
include-path-regex = '^/{path}/\\{{id\\}}.*/{what}$'
[operations.parameters]
"path.id" = "{id}"
"path.number" = 0
{body}
"""
BODIES = {  # of what a caller says of its run: fields with what they hold mostly
    "ask": {"client_id": "me"},
    "points": {"token": "token-{id}", "from_step": "first"},
    "finish": {"token": "token-{id}"},
}
HOOKS = """
[[operations]]
include-operation-id = "create_webhook"
phases.examples.enabled = false
phases.coverage.enabled = false
parameters = { "body.url" = { dictionary = "urls", probability = 1.0 } }
"""
NOBODY = "http://127.0.0.1:9/hook"  # listens there
CHECKPOINT = """
[[operations]]
include-path-regex = '/checkpoints/'
parameters = {{ "path.id" = "{id}", "path.step" = {{ dictionary = "steps", probability = {share} }} }}
"""
STEP = 79


@dataclass(slots=True)
class Ids:
    """Of one path. kept: nothing cancels or deletes these."""

    kept: list[str] = field(default_factory=list)
    spent: list[str] = field(default_factory=list)


class Fuzzed:
    """A service with something in it; the test plays the worker."""

    def __init__(self, api: httpx2.Client, database: Database, folder: Path) -> None:
        """folder: the data directory of the service."""
        self._api, self._database, self._folder = api, database, folder
        self._runs: list[tuple[str, str, str, str]] = []  # path, what is said of it, id and token
        self._trained = ""
        paths = ("range-tests", "training-jobs", "comparisons", "jobs", "webhooks", "keys")
        self._ids = {path: Ids() for path in paths}

    def fill(self) -> None:
        """Make jobs of every kind, in every state that a reader may find."""
        self._test(Outcome.BOUNDS_FOUND, BOUNDS)
        self._test(Outcome.INCONCLUSIVE, INCONCLUSIVE)
        self._train()
        entries = [{"schedule": RATES}, {"schedule": {"policy": "fixed", "lr": 0.1}}]
        asked: dict[str, dict[str, Any]] = {
            "range-tests": {},
            "training-jobs": {"schedule": RATES, "num_steps": 80},
            "comparisons": {"entries": entries, "num_steps": 80},
        }
        for path, fields in asked.items():
            self._ids[path].kept.append(self._create(path, workload="digits", **fields))
            self._ids[path].spent += [self._create(path, workload="digits", **fields) for _ in range(SPENT)]
        for path, body in {"webhooks": {"url": NOBODY}, "keys": {"name": "spent"}}.items():
            made = [self._api.post(f"/{path}", json=body).json()["id"] for _ in range(SPENT + 1)]
            self._ids[path] = Ids(made[:1], made[1:])
        for path in ("range-tests", "training-jobs"):
            for what in BODIES:  # a job each: what is said by one would end it for another
                self._give(path, what)
            self._ids["jobs"].kept += self._ids[path].kept

    def write(self, path: Path) -> None:
        """Tell Schemathesis."""
        text = '[parameters]\n"query.wait_s" = 0.1\n'  # no long polls
        known: dict[str, Sequence[object]] = {"first": [0], "steps": [STEP], "me": ["me"], "urls": [NOBODY]}
        for name, ids in self._ids.items():
            known |= {f"kept-{name}": ids.kept, f"spent-{name}": ids.spent or ids.kept}
            text += OPERATIONS.format(path=name, share=SHARE)
        for name, what, id, token in self._runs:
            bound = [(field, words.format(id=id)) for field, words in BODIES[what].items()]
            lines = [
                f'"body.{field}" = {{ dictionary = "{words}", probability = {SHARE} }}'
                for field, words in bound
            ]
            text += RUN.format(path=name, what=what, id=id, body="\n".join(lines))
            known |= {f"token-{id}": [token]}
        text += HOOKS
        text += CHECKPOINT.format(id=self._trained, share=SHARE)
        text += "".join(f"\n[dictionaries.{name}]\nvalues = {values}\n" for name, values in known.items())
        path.write_text(text)

    def _create(self, path: str, **body: Any) -> str:
        answer = self._api.post(f"/{path}", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def _test(self, outcome: Outcome, result: dict[str, Any]) -> None:
        job_id = self._create("range-tests", workload="digits")
        assert claim(self._database) == job_id
        measure(self._database, job_id, [2.0 / (step + 1) for step in range(100)])
        with self._database.write() as session:
            runs.finish_run(session, job_id, sweep=1, seed=0)
        finish(self._database, job_id, outcome, result)
        self._ids["range-tests"].kept.append(job_id)

    def _train(self) -> None:
        job_id = self._create("training-jobs", workload="digits", schedule=RATES)
        assert claim(self._database) == job_id
        with self._database.write() as session:
            runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)
            rows = [(step, 0.05, 1 / (step + 1)) for step in range(80)]
            runs.append(session, job_id, sweep=0, seed=0, series="train", rows=rows)
            runs.finish_run(session, job_id, sweep=0, seed=0)
            where = {"path": f"{FOLDER}/{job_id}/1/step-{STEP}.pt", "hostname": "gpu-box"}
            new = NewCheckpoint(step=STEP, size_bytes=4, cycle=2, best=True, **where)
            checkpoints.publish(session, job_id, 1, new)
        file = self._folder / where["path"]
        file.parent.mkdir(parents=True)
        file.write_bytes(b"four")
        self._trained = job_id
        finish(self._database, job_id, Outcome.TRAINED, RESULT)
        self._ids["training-jobs"].kept.append(job_id)

    def _give(self, path: str, what: str) -> None:
        """A job that a caller measures, which holds its first run."""
        mine: dict[str, Any] = {"driver": "client", "name": "mine", "optimizer": {"name": "SGD"}}
        mine |= {"schedule": RATES, "num_steps": 80} if path == "training-jobs" else {"steps_per_epoch": 40}
        job_id = self._create(path, batch_size=32, **mine)
        asked = self._api.post(f"/{path}/{job_id}/ask", json={"client_id": "me"})
        assert asked.status_code == 200, asked.text
        token, told = asked.json()["lease"]["token"], asked.json()
        if what == "finish":
            rows = {
                "token": token,
                "from_step": 0,
                "loss": [1.0] * len((told.get("sweep") or told["rates"])["lr"]),
            }
            assert self._api.put(f"/{path}/{job_id}/sweeps/0/points", json=rows).status_code == 200
        self._runs.append((path, what, job_id, token))
        self._ids[path].kept.append(job_id)
