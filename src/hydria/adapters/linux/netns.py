"""Network namespaces by name under /run/netns, as with `ip netns`, made without starting a process."""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hydria.adapters.linux.libc import call, libc
from hydria.adapters.linux.rtnetlink import Netlink
from hydria.errors import HostError
from hydria.render.haproxy.peers import PEERS_PORT

_DIRECTORY = Path("/run/netns")
# The namespace of the calling thread; /proc/self would be that of the main thread.
OWN = "/proc/thread-self/ns/net"

_CLONE_NEWNET = 0x40000000
# The index of `lo` in each namespace.
_LOOPBACK = 1
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 0x100000
_MNT_DETACH = 2

_SYSCTLS = {
    # HAProxy may bind an address before the interface has it.
    "net.ipv4.ip_nonlocal_bind": "1",
    "net.ipv6.ip_nonlocal_bind": "1",
    # HAProxy opens many short connections to few members.
    "net.ipv4.ip_local_port_range": "1024 65535",
    # The peers of a pair listen there.
    "net.ipv4.ip_local_reserved_ports": str(PEERS_PORT),
    "net.ipv4.tcp_tw_reuse": "1",
    "net.core.somaxconn": "65535",
    # An answer may leave by another interface than the request came by, but ARP must not.
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
    # A client in a member's subnet must not be redirected to the member; considering it costs time for each packet.
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    # Removing the first address of a subnet must not remove the others.
    "net.ipv4.conf.all.promote_secondaries": "1",
    "net.ipv6.conf.all.ndisc_notify": "1",
    "net.ipv6.conf.default.accept_ra": "0",
    # A link without IPv6 addresses needs no link-local one (`kernel.ensure_link_local`). Each would be announced to the
    # whole network several times, which a bridge copies to all its ports.
    "net.ipv6.conf.default.addr_gen_mode": "1",
}


@contextmanager
def reporting(failure: str) -> Iterator[None]:
    """Turn the kernel's errors into HostError: `failure`, a colon, the kernel's message."""
    try:
        yield
    except NetlinkError as error:
        raise HostError(f"{failure}: {os.strerror(error.code)}.") from error
    except OSError as error:
        raise HostError(f"{failure}: {error.strerror or error}.") from error


def namespace_path(name: str) -> str:
    """Return the file of a namespace; an absolute path, such as a container's, is returned as it is."""
    if name.startswith("/"):
        return name
    if "/" in name or name in ("", ".", ".."):
        raise HostError(f"{name!r} cannot be the name of a network namespace.")
    return str(_DIRECTORY / name)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Move the calling thread, and processes that it starts, into a namespace. Raises HostError if there is none."""
    with opened(name) as target, _moved_to(name, target):
        yield


@contextmanager
def netlink(name: str) -> Iterator[Netlink]:
    """Open a netlink socket in a namespace; the thread itself has left it again when this yields."""
    with opened(name) as target:

        def changes() -> IPRoute:
            with _moved_to(name, target):
                return IPRoute()

        with _moved_to(name, target):
            # A socket stays in the namespace where it was opened.
            socket = Netlink(changes)
        with closing(socket):
            yield socket


@contextmanager
def opened(name: str) -> Iterator[int]:
    """Open the file of a namespace; yields the descriptor. Raises HostError if there is none."""
    with _entering(name):
        target = os.open(namespace_path(name), os.O_RDONLY)
    try:
        yield target
    finally:
        os.close(target)


@contextmanager
def _moved_to(name: str, target: int) -> Iterator[None]:
    with _entering(name):
        own = os.open(OWN, os.O_RDONLY)
        try:
            _setns(target)
        except BaseException:
            os.close(own)
            raise
    try:
        yield
    finally:
        try:
            _setns(own)
        finally:
            os.close(own)


def _entering(name: str) -> AbstractContextManager[None]:
    return reporting(f"The network namespace {name} cannot be entered")


def held(name: str, *, alone: bool = False) -> AbstractContextManager[None]:
    """Hold a namespace's lock on this machine, shared or exclusively (`alone`), until the context ends."""
    return _locked(namespace_path(name), fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def exists(name: str) -> bool:
    """Say whether a namespace exists and is complete."""
    try:
        # A crash between making the file and mounting the namespace leaves a plain file.
        return os.stat(namespace_path(name)).st_dev != _DIRECTORY.stat().st_dev
    except FileNotFoundError:
        return False


def identity(name: str) -> tuple[int, int]:
    """Return an identifier that distinguishes a namespace from later ones of its name. Raises FileNotFoundError.

    The kernel reuses the inode of a removed namespace, so the time when the file was made is needed too.
    """
    found = os.stat(namespace_path(name))
    return found.st_ino, found.st_ctime_ns


def namespaces(prefix: str) -> list[str]:
    """Return the names of namespaces that begin with the prefix and a dash, sorted."""
    try:
        return sorted(entry for entry in os.listdir(_DIRECTORY) if entry.startswith(f"{prefix}-"))
    except FileNotFoundError:
        return []


def ensure_namespace(name: str, sysctls: Mapping[str, str] | None = None) -> bool:
    """Make a namespace with `lo` up and sysctls for HAProxy; return True when there was none. Raises HostError."""
    if exists(name):
        return False
    with reporting(f"The network namespace {name} cannot be made"), _making():
        if exists(name):
            return False
        own = os.open(OWN, os.O_RDONLY)
        try:
            call(libc.unshare, _CLONE_NEWNET)
            try:
                _configure({**_SYSCTLS, **(sysctls or {})})
                _keep(namespace_path(name))
            finally:
                _setns(own)
        finally:
            os.close(own)
    return True


def configure_namespace(name: str) -> None:
    """Bring `lo` up and set the sysctls of a namespace that another program may have made. Raises HostError."""
    with reporting(f"The network namespace {name} cannot be furnished"), inside(name):
        _configure(_SYSCTLS)


def remove_namespace(name: str) -> bool:
    """Remove a namespace and its links; return False when there was none. The caller ends its processes before."""
    path = namespace_path(name)
    if not os.path.exists(path):
        return False
    with reporting(f"The network namespace {name} cannot be removed"):
        if exists(name):
            _empty(name)
            with suppress(FileNotFoundError):
                call(libc.umount2, path.encode(), _MNT_DETACH)
        Path(path).unlink(missing_ok=True)
    return True


def sysctl(namespace: str, key: str, value: str) -> None:
    """Set a sysctl by its dotted name in a namespace. Raises HostError."""
    with inside(namespace), reporting(f"{key} cannot be set to {value} in the network namespace {namespace}"):
        _write(key, value)


def _configure(sysctls: Mapping[str, str]) -> None:
    with closing(Netlink(IPRoute)) as socket:
        socket.set_link(_LOOPBACK, state="up")
    for key, value in sysctls.items():
        # A kernel without IPv6 lacks these sysctls.
        with suppress(FileNotFoundError):
            _write(key, value)


def sysctl_file(key: str, sysctls: str | Path = "/proc/sys") -> str:
    """Return the path of a sysctl's file by its dotted name."""
    return f"{sysctls}/{key.replace('.', '/')}"


def _write(key: str, value: str) -> None:
    with open(sysctl_file(key), "w") as file:
        file.write(value)


def _keep(path: str) -> None:
    """Mount the calling thread's namespace onto a file, as the last step: until then the namespace does not exist."""
    Path(path).touch(mode=0o444)
    try:
        call(libc.mount, OWN.encode(), path.encode(), None, _MS_BIND, None)
    except OSError:
        Path(path).unlink(missing_ok=True)
        raise


def _empty(name: str) -> None:
    """Delete the links: the kernel would do it later, and until then their other ends would still exist."""
    with netlink(name) as socket:
        for link in socket.get_links():
            if link["index"] == _LOOPBACK:
                continue
            try:
                socket.delete_link(link["index"])
            except OSError as error:
                # The link was deleted with its other end, or is of a kind that exists as long as its namespace.
                if error.errno not in (errno.ENODEV, errno.EOPNOTSUPP):
                    raise


@contextmanager
def _making() -> Iterator[None]:
    """Let only one thread of one process make namespaces on this machine."""
    if not _DIRECTORY.exists():
        _DIRECTORY.mkdir(parents=True, exist_ok=True)
        # The mode that `ip netns` gives it, whatever the umask, so that others can list the names.
        _DIRECTORY.chmod(0o755)
    with _locked(str(_DIRECTORY), fcntl.LOCK_EX):
        _share()
        yield


@contextmanager
def _locked(path: str, operation: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def _share() -> None:
    """Make the namespaces visible to processes with mount namespaces (systemd's services), as `ip netns` does."""
    path = str(_DIRECTORY).encode()
    try:
        call(libc.mount, b"", path, b"none", _MS_SHARED | _MS_REC, None)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        call(libc.mount, path, path, b"none", _MS_BIND | _MS_REC, None)
        call(libc.mount, b"", path, b"none", _MS_SHARED | _MS_REC, None)


def _setns(descriptor: int) -> None:
    call(libc.setns, descriptor, _CLONE_NEWNET)
