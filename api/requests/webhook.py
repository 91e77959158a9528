"""What may be said of a webhook: where to call, and of what."""

from typing import Literal, get_args

from pydantic import ConfigDict, Field, field_validator

from api.examples.webhooks import WEBHOOK_REQUESTS
from api.requests.body import Body, Text

EventName = Literal["job.succeeded", "job.failed", "job.cancelled", "comparison.finished"]
EVENTS: list[EventName] = list(get_args(EventName))


class WebhookRequest(Body):
    """Where to call when a job or a comparison ends."""

    model_config = ConfigDict(json_schema_extra={"examples": WEBHOOK_REQUESTS})

    url: Text = Field(max_length=2000, pattern=r"^https?://[\x21-\x7e]+$", description="https://HOST/PATH")
    events: list[EventName] = Field(default=EVENTS, min_length=1, max_length=len(EVENTS))

    @field_validator("events")
    @classmethod
    def _once(cls, events: list[EventName]) -> list[EventName]:
        return list(dict.fromkeys(events))
