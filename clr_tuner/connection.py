"""One HTTP connection to the service, with the one policy of repeating requests.

Every request is safe to repeat (a create carries an Idempotency-Key), so every request is repeated while
the service restarts, and where it says when to ask again.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx2

from clr_tuner.address import is_loopback, parse, show
from clr_tuner.errors import ClientError, Refused, Unreachable

log = logging.getLogger(__name__)

ADVICE = "start a service with `clr-tuner serve`, or name yours with CLR_URL, or --url on the command line"
Answer = TypeVar("Answer")


class Connection:
    """Sends requests and turns what is not an answer into `clr_tuner.errors`. For the arguments see `Client`."""

    def __init__(self, base_url: str, *, api_key: str | None, timeout_s: float, retry_s: float) -> None:
        url, key = parse(base_url), (api_key or "").strip()
        if key and not all("!" <= character <= "~" for character in key):
            raise ValueError("the API key must be of visible ASCII characters alone")
        if key and url.userinfo:
            raise ValueError(
                "give an API key or a user in base_url, not both: one request carries one of them"
            )
        self.shown = show(base_url)
        self._root = f"{url.path.rstrip('/')}/"
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._http = httpx2.Client(
            base_url=url.copy_with(userinfo=b""),  # whoever logs an address logs no password
            auth=(url.username, url.password) if url.userinfo else None,
            headers={"Authorization": f"Bearer {key}"} if key else None,
            trust_env=not is_loopback(url.host),  # a proxy cannot reach our loopback
        )

    def once(self) -> "Connection":
        """The same connection for who repeats by himself."""
        other = copy(self)
        other._retry_s = 0.0
        return other

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def ping(self) -> None:
        """Ask once whether somebody is there; raises `Unreachable`."""
        self._send("GET", "/healthz", timeout=self._timeout_s)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET; query parameters that are None are left out."""
        return read_json(self.request("GET", path, query=query))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a POST."""
        return read_json(self.request("POST", path, body=body))

    def create(self, path: str, fields: Mapping[str, Any]) -> Any:
        """The JSON of a POST that makes one thing, however often it is sent; fields that are None are left out."""
        body = {name: value for name, value in fields.items() if value is not None}
        headers = {"Idempotency-Key": str(uuid4())}
        return read_json(self.request("POST", path, body=body, headers=headers))

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
        return self._repeat(lambda: self._send(method, path, **arguments))

    @contextmanager
    def stream(
        self, path: str, *, query: Mapping[str, Any], headers: Mapping[str, str], silence_s: float
    ) -> Iterator[httpx2.Response]:
        """A GET that is answered without end; `Unreachable` where nothing comes for so long."""
        arguments = {
            "params": {name: value for name, value in query.items() if value is not None},
            "headers": headers,
            "timeout": httpx2.Timeout(self._timeout_s, read=silence_s),
        }
        with ExitStack() as stack:
            yield self._repeat(lambda: stack.enter_context(self._stream("GET", path, **arguments)))

    def download(self, path: str, file: Path) -> None:
        """Write what a GET answers to `file` piece by piece; it is there when it is whole, and not before."""
        part = file.with_name(f".{file.name}.{uuid4()}.part")
        try:
            self._repeat(lambda: self._fetch(path, part))
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)

    def _repeat(self, send: Callable[[], Answer]) -> Answer:
        deadline = time.monotonic() + self._retry_s
        backoff_s, attempts = 0.25, 0
        while True:
            pause_s = backoff_s * random.uniform(0.5, 1.0)
            try:
                answer = send()
                if attempts:
                    log.warning("%s answers again", self.shown)
                return answer
            except Unreachable as unreachable:
                failure: Unreachable | Refused = unreachable
            except Refused as refused:
                if refused.status != 503 and (refused.status != 429 or refused.retry_after_s is None):
                    raise
                failure = refused
                pause_s = refused.retry_after_s or pause_s
            if time.monotonic() + pause_s > deadline:
                raise failure
            if not attempts:
                log.warning("%s: trying again, for up to %g s", str(failure).partition(";")[0], self._retry_s)
            attempts += 1
            time.sleep(pause_s)
            backoff_s = min(4.0, 2 * backoff_s)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        with self._stream(method, path, **arguments) as answer:
            answer.read()
        return answer

    def _fetch(self, path: str, file: Path) -> None:
        with self._stream("GET", path, timeout=self._timeout_s) as answer, file.open("wb") as output:
            for piece in answer.iter_bytes():
                output.write(piece)

    @contextmanager
    def _stream(self, method: str, path: str, **arguments: Any) -> Iterator[httpx2.Response]:
        """A good answer whose body is still to be read. `path`: ours, or a link, which base_url's path may begin."""
        if path.startswith(self._root):
            path = path[len(self._root) - 1 :]
        try:
            with self._http.stream(method, path, **arguments) as answer:
                if not answer.is_success:
                    answer.read()
                    raise Refused(answer.status_code, _read_problem(answer), retry_after(answer))
                yield answer
        except httpx2.RequestError as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise Unreachable(f"no answer from {self.shown}: {reason}; {ADVICE}") from error
        except UnicodeEncodeError as error:
            raise ClientError(f"{error.object!a} is no text that can be sent") from None
        except RuntimeError:
            if not self._http.is_closed:
                raise
            raise ClientError("this client was closed") from None


def path_of(*parts: str) -> str:
    """The path whose parts are spelled so, whatever they hold. Raises `ClientError` for an empty one."""
    if not all(parts):
        raise ClientError("the id is empty")
    return "".join(f"/{quote(part, safe='', errors='surrogateescape')}" for part in parts)


def read_json(answer: httpx2.Response) -> Any:
    """What an answer holds. Raises `ClientError` where it is none of our service's."""
    try:
        return answer.json()
    except ValueError:
        url = show(str(answer.url))
        raise ClientError(f"{url} answers, but with no JSON: is it clr-tuner that runs there?") from None


def retry_after(answer: httpx2.Response) -> float | None:
    """Seconds of the Retry-After header, which may hold a date; None when there is none that can be read."""
    header = answer.headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _read_problem(answer: httpx2.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except ValueError:  # not our service, or a proxy in front of it
        problem = None
    if isinstance(problem, dict):
        return problem
    return {"detail": f"HTTP {answer.status_code} {answer.reason_phrase}: {answer.text[:200]}"}
