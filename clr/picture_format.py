"""The files that pictures come in."""

from typing import Literal

PictureFormat = Literal["svg", "png", "pdf"]
