"""One HTTP connection to the service, with the one policy of repeating requests.

Every request is safe to repeat (a create carries an Idempotency-Key), so every request is repeated while
the service restarts.
"""

import json
import random
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import httpx2

from client.errors import Refused, Unreachable


class Connection:
    """Sends requests and turns what is not an answer into `client.errors`. For the arguments see `Client`."""

    def __init__(self, base_url: str, *, api_key: str | None, timeout_s: float, retry_s: float) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url must start with http:// or https://, got {base_url!r}")
        self.base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._http = httpx2.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            trust_env=not is_loopback(httpx2.URL(base_url).host),  # a proxy cannot reach our loopback
        )

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def ping(self) -> None:
        """Ask once whether somebody is there; raises `Unreachable`."""
        self._once("GET", "/healthz", timeout=self._timeout_s)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET; query parameters that are None are left out."""
        return self.request("GET", path, query=query).json()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
    ) -> httpx2.Response:
        """Send a request until it is answered; raises `Refused` for 4xx and 5xx, `Unreachable`.

        wait_s: how long the service was asked to hold its answer.
        """
        arguments = {
            "params": {name: value for name, value in (query or {}).items() if value is not None},
            # NaN is sent as it is: the service names the field that holds it.
            "content": None if body is None else json.dumps(body),
            "headers": {"Content-Type": "application/json", **(headers or {})},
            "timeout": self._timeout_s + wait_s,
        }
        deadline = time.monotonic() + self._retry_s
        backoff_s = 0.25
        while True:
            pause_s = backoff_s * random.uniform(0.5, 1.0)
            try:
                return self._once(method, path, **arguments)
            except Unreachable as unreachable:
                failure: Unreachable | Refused = unreachable
            except Refused as refused:
                if refused.status != 503:
                    raise
                failure = refused
                pause_s = refused.retry_after_s or pause_s
            if time.monotonic() + pause_s > deadline:
                raise failure
            time.sleep(pause_s)
            backoff_s = min(4.0, 2 * backoff_s)

    def _once(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"no answer from {self.base_url}: {reason}") from error
        if not answer.is_success:
            raise Refused(answer.status_code, _problem(answer), retry_after(answer))
        return answer


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def retry_after(answer: httpx2.Response) -> float | None:
    """Seconds of the Retry-After header; None when there is none or it holds a date."""
    header = answer.headers.get("Retry-After", "")
    return float(header) if header.isdecimal() else None


def _problem(answer: httpx2.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except ValueError:  # not our service, or a proxy in front of it
        problem = None
    if isinstance(problem, dict):
        return problem
    return {"detail": f"HTTP {answer.status_code} {answer.reason_phrase}: {answer.text[:200]}"}
