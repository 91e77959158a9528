"""What more than one file of these tests needs."""

from pathlib import Path

import pytest

from tests.e2e.compose import install_distributions


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our distributions, installed as in the images, once for the whole run; nothing but bytecode is written there."""
    return install_distributions(tmp_path_factory.mktemp("distributions"))
