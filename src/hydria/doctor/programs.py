"""Checks of programs: they must be installed, new enough, and start."""

import asyncio
import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hydria.adapters.linux import haproxy_socket
from hydria.adapters.linux.accounts import named
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.errors import HostError
from hydria.settings import AgentSettings, Settings

_OLDEST = (2, 6)
_SECONDS = 5.0


def haproxy(settings: Settings) -> Iterator[Finding]:
    """Check HAProxy's version and accounts, and start a process for a moment."""
    agent = settings.agent
    program = shutil.which(agent.haproxy)
    if program is None:
        yield bad("haproxy", f"{agent.haproxy} is not installed", "apt-get install haproxy, or set agent.haproxy")
        return
    output = _output(program, "-v")
    version = re.search(r"version (\d+)\.(\d+)\S*", output)
    if version is None:
        yield bad("haproxy", f"{program} prints no version: {output[:80]!r}", "set agent.haproxy to a HAProxy")
        return
    if (int(version[1]), int(version[2])) < _OLDEST:
        yield bad("haproxy", f"{program}, {version[0]}", "install 2.6 or newer, or set agent.haproxy to one")
        return
    yield fine("haproxy", f"{program}, {version[0]}")
    accounts = _accounts(agent)
    yield accounts
    if accounts.ok != "bad" and os.geteuid() == 0:
        yield _started(program, *_ids(agent))


def others() -> Iterator[Finding]:
    """Check the programs that routers, pairs and the lab need."""
    for program, package, use in (
        ("nft", "nftables", "routers"),
        ("keepalived", "keepalived", "load balancers with two amphorae"),
        ("nginx", "nginx-light", "the lab"),
        ("curl", "curl", "the lab"),
    ):
        path = shutil.which(program)
        mend = f"apt-get install {package}"
        if path is not None:
            yield fine(program, path)
        elif use == "routers":
            yield bad(program, f"not installed; {use} need it", mend)
        else:
            yield odd(program, f"not installed; needed for {use}", mend)


def _accounts(agent: AgentSettings) -> Finding:
    """Check the user and group ids of HAProxy processes."""
    what = "haproxy's account"
    if agent.haproxy_user is not None:
        try:
            named(agent.haproxy_user, agent.haproxy_group)
        except HostError as error:
            return bad(what, str(error), "set agent.haproxy_user and agent.haproxy_group, or neither")
        seen = f"all amphorae run as {agent.haproxy_user} and can end each other"
        return odd(what, seen, "unset agent.haproxy_user, so that each has an id of its own")
    first, last = agent.first_uid, agent.first_uid + agent.uids - 1
    mend = "set agent.first_uid and agent.uids to ids that are free"
    for kind in ("uid", "gid"):
        if not _mapped(Path(f"/proc/self/{kind}_map"), first, last):
            seen = f"this machine's user namespace does not have all of {kind} {first} to {last}"
            return bad(what, seen, f"{mend}, or agent.haproxy_user to an account")
    taken = [user.pw_name for user in pwd.getpwall() if first <= user.pw_uid <= last]
    taken += [group.gr_name for group in grp.getgrall() if first <= group.gr_gid <= last]
    if taken:
        return bad(what, f"{taken[0]} has an id between {first} and {last}", mend)
    return fine(what, f"each amphora's own, {first} to {last}")


def _mapped(file: Path, first: int, last: int) -> bool:
    ranges = [tuple(map(int, line.split())) for line in file.read_text().splitlines()]
    return any(start <= first and last < start + count for start, _, count in ranges)


def _ids(agent: AgentSettings) -> tuple[int, int]:
    if agent.haproxy_user is not None:
        return named(agent.haproxy_user, agent.haproxy_group)
    # The last id: amphorae get the others first.
    last = agent.first_uid + agent.uids - 1
    return last, last


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr


def _started(program: str, uid: int, gid: int) -> Finding:
    """Start a HAProxy that has a runtime socket and nothing else, query it, and end it."""
    with tempfile.TemporaryDirectory(prefix="hydria-doctor-") as directory:
        control, file, root = Path(directory, "s"), Path(directory, "c"), Path(directory, "r")
        root.mkdir(mode=0o711)
        account = f"  uid {uid}\n  gid {gid}\n  chroot {root}\n"
        file.write_text(f"global\n{account}  maxconn 10\n  stats socket {control} mode 600\n")
        process = subprocess.Popen(
            [program, "-db", "-f", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            answered = _answers(control, process)
        finally:
            process.terminate()
            try:
                _, complaint = process.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                _, complaint = process.communicate()
    if answered:
        return fine("haproxy starts", "yes")
    lines = [line for line in complaint.splitlines() if "ALERT" in line] or complaint.splitlines()
    return bad("haproxy starts", lines[0] if lines else "no, and without a message", f"try: {program} -vv; dmesg")


def _answers(control: Path, process: "subprocess.Popen[str]") -> bool:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(HostError):
            return asyncio.run(haproxy_socket.ask(str(control), "show info")).startswith("Name: HAProxy")
        time.sleep(0.01)
    return False
