"""Marks what is settled before any database is asked: one of them will do."""

import pytest

SETTLED_EARLY = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
