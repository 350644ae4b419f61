"""The doctor on programs: are they there, new enough, and do they start?"""

import contextlib
import grp
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hydria.adapters.linux.accounts import named
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.errors import HostError
from hydria.settings import AgentSettings, Settings

_OLDEST = (2, 6)
_SECONDS = 5.0


def haproxy(settings: Settings) -> Iterator[Finding]:
    """Look at HAProxy's version and accounts, and start one for a moment."""
    agent = settings.agent
    program = shutil.which(agent.haproxy)
    if program is None:
        yield bad("haproxy", f"{agent.haproxy} is not there", "apt-get install haproxy, or set agent.haproxy")
        return
    said = _said(program, "-v")
    version = re.search(r"version (\d+)\.(\d+)\S*", said)
    if version is None:
        yield bad("haproxy", f"{program} says no version: {said[:80]!r}", "set agent.haproxy to an HAProxy")
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
    """Look at what routers and the lab need."""
    for program, package, use in (
        ("nft", "nftables", "routers"),
        ("nginx", "nginx-light", "the lab"),
        ("curl", "curl", "the lab"),
    ):
        path = shutil.which(program)
        mend = f"apt-get install {package}"
        if path is not None:
            yield fine(program, path)
        elif use == "routers":
            yield bad(program, f"not there; {use} need it", mend)
        else:
            yield odd(program, f"not there; {use} needs it", mend)


def _accounts(agent: AgentSettings) -> Finding:
    """Look at what HAProxy would run as."""
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
    taken = [each.pw_name for each in pwd.getpwall() if first <= each.pw_uid <= last]
    taken += [each.gr_name for each in grp.getgrall() if first <= each.gr_gid <= last]
    if taken:
        return bad(what, f"{taken[0]} has an id between {first} and {last}", mend)
    return fine(what, f"each amphora's own, {first} to {last}")


def _mapped(file: Path, first: int, last: int) -> bool:
    ranges = [tuple(map(int, line.split())) for line in file.read_text().splitlines()]
    return any(start <= first and last < start + count for start, _, count in ranges)


def _ids(agent: AgentSettings) -> tuple[int, int]:
    if agent.haproxy_user is not None:
        return named(agent.haproxy_user, agent.haproxy_group)
    # The last one: it is the last to be given away.
    last = agent.first_uid + agent.uids - 1
    return last, last


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr


def _started(program: str, uid: int, gid: int) -> Finding:
    """Start one that listens on nothing but its own socket, ask it, and end it."""
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
    return bad("haproxy starts", lines[0] if lines else "no, and it says nothing", f"try: {program} -vv; dmesg")


def _answers(control: Path, process: "subprocess.Popen[str]") -> bool:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_SECONDS)
            client.connect(str(control))
            client.sendall(b"show info\n")
            return client.recv(100).startswith(b"Name: HAProxy")
        time.sleep(0.01)
    return False
