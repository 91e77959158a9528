"""Where an artifact may lie: below its root, whatever a row says."""

from pathlib import PurePosixPath


def inside(path: str) -> str:
    """The path, if it leads nowhere else. Raises FileNotFoundError for one that is absolute or goes up."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path:
        raise FileNotFoundError(f"{path!r} is no path of an artifact")
    return path
