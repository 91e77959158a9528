"""The loop in JAX of docs/your-loop.md, as it stands there: in a process of its own, as JAX's threads outlive it."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

if find_spec("jax") is None:
    pytest.skip("needs jax", allow_module_level=True)

import clr_tuner as ct
from tests.clr_tuner.here.conftest import api_server, client, database_file, hurry  # noqa: F401
from tests.clr_tuner.here.test_page import ADDRESS, block


def test_the_loop_in_jax_finds_bounds(client: ct.Client) -> None:  # noqa: F811
    calls, loop = block("python", 1).split("\ntest = ")
    code = f"{calls}\n{block('python', 2)}\ntest = {loop}".replace(ADDRESS, client.connection.shown)

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.returncode) == ("bounds_found\n", 0), ran.stderr
