"""Names that were misspelled: the one that was meant, and a sentence that says so. For whoever looks up a name."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(given: str, known: Iterable[str]) -> str | None:
    """The known name that `given` is most like, whatever its case and its dashes; None where none is near."""
    plain = {_plain(name): name for name in known}
    near = get_close_matches(_plain(given), plain, n=1)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """ "did you mean NAME? ", to be put before the list of what is known; "" where nothing is near."""
    near = closest(given, known) if isinstance(given, str) else None
    return f"did you mean {near}? " if near is not None else ""
