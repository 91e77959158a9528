"""The URLs of database, broker and artifacts: wrong ones are refused in a sentence, what is secret is not shown.

No sentence repeats the URL: where it is wrong, nobody can say which part of it is the password.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

DATABASES = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
BROKERS = ("redis", "rediss")
UNREADABLE = (
    "cannot be read as a URL: in a user's name and password write @ : / ? # [ ] % percent-encoded, @ as %40"
)
HARMLESS = frozenset({"host", "hostaddr", "port", "user", "dbname", "sslmode", "application_name"})
ARTIFACTS = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!\.{1,2}(/|$))[\w!.*'()-]+)*/?|file:///[^?#\s]*"
MASK = "***"


def check_database_url(url: str) -> str:
    """The URL, if it is one of a database that the service can use. Raises ValueError."""
    # Most commands of the client meet no such URL, and SQLAlchemy would be most of the time they take to start.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(UNREADABLE) from None
    if read.drivername not in DATABASES:
        raise ValueError("must start with postgresql+psycopg:// or sqlite:///")
    if "@" in (read.host or ""):
        raise ValueError(UNREADABLE)
    if read.drivername.startswith("sqlite") and (
        read.database in (None, "", ":memory:") or "uri" in read.query
    ):
        raise ValueError(
            "names no file: every process of the service must open the same one, sqlite:////PATH"
        )
    return url


def check_broker_url(url: str) -> str:
    """The URL, if a Redis or Valkey could have it. Raises ValueError."""
    from kombu.connection import Connection  # noqa: PLC0415 - as above

    if url.partition("://")[0].lower() not in BROKERS:
        raise ValueError("must start with redis:// or rediss://")
    try:
        read = urlsplit(url)
        user, password = read.username, read.password
        Connection(url)
    except ValueError:
        raise ValueError(UNREADABLE) from None
    except TypeError:
        raise ValueError("has a parameter that no broker knows, or twice what stands before it") from None
    if "@" in read.path + read.query + read.fragment:  # a password ended the host's part too early
        raise ValueError(UNREADABLE)
    if not re.fullmatch(r"/?\d*", read.path):
        raise ValueError("must end in the number of a database, such as /0")
    if user and not password:
        raise ValueError("names a user without a password; a password alone is redis://:PASSWORD@HOST")
    return url


def check_artifacts_url(url: str) -> str:
    """The URL, if files can be kept there. Raises ValueError."""
    if "@" in url and url.startswith("s3://"):
        raise ValueError("holds a user or a password: credentials are told by AWS_ACCESS_KEY_ID and the like")
    if not re.fullmatch(ARTIFACTS, url, re.ASCII):
        raise ValueError(
            "must be s3://BUCKET or s3://BUCKET/PREFIX, or file:///FOLDER with what is no letter percent-encoded"
        )
    return url


def masked(url: str) -> str:
    """The URL without password, a user that stands alone (it may be a token), and parameters that may be secret."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        return MASK if url else ""
    who, at, where = rest.rpartition("@")
    user, _, password = who.partition(":")
    where, hash, _ = where.partition("#")
    address, question, query = where.partition("?")
    shown = f"{scheme}://{user if password else ''}{':' if password else ''}{MASK}@" if at else f"{scheme}://"
    parameters = [_masked_parameter(parameter) for parameter in re.split("[&;]", query)]
    return shown + address + question + "&".join(parameters) + (f"#{MASK}" if hash else "")


def without_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a URL that cannot be secret."""
    return {name: value for name, value in parameters.items() if name in HARMLESS}


def _masked_parameter(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    if name in HARMLESS or not parameter:
        return parameter
    return f"{name}={MASK}" if value else MASK
