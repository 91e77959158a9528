"""The service has the version of the base, which is written there, and takes no other."""

import tomllib
from pathlib import Path

from setuptools import setup

BASE = Path(__file__).parent.parent / "pyproject.toml"
VERSION = tomllib.loads(BASE.read_text(encoding="utf-8"))["project"]["version"]

setup(
    version=VERSION,
    install_requires=[f"clr-tuner[service]=={VERSION}"],
    extras_require={"worker": [f"clr-tuner[worker]=={VERSION}"]},
)
