"""What has to be installed for a command: the service is a distribution of its own, torch the worker's."""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from clr_tuner.errors import NotInstalled


def require_service(line: str = "pip install clr-tuner-service") -> None:
    """Raise `NotInstalled`, with the line that installs it, where the service is not."""
    try:
        distribution("clr-tuner-service")
    except PackageNotFoundError:
        raise NotInstalled(f"the service is not installed here: {line}") from None


def require_worker() -> None:
    """Raise `NotInstalled`, with the line that installs it, where the service is not or cannot train."""
    line = "pip install 'clr-tuner-service[worker]'"
    require_service(line)
    if find_spec("torch") is None:
        raise NotInstalled(f"the service cannot train here, as torch is not installed: {line}")
