"""A plugin: the small installable package that holds somebody's own workload, written from templates.

`clr-tuner workload new` calls it. The templates are package data, with `$name`, `$module` and `$kind` to fill in.
"""

import re
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template

from clr.workload import GROUP

TEMPLATES = {
    "pyproject.toml": "pyproject.toml.in",
    "$module.py": "workload.py.in",
    "test_$module.py": "test_workload.py.in",
    "README.md": "README.md.in",
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 60
TAKEN_BY_TOOLS = ("setup", "conftest")  # setuptools and pytest would run a module of this name


def write_plugin(name: str, into: Path) -> list[Path]:
    """Write the package of the workload `name` into a new folder `into / name`; what was written.

    Raises ValueError for a name that will not do, OSError where nothing can be written. Never overwrites.
    """
    _refuse_bad_name(name)
    module = name.replace("-", "_")
    kind = "".join(part.capitalize() for part in name.split("-")) + "Workload"
    folder = into / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ValueError(
            f"{folder} exists already and is left alone; choose another name or --into"
        ) from None
    paths = []
    for target, source in TEMPLATES.items():
        text = files("clr_tuner.plugin").joinpath("templates", source).read_text(encoding="utf-8")
        names = {"name": name, "module": module, "kind": kind}
        paths.append(folder / Template(target).substitute(names))
        paths[-1].write_text(Template(text).substitute(names), encoding="utf-8")
    return paths


def _refuse_bad_name(name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise ValueError(
            f"{name!r} is not a name for a workload: lower-case letters, digits and single hyphens, a letter first, "
            f"at most {LONGEST} in all, as in two-rings"
        )
    if name in entry_points(group=GROUP).names:
        raise ValueError(f"a workload {name} is installed here already; choose another name")
    module = name.replace("-", "_")
    if iskeyword(module) or module in TAKEN_BY_TOOLS or find_spec(module):
        raise ValueError(
            f"{module} is a word of Python or a module that is installed here; choose another name"
        )
