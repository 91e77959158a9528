"""What is installed here, as a hash that changes whenever workloads or optimizers may have: none is loaded for it.

Entry points with their distributions' versions, and the times and sizes of the sources: an editable install, or one
that was repeated without a new version, changes nothing else.
"""

import hashlib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from clr import optimizer_plugin, workload

GROUPS = (workload.GROUP, optimizer_plugin.GROUP)


def installation() -> str:
    """The hash, 64 characters."""
    hashed = hashlib.sha256()
    for entry in sorted(_entries(), key=lambda entry: (entry.group, entry.name, entry.value)):
        version = entry.dist.version if entry.dist else None
        hashed.update(repr((entry.name, entry.value, version)).encode())
    for file in sorted(set(_sources())):
        status = file.stat()
        hashed.update(repr((str(file), status.st_mtime_ns, status.st_size)).encode())
    return hashed.hexdigest()


def _entries() -> list[EntryPoint]:
    return [entry for group in GROUPS for entry in entry_points(group=group)]


def _sources() -> Iterator[Path]:
    named = {package for entry in _entries() for package in _packages(entry)}
    for package in {"clr", *named}:  # what every workload is built upon is another distribution's
        try:
            spec = find_spec(package)  # of a package that lies in none: nothing is imported
        except (ImportError, ValueError):
            continue
        if spec is None:
            continue
        if spec.submodule_search_locations is None:
            yield from (Path(spec.origin),) if spec.origin and Path(spec.origin).is_file() else ()
        for folder in spec.submodule_search_locations or ():
            yield from (file for file in Path(folder).rglob("*.py") if file.is_file())


def _packages(entry: EntryPoint) -> set[str]:
    """The top-level packages that a distribution names, where it does, and the one of the entry point."""
    named = entry.dist.read_text("top_level.txt") if entry.dist else None
    module, _, _ = entry.value.partition(
        ":"
    )  # `entry.module` fails where the value is none of an entry point
    return {module.partition(".")[0], *(named or "").split()}
