"""Rings on a real broker: enough, and never more than there are jobs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu.entity import Queue
from kombu.exceptions import OperationalError

from store.doorbell import QUEUE, Doorbell, make_celery
from tests import certificates, services


@pytest.fixture
def quiet_broker() -> Iterator[str]:
    """A broker of its own, without rings."""
    with services.broker_server() as server:
        yield server.url


def rings(broker_url: str) -> int:
    with make_celery(broker_url).connection_for_write() as connection:
        count: int = Queue(QUEUE, channel=connection.default_channel).queue_declare().message_count
    return count


@pytest.mark.parametrize(
    ("asked", "expected"),
    [([(1, 1)], 1), ([(1, 1), (1, 1)], 1), ([(1, 1), (1, 2)], 2), ([(5, 3)], 3), ([(1, 0)], 0)],
)
def test_no_more_rings_wait_than_jobs_are_queued(
    quiet_broker: str, asked: list[tuple[int, int]], expected: int
) -> None:
    doorbell = Doorbell(quiet_broker)

    for times, queued in asked:
        doorbell.ring(times, queued=queued)
    doorbell.close()

    assert rings(quiet_broker) == expected


def test_a_brokers_certificate_is_checked_unless_its_url_says_otherwise(
    quiet_broker: str, tmp_path: Path
) -> None:
    certificates.make(tmp_path, "localhost")
    trusted, port = tmp_path / "clr.pem", services.free_port()
    tls = f"listen {port} ssl; ssl_certificate {trusted}; ssl_certificate_key {tmp_path}/clr.key;"
    before = f"proxy_pass {quiet_broker.split('/')[2]};"
    (tmp_path / "nginx.conf").write_text(f"events {{}} stream {{ server {{ {tls} {before} }} }}")
    url = f"rediss://localhost:{port}/0"

    def answers() -> None:
        redis.Redis("localhost", port, ssl=True, ssl_ca_certs=str(trusted)).ping()

    with services.nginx(tmp_path, url=url, answers=answers):
        for mistrusted in (url, f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={trusted}"):
            with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
                Doorbell(mistrusted).ring(1, queued=1)
        Doorbell(f"{url}?ssl_ca_certs={trusted}").ring(1, queued=2)
        Doorbell(f"{url}?ssl_cert_reqs=none").ring(1, queued=2)
    assert rings(quiet_broker) == 2
