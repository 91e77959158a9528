"""URLs with secrets in every place: shown without them, or refused without repeating them."""

import pytest
from pydantic import ValidationError

from store.addresses import masked
from store.settings import Settings

SECRET = "hunter22"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://clr:hunter22@db:5432/clr", "postgresql+psycopg://clr:***@db:5432/clr"),
        ("postgresql+psycopg://clr:hunter22%40@db/clr", "postgresql+psycopg://clr:***@db/clr"),
        ("postgresql+psycopg://clr:a/hunter22@db/clr", "postgresql+psycopg://clr:***@db/clr"),
        ("postgresql+psycopg://hunter22@db/clr", "postgresql+psycopg://***@db/clr"),
        (
            "postgresql+psycopg:///clr?host=/run/pg&user=u&password=hunter22",
            "postgresql+psycopg:///clr?host=/run/pg&user=u&password=***",
        ),
        (
            "postgresql+psycopg://u:hunter22@db/clr?sslmode=require&sslpassword=hunter22&options=hunter22",
            "postgresql+psycopg://u:***@db/clr?sslmode=require&sslpassword=***&options=***",
        ),
        ("redis://:hunter22@localhost:6379/0", "redis://:***@localhost:6379/0"),
        ("redis://u:hunter22@localhost:6379/0", "redis://u:***@localhost:6379/0"),
        ("redis://localhost/0?anything=hunter22#hunter22", "redis://localhost/0?anything=***#***"),
        ("redis://hunter22:@localhost/0", "redis://***@localhost/0"),
        ("hunter22", "***"),
        ("s3://key:hunter22@bucket/prefix", "s3://key:***@bucket/prefix"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("sqlite:////var/lib/clr.sqlite3", "sqlite:////var/lib/clr.sqlite3"),
        ("", ""),
    ],
)
def test_a_secret_is_masked_wherever_it_stands(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert SECRET not in masked(url)


@pytest.mark.parametrize(
    ("setting", "url", "why"),
    [
        ("broker_url", "redis://:a[hunter22@localhost:6379/0", "percent-encoded"),
        ("broker_url", "redis://:a#hunter22@localhost:6379/0", "percent-encoded"),
        ("broker_url", "redis://:a/hunter22@localhost:6379/0", "percent-encoded"),
        ("broker_url", "redis://localhost:hunter22/0", "percent-encoded"),
        ("broker_url", "redis://localhost/0?password=hunter22", "parameter"),
        ("broker_url", "redis://hunter22@localhost/0", "without a password"),
        ("broker_url", "amqp://u:hunter22@localhost", "must start with redis://"),
        ("broker_url", "hunter22", "must start with redis://"),
        ("broker_url", "unix://:hunter22@/run/redis", "must start with redis://"),
        ("broker_url", "sentinel://a:1;sentinel://:hunter22@b:2", "must start with redis://"),
        ("broker_url", "redis:hunter22", "must start with redis://"),
        ("broker_url", "redis://localhost/hunter22", "number of a database"),
        ("database_url", "postgresql+psycopg://u:a@hunter22@db/clr", "percent-encoded"),
        ("database_url", "postgresql+psycopg://u:p@db:hunter22/clr", "percent-encoded"),
        ("database_url", "postgres://u:hunter22@db/clr", r"postgresql\+psycopg://"),
        ("database_url", "hunter22", "percent-encoded"),
        ("database_url", "sqlite://", "names no file"),
        ("artifacts_url", "s3://key:hunter22@bucket/prefix", "AWS_ACCESS_KEY_ID"),
        ("artifacts_url", "s3://bucket/prefix?secret=hunter22", "must be s3://BUCKET"),
        ("artifacts_url", "s3://bucket/../hunter22", "must be s3://BUCKET"),
        ("artifacts_url", "s3://bucket//hunter22", "must be s3://BUCKET"),
        ("artifacts_url", "s3://", "must be s3://BUCKET"),
        ("artifacts_url", "https://bucket/hunter22", "must be s3://BUCKET"),
        ("artifacts_url", "file://host/hunter22", "must be s3://BUCKET"),
        ("artifacts_url", "hunter22", "must be s3://BUCKET"),
        ("database_url", "sqlite:///file::memory:?uri=true", "names no file"),
    ],
)
def test_a_wrong_url_is_refused_in_a_sentence_that_does_not_repeat_it(
    setting: str, url: str, why: str
) -> None:
    with pytest.raises(ValidationError, match=why) as refused:
        Settings.model_validate({setting: url})

    assert refused.value.errors()[0]["loc"] == (setting,)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://h:6379/0", "redis://:p%40ss@h/0", "rediss://u:p@h/0"])
def test_a_brokers_url_is_taken_as_it_is(url: str) -> None:
    assert Settings(broker_url=url).broker_url == url
