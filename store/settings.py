"""The service's settings: environment variables with the prefix CLR_, read once by `get_settings`.

Every process of one service must see the same database and broker; the rest may differ per process.
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from store.addresses import check_artifacts_url, check_broker_url, check_database_url

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

PREFIX = "CLR_"
FORMER = {"CLR_SWEEP_S": "CLR_REAP_S"}  # old names of variables, read for one more release


def describe_former() -> Iterator[str]:
    """A sentence for each variable of the environment that is read by its old name."""
    for former, name in FORMER.items():
        if former in os.environ and name not in os.environ:
            yield f"{former} is called {name} now; the old name is read for one more release"


def _upper(name: object) -> object:
    return name.upper() if isinstance(name, str) else name


def _or_none(value: object) -> object:
    return None if value == "" else value


class Settings(BaseSettings):
    """One attribute per variable; the unit of a duration is in its name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    database_url: str = Field(
        default="",
        repr=False,  # it may hold a password, as the next one
        description="SQLAlchemy URL, `postgresql+psycopg://...`; empty: SQLite in the data directory",
    )
    broker_url: str = Field(
        default="",
        repr=False,
        description="`redis://...` of Redis or Valkey; empty: `serve` starts a Valkey of its own",
    )
    data_dir: Path = Field(default=Path("data"), description="where SQLite, datasets and checkpoints live")
    artifacts_url: str = Field(
        default="",
        description="where checkpoints live: `s3://BUCKET/PREFIX` or `file:///FOLDER`; empty: the data directory",
    )
    host: str = Field(default="127.0.0.1", description="address the API binds")
    port: int = Field(default=8000, ge=0, le=65535, description="port the API binds; 0: any free one")
    api_keys: list[Annotated[SecretStr, Field(min_length=8)]] = Field(
        default=[],
        description="JSON list of keys of 8 characters or more, of scope submit and project default",
    )
    admin_key: Annotated[Annotated[SecretStr, Field(min_length=16)] | None, BeforeValidator(_or_none)] = (
        Field(
            default=None,
            description="a key of 16 characters or more that may do everything, and makes others",
        )
    )
    key_queued_jobs: int = Field(
        default=5_000, ge=0, description="jobs that one key may have queued; 0: as many as it likes"
    )
    key_steps_a_day: int = Field(
        default=0,
        ge=0,
        description="steps of the jobs that one key asks for in 24 hours; 0: as many as it likes",
    )
    key_requests_a_minute: int = Field(
        default=6_000, ge=0, description="requests of one key to one API process; 0: as many as it likes"
    )
    failed_keys_a_minute: int = Field(
        default=30, ge=0, description="wrong keys from one address, then 429; 0: as many as it likes"
    )
    hosts: list[str] = Field(
        default=[],
        description="JSON list of names by which a service without keys is reached, beside localhost and loopback",
    )
    root_path: str = Field(
        default="",
        pattern=r"^(/[\w.~-]+)*$",
        description="the path before the API's own, where a proxy shows it to callers, as `/clr`",
    )
    forwarded_allow_ips: str = Field(
        default="",
        description="addresses or networks of proxies whose X-Forwarded-For and -Proto are believed, "
        "separated by commas; empty: nobody's",
    )
    max_body_bytes: int = Field(default=1_000_000, ge=1, description="largest accepted request body, bytes")
    request_timeout_s: float = Field(
        default=20.0,
        gt=0,
        description="a caller sends the head of a request, and then its body, within this each, seconds",
    )
    idle_timeout_s: float = Field(
        default=30.0, gt=0, description="a connection without a request for this long is closed, seconds"
    )
    max_connections: int = Field(
        default=800, ge=1, description="connections of one API process; it needs as many open files"
    )
    max_steps: int = Field(
        default=1_000_000, ge=1, description="most steps one job may ask for, all seeds together"
    )
    pool_processes: int = Field(
        default=2, ge=1, description="processes that draw pictures and write curves and long previews"
    )
    pool_queue: int = Field(
        default=64, ge=0, description="requests that may wait for one of them; more are answered 503"
    )
    worker_slots: int = Field(default=1, ge=1, description="jobs one worker runs side by side")
    lease_s: float = Field(
        default=30.0, gt=0, description="a running job not renewed for this long is lost, seconds"
    )
    client_lease_s: float = Field(
        default=300.0,
        gt=0,
        description="a run that a caller measures is another's after such a silence, seconds",
    )
    client_idle_days: float = Field(
        default=1.0, gt=0, description="a job whose caller is silent for this long is cancelled, days"
    )
    reap_s: float = Field(
        default=10.0, gt=0, description="pause between two looks for lost workers and lost rings, seconds"
    )
    watch_s: float = Field(
        default=0.5, gt=0, description="pause between two looks of a worker at its children, seconds"
    )
    cancel_grace_s: float = Field(
        default=3.0, ge=0, description="a cancelling job is killed after this long, seconds"
    )
    stall_timeout_s: float = Field(
        default=300.0, gt=0, description="a job without a new step for this long is killed, seconds"
    )
    checkpoint_s: float = Field(
        default=30.0, gt=0, description="a training job writes a checkpoint at least this often, seconds"
    )
    max_attempts: int = Field(default=3, ge=1, description="claims of one job before a lost worker fails it")
    keep_days: float | None = Field(
        default=None,
        gt=0,
        description="finished jobs and comparisons are removed after so long, days; unset: never",
    )
    keep_days_by_tag: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default={},
        description='JSON, as `{"nightly": 7}`: days for what has this tag, instead of `CLR_KEEP_DAYS`; of several the '
        "longest",
    )
    webhook_private: bool = Field(
        default=False, description="webhooks may lead to private and loopback addresses, and by plain http"
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
    ] = Field(default="INFO", description="`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`")
    log_format: Literal["text", "json"] = Field(
        default="text", description="`text`, or `json`: one object a line"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller says, then variables, then variables under their old names."""
        former = {
            name.removeprefix(PREFIX).lower(): os.environ[old]
            for old, name in FORMER.items()
            if old in os.environ
        }
        return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=former)

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: str) -> str:
        return check_database_url(url) if url else url

    @field_validator("broker_url")
    @classmethod
    def _check_broker_url(cls, url: str) -> str:
        return check_broker_url(url) if url else url

    @field_validator("artifacts_url")
    @classmethod
    def _check_artifacts_url(cls, url: str) -> str:
        return check_artifacts_url(url) if url else url

    @field_validator("data_dir")
    @classmethod
    def _find_home(cls, data_dir: Path) -> Path:
        return data_dir.expanduser() if data_dir.parts[:1] == ("~",) else data_dir  # as no shell did it

    @property
    def resolved_database_url(self) -> "URL":
        """`database_url`, or SQLite's file in the data directory: built, as a folder's name may hold anything."""
        from sqlalchemy.engine import URL, make_url  # noqa: PLC0415 - as in store/addresses.py

        if self.database_url:
            return make_url(self.database_url)
        return URL.create("sqlite", database=str(self.data_dir.resolve() / "clr.sqlite3"))

    @property
    def database_file(self) -> Path | None:
        """SQLite's file; None where the database is Postgres."""
        url = self.resolved_database_url
        return Path(str(url.database)) if url.drivername.startswith("sqlite") else None


@lru_cache
def get_settings() -> Settings:
    """The settings of this process."""
    return Settings()
