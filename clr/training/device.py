"""Where this machine trains."""

import torch


def default_device() -> str:
    """ "cuda" when there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def find_device(name: str | None) -> str:
    """The device of this name, or the default. Raises ValueError for one that is not here."""
    if name is None:
        return default_device()
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        why = str(error).splitlines()[0]
        raise ValueError(
            f"device must be one that torch has here, as cpu or cuda, not {name!r}: {why}"
        ) from None
    return name
