"""Lists page by page: a token names the last row of a page and what the list was narrowed to."""

import base64
import json
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from api.errors import Problem
from api.requests.body import Moment, Text, moment
from store.models import AuditEntry, Comparison, Job, Key
from store.search import Age
from store.status import Driver, Status

PAGE_SIZE, MAX_PAGE_SIZE = 50, 500
Item = TypeVar("Item")
Row = TypeVar("Row", Job, Comparison, Key, AuditEntry)


class Page(BaseModel, Generic[Item]):
    """Some of the items, newest first; `next_page_token` is null on the last page."""

    items: list[Item]
    next_page_token: str | None


class FoundPage(Page[Item]):
    """A page of a list that may be searched: fewer than `page_size` may be on a page that is not the last."""

    searched_to: Moment | None = Field(
        default=None, description="where the search stopped before the page was full; null: it did not"
    )


class Paging(BaseModel):
    """Which page of a list."""

    page_size: int = Field(default=PAGE_SIZE, ge=1, description=f"capped at {MAX_PAGE_SIZE}")
    page_token: str | None = Field(default=None, description="`next_page_token` of the page before")

    @property
    def limit(self) -> int:
        """The most items of a page."""
        return min(self.page_size, MAX_PAGE_SIZE)

    def _narrowing(self) -> list[str | None]:
        return []

    def after(self) -> Age | None:
        """The last (created_at, id) of the page before. Raises a 400 problem for a token that is not ours."""
        if self.page_token is None:
            return None
        try:
            created_at, job_id, *narrowing = json.loads(base64.urlsafe_b64decode(self.page_token))
            after = float(created_at), str(UUID(job_id))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise _bad_token("is not one that this service gave") from error
        if not math.isfinite(after[0]):
            raise _bad_token("is not one that this service gave")
        if narrowing != self._narrowing():
            raise _bad_token("belongs to a list with other filters")
        return after

    def page(self, rows: Sequence[Row]) -> tuple[list[Row], str | None]:
        """The rows of this page, out of up to `limit + 1`, and the token of the next one."""
        page = list(rows[: self.limit])
        return page, None if len(rows) <= self.limit else self._token((page[-1].created_at, page[-1].id))

    def found(
        self, rows: Sequence[Row], stopped_at: Age | None, show: Callable[[Row], Item]
    ) -> FoundPage[Item]:
        """The page of these rows, out of up to `limit + 1`, where a search may have stopped before it was full."""
        page, token = self.page(rows)
        searched_to = None
        if token is None and stopped_at is not None:
            token, searched_to = self._token(stopped_at), moment(stopped_at[0])
        return FoundPage(items=[show(row) for row in page], next_page_token=token, searched_to=searched_to)

    def _token(self, last: Age) -> str:
        return base64.urlsafe_b64encode(json.dumps([*last, *self._narrowing()]).encode()).decode()


class Searched(Paging):
    """What a list is searched for, and which page of it."""

    search: Text | None = Field(
        default=None,
        max_length=100,
        description="words, each somewhere in the name, the workload or a tag; or how the id begins",
    )

    @property
    def text(self) -> str:
        """Its words; empty where nothing is searched for."""
        return (self.search or "").strip()


class Filters(Searched):
    """What a list is narrowed to, and which page of it."""

    status: Status | None = None
    workload: Text | None = Field(default=None, max_length=200)
    tag: Text | None = Field(default=None, max_length=64)
    driver: Driver | None = Field(default=None, description="who measures")

    def _narrowing(self) -> list[str | None]:
        return [self.status, self.workload, self.tag, self.driver, self.search]


class ComparisonFilters(Searched):
    """What a list of comparisons is narrowed to, and which page of it."""

    status: Status | None = None
    workload: Text | None = Field(default=None, max_length=200)
    tag: Text | None = Field(default=None, max_length=64)
    range_test_id: Text | None = Field(default=None, max_length=36, description="whose bounds they confirm")

    def _narrowing(self) -> list[str | None]:
        return [self.status, self.workload, self.tag, self.range_test_id, self.search]


def _bad_token(why: str) -> Problem:
    return Problem(400, "bad_page_token", f"page_token {why}")


Filtered = Annotated[Filters, Query()]
