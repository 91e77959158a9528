"""The examples of docs/frameworks.md, by section."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "frameworks.md").read_text()


def python_block(section: str, index: int = 0, *, of: int = 1) -> str:
    """A block of Python in a section, `of` so many."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == of
    return str(blocks[index])
