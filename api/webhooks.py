"""Webhooks over HTTP: who is called when a job or a comparison ends, and how the calls went."""

from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from api.errors import invalid
from api.jobs import JobId
from api.openapi import carrying, responses
from api.outgoing import may_be_called
from api.requests.body import Moment, moment, require_json
from api.requests.webhook import WebhookRequest
from api.root import rooted
from api.security import ResourcesDep
from store import webhooks
from store.models import Delivery, Webhook
from store.webhooks import Event

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class WebhookView(BaseModel):
    """Where is called, and of what."""

    id: str
    url: str
    events: list[str]
    created_at: Moment
    links: dict[str, str]

    @classmethod
    def of(cls, webhook: Webhook, **more: str) -> Self:
        """The answer for a row."""
        path = rooted(f"/webhooks/{webhook.id}")
        links = {"self": path, "deliveries": f"{path}/deliveries"}
        fields = {name: getattr(webhook, name) for name in ("id", "url", "events")}
        return cls(**fields | {"created_at": moment(webhook.created_at), "links": links} | more)


class NewWebhookView(WebhookView):
    """A webhook with its secret, which is shown this once."""

    secret: str = Field(description="checks the signature of a call, with any library of Standard Webhooks")


class DeliveryView(BaseModel):
    """One call: how it stands, and how its last attempt went."""

    id: str = Field(description="the header `webhook-id` of every attempt")
    event: str
    job_id: str | None
    comparison_id: str | None
    status: str = Field(description="pending, delivered or failed")
    attempts: int
    answer: int | None = Field(description="the status that the last attempt was answered with")
    message: str | None = Field(description="how that answer begins, or why there was none")
    created_at: Moment
    next_attempt_at: Moment | None
    finished_at: Moment | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """The answer for a row."""
        names = ("id", "event", "job_id", "comparison_id", "status", "attempts", "answer", "message")
        times = ("created_at", "next_attempt_at", "finished_at")
        return cls(
            **{name: getattr(delivery, name) for name in names}
            | {name: moment(getattr(delivery, name)) for name in times}
        )


class WebhookList(BaseModel):
    """All of them, oldest first."""

    items: list[WebhookView]


class DeliveryList(BaseModel):
    """The newest hundred, newest first."""

    items: list[DeliveryView]


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(require_json)],
    responses=responses(400, 409, 413, 415, 422, _201=carrying("Location")),
)
def create_webhook(resources: ResourcesDep, body: WebhookRequest, response: Response) -> NewWebhookView:
    """Have a URL called when a job or a comparison ends, signed with the secret of this answer."""
    _check_url(body.url, private=resources.settings.webhook_private)
    with resources.database.write() as session:
        webhook = webhooks.create(session, url=body.url, events=body.events)
    view = NewWebhookView.of(webhook, secret=webhook.secret)
    response.headers["Location"] = view.links["self"]
    return view


def _check_url(url: str, *, private: bool) -> None:
    """Raise a 422 problem for what can be seen to be wrong; where a name leads is checked at every call."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise invalid("/url", "must be a URL, as https://example.org/path")
    if parts.username is not None or parts.fragment:
        raise invalid("/url", "must have no user and no fragment: calls are signed instead")
    if private:
        return
    if parts.scheme != "https":
        raise invalid("/url", "must begin with https://; http needs the service's CLR_WEBHOOK_PRIVATE")
    try:
        address = ip_address(host)
    except ValueError:
        return
    if not may_be_called(address):
        raise invalid("/url", "is a private address, which needs the service's CLR_WEBHOOK_PRIVATE")


@router.get("")
def list_webhooks(resources: ResourcesDep) -> WebhookList:
    """All of them, without their secrets."""
    with resources.database.read() as session:
        return WebhookList(items=[WebhookView.of(webhook) for webhook in webhooks.find(session)])


@router.get("/{id}", responses=responses(404))
def get_webhook(resources: ResourcesDep, webhook_id: JobId) -> WebhookView:
    """One, without its secret."""
    with resources.database.read() as session:
        return WebhookView.of(webhooks.get(session, webhook_id))


@router.delete("/{id}", status_code=204, responses=responses(404))
def delete_webhook(resources: ResourcesDep, webhook_id: JobId) -> None:
    """Call it no more; what was not delivered yet is not."""
    with resources.database.write() as session:
        webhooks.remove(session, webhook_id)


@router.post("/{id}/test", status_code=202, responses=responses(404))
def test_webhook(resources: ResourcesDep, webhook_id: JobId) -> DeliveryView:
    """Call it now, with the event `webhook.test`; its deliveries tell how that went."""
    with resources.database.write() as session:
        webhooks.get(session, webhook_id)
        return DeliveryView.of(webhooks.add(session, webhook_id, Event.TEST))


@router.get("/{id}/deliveries", responses=responses(404))
def list_deliveries(resources: ResourcesDep, webhook_id: JobId) -> DeliveryList:
    """How its calls went."""
    with resources.database.read() as session:
        found = webhooks.deliveries_of(session, webhook_id)
        return DeliveryList(items=[DeliveryView.of(delivery) for delivery in found])
