"""Other packages' finders, where they are installed."""

import pytest

from benchmarks.finders import PACKAGES, Finder, finder


@pytest.fixture(params=PACKAGES)
def installed(request: pytest.FixtureRequest) -> Finder:
    """Each of them; a plain `make setup` brings none."""
    module = finder(request.param)
    if module is None:
        pytest.skip(f"{request.param} is not installed")
    return module
