"""Memory that this process no longer uses, given back to the system."""

import ctypes


def give_back() -> None:
    """What was freed and the C library keeps for later: glibc keeps tens of MB after a crowd of long answers."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
