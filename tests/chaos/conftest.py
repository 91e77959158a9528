"""One stack per test: whatever it kills is its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.stack import Stack, running_stack


@pytest.fixture(params=["sqlite", "postgres"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """As embedded, and as at scale."""
    with running_stack(request.param, tmp_path) as running:
        yield running


@pytest.fixture
def stack_at_scale(tmp_path: Path) -> Iterator[Stack]:
    """With a Postgres that may be stopped."""
    with running_stack("postgres", tmp_path) as running:
        yield running
