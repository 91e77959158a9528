"""The Python client: `Client("http://...").range_test("digits-mlp").wait().bounds()`.

Requests are repeated while the service restarts; a create carries an Idempotency-Key, so it makes one job.
"""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from client.connection import Connection
from client.job import Job

DEFAULT_URL = "http://127.0.0.1:8000"


class Client:
    """A connection to one service; use it as a context manager or `close` it.

    api_key: sent as a bearer token. timeout_s: of one answer. retry_s: how long a request is repeated while
    nobody answers or the service says 503 (its Retry-After is honoured); 0: once. One client may be used by
    several threads.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        retry_s: float = 30.0,
    ) -> None:
        self.connection = Connection(base_url, api_key=api_key, timeout_s=timeout_s, retry_s=retry_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()

    def range_test(
        self,
        workload: str,
        params: Mapping[str, Any] | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        num_seeds: int | None = None,
        **fields: Any,
    ) -> Job:
        """Queue a range test of a workload; what is None is left to the service.

        optimizer: a name, or {"name", its parameters}. fields: any other field of the request (`batch_size`,
        `seed`, `start_lr`, `end_lr`, `num_steps`, `effort`, `timeout_s`, `name`, `tags`).
        Raises `Refused` with the fields that are wrong.
        """
        if isinstance(optimizer, str):
            optimizer = {"name": optimizer}
        fields |= {"workload": workload, "params": params, "optimizer": optimizer, "num_seeds": num_seeds}
        body = {name: value for name, value in fields.items() if value is not None}
        headers = {"Idempotency-Key": str(uuid4())}
        return Job(
            self.connection,
            self.connection.request("POST", "/range-tests", body=body, headers=headers).json(),
        )

    def job(self, id: str) -> Job:
        """The range test of this id; raises `Refused` (404) when there is none."""
        return Job(self.connection, self.connection.get(f"/range-tests/{quote(id, safe='')}"))

    def range_tests(
        self,
        *,
        status: str | None = None,
        workload: str | None = None,
        tag: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[Job]:
        """Every range test, newest first, through all pages."""
        query = {"status": status, "workload": workload, "tag": tag, "page_size": page_size}
        page_token = None
        while True:
            page = self.connection.get("/range-tests", **query, page_token=page_token)
            yield from (Job(self.connection, item) for item in page["items"])
            page_token = page.get("next_page_token")
            if page_token is None:
                return

    def workloads(self) -> list[dict[str, Any]]:
        """What can be run: name, description, JSON Schema of its params, defaults."""
        return list(self.connection.get("/workloads")["items"])

    def workers(self) -> list[dict[str, Any]]:
        """Who runs it."""
        return list(self.connection.get("/workers")["items"])

    def ping(self) -> None:
        """Ask once whether somebody is there; raises `Unreachable`."""
        self.connection.ping()
