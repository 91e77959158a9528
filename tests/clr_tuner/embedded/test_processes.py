import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from clr_tuner.embedded.processes import LOG_BYTES, Backoff, Child, Supervisor, describe_exit, on_end
from tests.machine import patience

SLEEP = "while :; do sleep 0.02; done"


def shell(name: str, script: str, *, folder: Path, stop_s: float = 5.0, needed: bool = False) -> Child:
    log = folder / f"{name}.log"
    return Child(name, ["sh", "-c", script], env=dict(os.environ), log=log, stop_s=stop_s, needed=needed)


def eventually(holds: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + patience(within_s)
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def said(child: Child, word: str) -> Callable[[], bool]:
    return lambda: word in child.log.read_text()


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # a zombie only waits for somebody to note its end


def test_the_pause_doubles_to_its_limit_and_starts_over_after_a_healthy_life() -> None:
    backoff = Backoff(first_s=0.5, limit_s=3.0, healthy_s=60.0)

    pauses = [0.0]
    for lived_s in (1, 1, 1, 1, 60, 1):
        pauses.append(backoff.after(pauses[-1], lived_s=lived_s))

    assert pauses[1:] == [0.5, 1.0, 2.0, 3.0, 0.5, 1.0]


def test_a_child_that_dies_is_started_again_and_somebody_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    supervisor = Supervisor(lines.append, Backoff(first_s=0.01))
    child = shell("worker", f"echo alive; {SLEEP}", folder=tmp_path)
    supervisor.start(child)
    assert eventually(said(child, "alive"))
    first_pid = child.pid
    os.kill(first_pid, signal.SIGKILL)

    def tended() -> bool:
        supervisor.tend()
        return child.log.read_text().count("alive") == 2

    assert eventually(tended)
    assert child.pid != first_pid
    assert lines == [f"worker ended (SIGKILL); starting it again in 0.01 s. Its log: {child.log}"]
    supervisor.stop()
    assert child.exit_code() is None


def test_children_stop_together_and_what_they_need_stops_after_them(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    order = tmp_path / "order"
    # Each of the two ends only when the other was asked to, too.
    meets = {"worker": "api", "api": "worker"}
    for name in ("broker", "worker", "api"):
        other = tmp_path / f"{meets.get(name, 'broker')}.asked"
        asked = f"touch {tmp_path / name}.asked; while ! [ -e {other} ]; do sleep 0.02; done"
        script = f"trap '{asked}; echo {name} >> {order}; exit 0' TERM; echo ready; {SLEEP}"
        child = shell(name, script, folder=tmp_path, needed=name == "broker")
        supervisor.start(child)
        assert eventually(said(child, "ready"))

    supervisor.stop()

    first, second, last = order.read_text().split()
    assert {first, second} == {"api", "worker"}
    assert last == "broker"


def test_a_child_that_ignores_sigterm_is_killed_with_its_whole_group(tmp_path: Path) -> None:
    script = f"trap '' TERM; sh -c 'echo $$ grandchild; {SLEEP}' & {SLEEP}"
    child = shell("stubborn", script, folder=tmp_path, stop_s=0.1)
    child.start()
    assert eventually(said(child, "grandchild"))
    pids = [child.pid, int(child.log.read_text().split()[0])]

    child.ask_to_stop()
    child.stop()

    assert eventually(lambda: not any(map(is_running, pids)))


def test_an_interrupted_stop_kills_every_child_at_once(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    quiet = shell("quiet", f"echo ready; {SLEEP}", folder=tmp_path)
    stubborn = shell("stubborn", f"trap '' TERM; echo ready; {SLEEP}", folder=tmp_path, stop_s=60)
    for child in (quiet, stubborn):
        supervisor.start(child)
        assert eventually(said(child, "ready"))
    pids = [quiet.pid, stubborn.pid]
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)

    with pytest.raises(KeyboardInterrupt):
        supervisor.stop()

    signal.signal(signal.SIGALRM, before)
    assert eventually(lambda: not any(map(is_running, pids)))


def test_a_stop_that_is_asked_to_hurry_kills_every_child_and_ends_in_order(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    stubborn = shell("stubborn", f"trap '' TERM; echo ready; {SLEEP}", folder=tmp_path, stop_s=600)
    supervisor.start(stubborn)
    assert eventually(said(stubborn, "ready"))
    pid = stubborn.pid

    with on_end(supervisor.hurry):
        Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        supervisor.stop()

    assert not is_running(pid)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    parent = f"""
import signal
from pathlib import Path
from clr_tuner.embedded.processes import Child
child = Child("child", ["sh", "-c", "{SLEEP}"], env={{}}, log=Path({str(tmp_path / "log")!r}))
child.start()
print(child.pid, flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert is_running(pid)
        process.kill()

    assert eventually(lambda: not is_running(pid))


def test_a_log_that_grew_large_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    child = shell("api", "echo new", folder=tmp_path)
    for size, kept in ((LOG_BYTES, False), (LOG_BYTES + 1, True)):
        with child.log.open("wb") as log:
            log.truncate(size)

        child.start()
        child.wait()

        assert (tmp_path / "api.log.1").exists() == kept
    assert child.log.read_text() == "new\n"


def test_exit_codes_are_told_in_words() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "SIGKILL"
