"""The examples of docs/frameworks.md, by section."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "frameworks.md").read_text()


def python_block(section: str) -> str:
    """The one block of Python in a section."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    [block] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(block)
