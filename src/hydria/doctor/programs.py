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

from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.settings import Settings

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
    missing = _missing_accounts(agent.haproxy_user, agent.haproxy_group)
    if missing:
        yield bad("haproxy's account", f"there is no {missing}", "set agent.haproxy_user and agent.haproxy_group")
    elif os.geteuid() == 0:
        yield _started(program, agent.haproxy_user, agent.haproxy_group)


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


def _missing_accounts(user: str, group: str) -> str:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return f"user {user}"
    try:
        grp.getgrnam(group)
    except KeyError:
        return f"group {group}"
    return ""


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr


def _started(program: str, user: str, group: str) -> Finding:
    """Start one that listens on nothing but its own socket, ask it, and end it."""
    with tempfile.TemporaryDirectory(prefix="hydria-doctor-") as directory:
        control, file = Path(directory, "s"), Path(directory, "c")
        file.write_text(f"global\n  user {user}\n  group {group}\n  maxconn 10\n  stats socket {control} mode 600\n")
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
