"""The loop in JAX of docs/your-loop.md, as it stands there."""

import pytest

pytest.importorskip("jax")

import clr_tuner as ct
from tests.clr_tuner.here.conftest import api_server, client, database_file, hurry  # noqa: F401
from tests.clr_tuner.here.test_page import ADDRESS, block


def test_the_loop_in_jax_finds_bounds(
    client: ct.Client,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls, loop = block("python", 1).split("\ntest = ")
    shorter = loop.replace('"optimizer": "SGD"', '"optimizer": "SGD", "effort": "quick"')
    code = f"{calls}\n{block('python', 2)}\ntest = {shorter}"

    exec(code.replace(ADDRESS, client.connection.shown), {})

    assert capsys.readouterr().out == "bounds_found\n"
