"""The doorbell: a message that says no more than "there may be a job", so that losing one loses nothing.

The database is the truth. Never more rings wait than jobs are queued, so a superfluous call is cheap.
"""

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

QUEUE = "jobs"
TASK = "claim"


def make_celery(broker_url: str) -> Celery:
    """The Celery app as producers and workers must both see it."""
    app = Celery("clr-tuner", broker=_checking(broker_url))
    app.conf.update(
        task_default_queue=QUEUE,
        task_queues=[Queue(QUEUE)],
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # for ever: after the default of 100 a worker would end
        broker_transport_options={
            "visibility_timeout": 86_400,
            "socket_connect_timeout": 2,
            "health_check_interval": 10,
        },
    )
    return app


def _checking(broker_url: str) -> str:
    """The URL with what kombu leaves out: over TLS the certificate is checked, unless the URL itself says otherwise."""
    if not broker_url.lower().startswith("rediss:") or "ssl_cert_reqs=" in broker_url:
        return broker_url
    return f"{broker_url}{'&' if '?' in broker_url else '?'}ssl_cert_reqs=required"


class Doorbell:
    """Rings the workers; used by one thread at a time. Broker errors are kombu's OperationalError."""

    def __init__(self, broker_url: str) -> None:
        self._celery = make_celery(broker_url)

    def ring(self, times: int, *, queued: int) -> None:
        """Send so many rings, but no more than there are queued jobs without a waiting one."""
        try:
            with self._celery.connection_for_write() as connection:
                waiting: int = Queue(QUEUE, channel=connection.default_channel).queue_declare().message_count
                for _ in range(min(times, queued - waiting)):
                    self._celery.send_task(TASK, connection=connection)
        except RedisError as error:  # kombu lets some through
            raise OperationalError(str(error)) from error

    def close(self) -> None:
        """Give every connection back."""
        self._celery.close()
