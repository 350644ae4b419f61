"""VLAN tags on a link: two BPF programs tag every frame that leaves it, and take only the frames of the VLAN.

They do what a VLAN device on the link does, and work on kernels that have none (CONFIG_VLAN_8021Q).
"""

import ctypes
import errno
import os
import platform
import socket
import struct

from pyroute2.netlink.exceptions import NetlinkError

from hydria.adapters.linux.libc import libc
from hydria.adapters.linux.rtnetlink import Netlink
from hydria.errors import HostError

# The numbers of the system call bpf(2).
_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "ppc64le": 361, "s390x": 351}
_PROG_LOAD, _SCHED_CLS = 5, 3
_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_ETH_P_8021Q = socket.htons(0x8100)
_VLAN_PUSH, _VLAN_POP = 18, 19
_OK, _SHOT = 0, 2
# The offsets of struct __sk_buff.
_PRESENT, _TCI, _PROTO = 20, 24, 28
_ID_MASK = 0xFFF


def ensure_vlan_tags(link: Netlink, index: int, vlan: int | None) -> bool:
    """Tag a link's frames with a VLAN id, or none of them; return whether anything was changed. Raises HostError."""
    names = set() if vlan is None else {f"vlan-{vlan}-in", f"vlan-{vlan}-out"}
    if {_name(each) for parent in (_INGRESS, _EGRESS) for each in _filters(link, index, parent)} == names:
        return False
    _remove(link, index)
    if vlan is None:
        return True
    link.tc("add", "clsact", index)
    for parent, direction, program in ((_INGRESS, "in", _incoming(vlan)), (_EGRESS, "out", _outgoing(vlan))):
        descriptor = _load(program)
        try:
            link.tc(
                "add-filter",
                "bpf",
                index,
                1,
                fd=descriptor,
                name=f"vlan-{vlan}-{direction}",
                parent=parent,
                classid=1,
                direct_action=True,
            )
        finally:
            os.close(descriptor)
    return True


def _filters(link: Netlink, index: int, parent: int) -> list[dict[str, object]]:
    try:
        return list(link.get_filters(index=index, parent=parent))
    except NetlinkError as error:
        # The link has no filters yet.
        if error.code not in (errno.EINVAL, errno.ENOENT):
            raise
        return []


def _name(found: dict[str, object]) -> str:
    options = found.get("options") or found.get("TCA_OPTIONS")
    name = options.get("name") or options.get("TCA_BPF_NAME") if isinstance(options, dict) else None
    return str(name or "")


def _remove(link: Netlink, index: int) -> None:
    try:
        link.tc("del", "clsact", index)
    except NetlinkError as error:
        if error.code not in (errno.EINVAL, errno.ENOENT):
            raise


def _instruction(code: int, destination: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | destination, offset, value)


def _load_word(destination: int, offset: int) -> bytes:
    return _instruction(0x61, destination, 1, offset)


def _set(register: int, value: int) -> bytes:
    return _instruction(0xB7, register, value=value)


def _unless(register: int, value: int, skip: int) -> bytes:
    """Skip instructions unless a register has a value."""
    return _instruction(0x55, register, offset=skip, value=value)


def _call(helper: int) -> bytes:
    return _instruction(0x85, value=helper)


_EXIT = _instruction(0x95)
_END = (_set(0, _OK), _EXIT, _set(0, _SHOT), _EXIT)


def _outgoing(vlan: int) -> bytes:
    return b"".join((_set(2, _ETH_P_8021Q), _set(3, vlan), _call(_VLAN_PUSH), _unless(0, 0, 2), *_END))


def _incoming(vlan: int) -> bytes:
    return b"".join(
        (
            _load_word(2, _PRESENT),
            _unless(2, 1, 9),
            _load_word(2, _PROTO),
            _unless(2, _ETH_P_8021Q, 7),
            _load_word(2, _TCI),
            _instruction(0x57, 2, value=_ID_MASK),
            _unless(2, vlan, 4),
            _call(_VLAN_POP),
            _unless(0, 0, 2),
            *_END,
        )
    )


def _load(program: bytes) -> int:
    """Load a program into the kernel and return its descriptor. Raises HostError."""
    number = _BPF.get(platform.machine())
    if number is None:
        raise HostError(f"Networks of type vlan are not supported on machines of type {platform.machine()}.")
    code, terms = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"Apache-2.0")
    given = (_SCHED_CLS, len(program) // 8, ctypes.addressof(code), ctypes.addressof(terms), 0, 0, 0, 0, 0)
    attributes = ctypes.create_string_buffer(struct.pack("=IIQQIIQII", *given).ljust(64, b"\0"), 64)
    descriptor = libc.syscall(number, _PROG_LOAD, attributes, 64)
    if descriptor < 0:
        code_of_error = ctypes.get_errno()
        raise HostError(
            f"The kernel loads no BPF program, which networks of type vlan need: {os.strerror(code_of_error)}."
        )
    return int(descriptor)
