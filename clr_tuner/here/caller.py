"""Who measures, as the service tells callers apart: each process by a name of its own."""

import getpass
import os
import socket
from secrets import token_hex

_TOKEN = token_hex(4)  # a pid may come again, in a container at once


def name_this_process() -> str:
    """This user on this host, in this process."""
    return f"{_name_host()}:{os.getpid()}:{_TOKEN}"


def is_gone(name: str) -> bool:
    """Whether it names a process of this user on this host that runs no more; of any other nobody here knows."""
    host, _, process = name.partition(":")
    pid, _, token = process.partition(":")
    if host != _name_host() or os.name != "posix" or not pid.isdecimal() or token == _TOKEN:
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def _name_host() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
