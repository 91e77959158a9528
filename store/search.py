"""Text by which lists are searched: words of a name, a workload or tags, or how an id begins.

A word may stand anywhere in them, which no index finds that both databases have: so a search looks through a number of
rows of a list, newest first, and says where it stopped. Case is that of A to Z alone, as SQLite has it.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, exists, func, literal_column, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from store.callers import EVERY_PROJECT
from store.models import Comparison, Job

LOOKED_THROUGH = 10_000  # rows of one list in one answer: 10 to 30 ms of Postgres or SQLite
ID_BEGINS = re.compile("[0-9a-f]{8}[0-9a-f-]{0,28}")  # as much as pages show of one, or more

Age = tuple[float, str]  # (created_at, id), by which lists are ordered
AgeColumns = tuple[InstrumentedAttribute[float], InstrumentedAttribute[str]]
Table = type[Job] | type[Comparison]


def narrow(
    session: Session, lists: Sequence[Select[Any]], text: str, table: Table, age: AgeColumns
) -> tuple[list[Select[Any]], Age | None]:
    """These lists, newest first by `age`, with what is like the text, and the last row that is looked at.

    None: there is nothing behind it. An id that begins so is found wherever it is.
    """
    if known := _begins_ids(session, text, table):
        return [each.where(table.id.in_(known)) for each in lists], None
    nth = (each.with_only_columns(*age).offset(LOOKED_THROUGH - 1).limit(1) for each in lists)
    ends = ((row[0], row[1]) for each in nth if (row := session.execute(each).first()))
    end = max(ends, default=None)
    lists = [each.where(_has_words(session, text, table)) for each in lists]
    return lists if end is None else [each.where(tuple_(*age) >= end) for each in lists], end


def _begins_ids(session: Session, text: str, table: Table) -> list[str]:
    """The ids that begin so; none where the text is too short for one."""
    if not ID_BEGINS.fullmatch(text):
        return []
    begun = select(table.id).where(table.id >= text, table.id < text + "g").limit(100)
    return list(session.scalars(begun, execution_options=EVERY_PROJECT))  # the list itself is the caller's


def _has_words(session: Session, text: str, table: Table) -> ColumnElement[bool]:
    """Whether every word of the text is somewhere in the name, the workload or a tag."""
    spread = {"postgresql": "json_array_elements_text", "sqlite": "json_each"}
    tags: Any = getattr(func, spread[session.get_bind().dialect.name])(table.tags)
    tag = literal_column("value", String)
    each_tag = tags.table_valued("value")

    def has(word: str) -> ColumnElement[bool]:
        of_tags = exists().select_from(each_tag).where(tag.icontains(word, autoescape=True))
        texts = (table.name, table.workload)
        return or_(*(text.icontains(word, autoescape=True) for text in texts), of_tags)

    return and_(*map(has, text.split()))
