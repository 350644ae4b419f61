"""Runs code like a compromised HAProxy: with its account, network namespace, root directory and limits."""

import json
import subprocess
import sys
from typing import Any

from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.netns import namespace_path
from tests.linux.machines import Machine

_ENTERING = """
import ctypes, errno, http.client, json, os, signal, socket, sys, time
given = json.loads(sys.argv[1])
for file in given["groups"]:
    with open(file, "w") as group:
        group.write("0")
libc = ctypes.CDLL(None, use_errno=True)
assert libc.setns(os.open(given["namespace"], os.O_RDONLY | os.O_CLOEXEC), 0x40000000) == 0
if given["root"]:
    os.chroot(given["root"])
os.chdir("/")
os.setgroups([])
os.setgid(given["account"])
os.setuid(given["account"])
assert libc.prctl(38, 1, 0, 0, 0) == 0


def why(work, *arguments):
    try:
        return repr(work(*arguments))
    except OSError as error:
        return errno.errorcode[error.errno]


result = None
exec(given["code"])
print(json.dumps(result))
"""


def account(machine: Machine, amphora_id: str) -> int:
    """Return the user id of an amphora."""
    return int((machine.directory / "run/amphorae" / amphora_id / "account").read_text())


def intrude(machine: Machine, amphora_id: str, code: str, *, jailed: bool = True, **values: Any) -> Any:
    """Run Python code as an amphora's HAProxy; return its variable `result`. `values` are in its dict `given`.

    With `jailed=False` it sees the machine's files. Raises CalledProcessError when it is killed.
    """
    groups = [each.mount / machine.names.prefix / amphora_id / "cgroup.procs" for each in Cgroups("x").controllers]
    given = {
        "namespace": namespace_path(machine.names.amphora(amphora_id)),
        "groups": [str(each) for each in groups if each.exists()],
        "root": str(machine.directory / "run/amphorae" / amphora_id / "root") if jailed else None,
        "account": account(machine, amphora_id),
        "code": code,
        **values,
    }
    command = [sys.executable, "-c", _ENTERING, json.dumps(given)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=120, check=True)
    return json.loads(done.stdout)
