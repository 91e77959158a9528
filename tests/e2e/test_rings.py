"""Whoever reaches the broker can push anything: the worker drops what is no ring, and goes on."""

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import redis

from store.doorbell import QUEUE
from tests.conftest import fresh_database
from tests.e2e.service import running_service, wait_for
from tests.services import broker_server


def encode(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


HEADERS: dict[str, Any] = {"lang": "py", "task": "claim", "id": "a-ring", "timelimit": [None, None]}
PROPERTIES: dict[str, Any] = {
    "body_encoding": "base64",
    "delivery_info": {"exchange": "", "routing_key": QUEUE},
    "delivery_tag": "a-tag",
}


def message(
    headers: object = HEADERS,
    properties: object = PROPERTIES,
    body: object = encode([[], {}, {}]),
    **more: str,
) -> bytes:
    content = {"content-type": "application/json", "content-encoding": "utf-8"} | more
    return json.dumps(content | {"headers": headers, "properties": properties, "body": body}).encode()


NO_RINGS = [
    *(b"garbage", b"", b"\xff\xfe\x00", b"[]", b"7", b"null", b"{}", b"[" * 100_000),
    message(body=None),
    message(body=7),
    message(body="!!!"),
    message(body=base64.b64encode(b"no JSON").decode()),
    message(
        body=base64.b64encode(pickle.dumps(((), {}, {}))).decode(),
        **{"content-type": "application/x-python-serialize", "content-encoding": "binary"},
    ),
    *(
        message(body=encode(body))
        for body in ([[1], {}, {}], [[], {"x": 1}, {}], {"a": 1}, 7, ["x", "y", "z"])
    ),
    *(message(headers=headers) for headers in (None, [1], {})),
    *(message(headers=HEADERS | {"task": task}) for task in ("os.system", 7, [])),
    *(message(headers=HEADERS | {"id": id}) for id in (None, [1], "a\n\x1b[31m", "x" * 10_000)),
]
ODD_RINGS = [
    message(properties={}),
    *(message(properties=PROPERTIES | {"delivery_info": info}) for info in (None, "x")),
    *(message(properties=PROPERTIES | {"delivery_tag": tag}) for tag in (None, [1])),
    message(properties=PROPERTIES | {"body_encoding": "rot13", "priority": "x"}),
    message(headers=HEADERS | {"timelimit": "no", "eta": "2999-01-01", "expires": {}, "compression": "nope"}),
    message(headers=HEADERS | {"group": [{}], "retries": "x", "root_id": {}}),
]


@pytest.mark.timeout(180)
def test_a_worker_outlives_whatever_lies_in_its_queue(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with (
        broker_server() as broker,
        fresh_database("sqlite", tmp_path, request) as url,
        running_service(url, broker.url, tmp_path) as (service, client),
        redis.Redis.from_url(broker.url) as queue,
    ):
        for content in NO_RINGS + ODD_RINGS:
            queue.lpush(QUEUE, content)
        wait_for(lambda: queue.llen(QUEUE) == 0)

        job = client.range_test("digits-mlp", num_seeds=1, num_steps=50, start_lr=1e-3, end_lr=1.0)
        job.wait(timeout_s=60)

        log = service.log_of("worker")
        assert log.count("dropped a message that is no ring") == len(NO_RINGS)
        assert "Traceback" not in log
        assert "\x1b" not in log
        assert service.processes["worker"].poll() is None
        assert not queue.keys("*pidbox*"), "nobody can command the worker through the broker"
