"""A real HTTP server on loopback that answers what a test wrote down."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

JOB_ID = "11111111-2222-3333-4444-555555555555"
JOB = f"/range-tests/{JOB_ID}"
TRAINING_ID = "66666666-7777-8888-9999-000000000000"
TRAINING = f"/training-jobs/{TRAINING_ID}"
COMPARISON_ID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
COMPARISON = f"/comparisons/{COMPARISON_ID}"
BOUNDS = {
    "base_lr": 0.01,
    "max_lr": 0.1,
    "constant_lr": 0.03,
    "base_lr_interval": [0.008, 0.012],
    "max_lr_interval": [0.09, 0.11],
    "rule_base": "first_rise",
    "rule_max": "peak",
    "reason_base": "The loss starts to fall here.",
    "reason_max": "The accuracy stops rising here.",
    "evidence": {
        "seeds": [{"seed": seed, "metric": "accuracy", "floor": 0.1, "peak": 0.9} for seed in range(3)]
    },
    "step_size": 120,
    "steps_per_epoch": 60.0,
    "candidates": [{"name": "valley", "lr": 0.02, "note": "fastai"}],
    "warnings": ["the seeds differ"],
    "snippet": "scheduler = ...",
}
CONFIRMATION = {
    "outcome": "adjusted",
    "metric": "accuracy",
    "margin": 0.05,
    "message": "max_lr x 2 was better beyond the noise",
    "tried": [
        {
            "label": label,
            "schedule": {"policy": policy, "base_lr": 0.01, "max_lr": 0.1},
            "seeds": list(range(3, 3 + len(finals))),
            "finals": finals,
            "mean": mean,
            "dropped_after": dropped_after,
        }
        for label, policy, finals, mean, dropped_after in (
            ("max_lr", "triangular", [0.89, 0.9, 0.9, 0.91], 0.9, None),
            ("max_lr x 2", "triangular", [0.94, 0.95, 0.95, 0.96], 0.95, None),
            ("one_cycle", "one_cycle", [None], None, 1),
        )
    ],
    "steps": 2720,
}
INCONCLUSIVE = {
    "code": "inconclusive",
    "why": "flat",
    "detail": "The loss never changes.",
    "next_experiment": {"message": "Raise end_lr to 10.", "request": {"end_lr": 10.0}},
    "candidates": [],
}


def job(status: str = "queued", **fields: Any) -> dict[str, Any]:
    """A range test as the service answers it."""
    links = {"self": JOB}
    return {
        "id": JOB_ID,
        "kind": "range_test",
        "status": status,
        "links": links,
        "config": {"num_seeds": 3},
    } | fields


def training(status: str = "queued", **fields: Any) -> dict[str, Any]:
    """A training job as the service answers it, waiting for the range test where `links` are not given."""
    links = {"self": TRAINING, "range_test": JOB}
    return job(status, id=TRAINING_ID, kind="training_job", links=links, result=None, warnings=[]) | fields


def comparison(status: str = "queued", **fields: Any) -> dict[str, Any]:
    """A comparison as the service answers it, before its first job ended."""
    progress = {"completed": 0, "total": 10, "unit": "jobs"}
    nothing = {"metric": None, "target": None, "test": TEST, "within_noise": [], "rows": [], "warnings": []}
    return {
        "id": COMPARISON_ID,
        "workload": "digits-mlp",
        "status": status,
        "progress": progress,
        "created_at": "2026-11-25T12:00:05.000000Z",
        "links": {"self": COMPARISON},
        **nothing,
    } | fields


def row(label: str, **fields: Any) -> dict[str, Any]:
    """A row of a comparison as the service answers it, the best one where nothing else is said."""
    return {
        "label": label,
        "schedule": {"policy": "fixed", "lr": 0.05},
        "optimizer": "SGD",
        "jobs": [f"{label[0]}{seed}" for seed in range(3)],
        "statuses": {"succeeded": 3},
        "final": {"mean": 0.98, "std": 0.001},
        "best": {"mean": 0.985, "std": 0.001},
        "num_steps": 688,
        "steps_to_target": 120.5,
        "reached": 3,
        "diverged": 0,
        "p_value": None,
        "within_noise": True,
    } | fields


TEST = "Welch's t-test over seeds"
LOST = {"p_value": 0.0123, "within_noise": False}
DIVERGED = {"final": None, "best": None, "steps_to_target": None, "reached": 0, "diverged": 3}
COMPARED = {
    "metric": "accuracy",
    "target": 0.95,
    "within_noise": ["CLR"],
    "rows": [
        row(
            "fixed",
            final={"mean": 0.95, "std": 0.002},
            best={"mean": 0.96, "std": None},
            steps_to_target=300.0,
            reached=2,
            **LOST,
        ),
        row("CLR"),
        row("wild", **DIVERGED, within_noise=False),
    ],
    "warnings": ["wild: 3 of 3 runs diverged"],
}


def cycle_end(cycle: int, step: int, **fields: Any) -> dict[str, Any]:
    """The end of a cycle as the service answers it."""
    return {"cycle": cycle, "step": step, "loss": 0.06, "accuracy": 0.985} | fields


TRAINED = {
    "schedule": {
        "policy": "triangular",
        "base_lr": 0.01,
        "max_lr": 0.1,
        "step_size": 86,
        "step_size_down": None,
    },
    "num_steps": 688,
    "steps_per_epoch": 43,
    "stopped_early": False,
    "final": cycle_end(4, 687),
    "best": cycle_end(3, 515, accuracy=0.9875),
}


def checkpoint(step: int, *, best: bool = False, cycle: int | None = 1) -> dict[str, Any]:
    """A checkpoint as the service lists it."""
    when = "2026-11-25T12:00:05.000000Z"
    return {"step": step, "cycle": cycle, "best": best, "size_bytes": 223_865, "created_at": when}


@dataclass
class Answer:
    """What the server says; `drop`: nothing, the connection is closed; `cut`: so much of it, and then the same."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    cut: int | None = None


@dataclass
class Request:
    """What the server heard; the names of headers in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Service:
    """Answers each route with its next answer; the last one is repeated."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self.answers("GET", "/healthz", Answer(body={}))
        for one in (job(), training()):
            self.answers("GET", f"/jobs/{one['id']}", Answer(body=one))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answers(self, method: str, path: str, *answers: Answer) -> None:
        """Lay down what a route says from now on."""
        self._answers[method, path] = list(answers)

    def heard(self, method: str, path: str) -> list[Request]:
        """Every request of a route, in order."""
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(
                    method=self.command,
                    path=url.path,
                    query=dict(parse_qsl(url.query)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=json.loads(body) if body else None,
                )
                service.requests.append(request)
                answers = service._answers.get(
                    (request.method, request.path), [Answer(404, {"detail": "no"})]
                )
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if answer.drop:
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: answer.cut])
                self.close_connection = answer.cut is not None

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()
