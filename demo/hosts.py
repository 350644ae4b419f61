"""`./dev demo --hosts 3`: a tour of a simulated cluster. A pair serves a client while its hosts are cut and drained."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cluster.machine import DIRECTORY, Cluster
from cluster.member import PORT as LINES
from cluster.probe import Probe, Sessions, Summary
from demo.answers import Lines, Rows, Says
from demo.paper import Paper
from demo.shell import Shell
from demo.steps import Chapter, Type, silent
from demo.walk import Walk, WrongAnswerError
from hydria.errors import HydriaError

_ROOT = Path(__file__).resolve().parent.parent
_PROGRAMS = Path(sys.executable).parent

# Requests a second of the client's loop.
_RATE = 50.0
# A takeover takes less than this, also on a busy machine; a request waits longer in a planned move (s).
_TAKEOVER = 10.0
_PATIENCE = 1.0
_SETTLED = 60.0
_AMPHORAE = "openstack loadbalancer amphora list --loadbalancer Paar"
_PAIR = Rows(("role MASTER\nstatus ALLOCATED", "role BACKUP\nstatus ALLOCATED"))


def _chapter(title: str, text: str, *steps: Type) -> Chapter:
    return Chapter(title=title, text=text, steps=steps)


def _member(pool: str, address: str, port: int) -> Type:
    return Type(
        command=f"openstack loadbalancer member create --address {address} --protocol-port {port} --wait {pool}"
        " -f value -c address",
        shows=Lines((address,)),
    )


def _start(hosts: int) -> Chapter:
    return _chapter(
        f"{hosts} hosts",
        "Each host is a namespace with an agent, a disk and cables. The server has a real PostgreSQL.",
        Type(command=f"./dev cluster up --hosts {hosts}", shows=Says("The cluster is ready.")),
        Type(
            command='eval "$(./dev cluster env)"',
            sources=True,
            before="From now on `openstack` and `hydria` run inside the cluster:",
        ),
        Type(command="hydria host list", shows=Says("h2"), within=_SETTLED),
    )


_MAKE = _chapter(
    "A pair",
    "A flavor asks for two amphorae on two hosts. VRRP decides which of them has the VIP.",
    Type(
        command="openstack loadbalancer flavorprofile create --name Paar --provider amphora"
        """ --flavor-data '{"loadbalancer_topology": "ACTIVE_STANDBY"}' -f value -c name""",
        shows=Lines(("Paar",)),
    ),
    Type(
        command="openstack loadbalancer flavor create --name Paar --flavorprofile Paar --enable -f value -c name",
        shows=Lines(("Paar",)),
    ),
    Type(
        command="openstack loadbalancer create --name Paar --flavor Paar --vip-subnet-id wire-subnet --wait"
        " -f value -c vip_address",
        answer="vip",
    ),
    Type(
        command="openstack loadbalancer pool create --name web --loadbalancer Paar --protocol HTTP"
        " --lb-algorithm ROUND_ROBIN --wait -f value -c name",
        shows=Lines(("web",)),
    ),
    _member("web", "10.20.0.11", 80),
    _member("web", "10.20.0.12", 80),
    Type(
        command="openstack loadbalancer listener create --name http --protocol HTTP --protocol-port 80"
        " --default-pool web --wait Paar -f value -c name",
        shows=Lines(("http",)),
    ),
    Type(
        command="openstack loadbalancer pool create --name lines --loadbalancer Paar --protocol TCP"
        " --lb-algorithm ROUND_ROBIN --wait -f value -c name",
        shows=Lines(("lines",)),
        before="And one for connections that stay open:",
    ),
    _member("lines", "10.20.0.11", LINES),
    Type(
        command=f"openstack loadbalancer listener create --name lines --protocol TCP --protocol-port {LINES}"
        " --default-pool lines --wait Paar -f value -c name",
        shows=Lines(("lines",)),
    ),
    Type(command="./dev cluster exec client curl --silent http://$vip", shows=Says("you hit: web"), within=_SETTLED),
    Type(command=_AMPHORAE, shows=_PAIR, within=_SETTLED),
)

_CUT = _chapter(
    "A cut cable",
    "The client goes on with 50 requests a second while the host of the active amphora is unplugged.",
    silent("./dev cluster cut $active"),
)
_HEAL = _chapter(
    "The cable is plugged in again",
    "The host comes back, and the pair is complete.",
    silent("./dev cluster heal $active"),
    Type(command=_AMPHORAE, shows=_PAIR, within=_SETTLED),
)
_DRAIN = _chapter(
    "A planned move",
    "The host of the active amphora is drained: no request is lost, and connections that are open go on.",
    Type(command="hydria host drain --no-wait $active", shows=Says("is being drained")),
)
_DRAINED = _chapter(
    "The connections have ended",
    "The old amphora has served them until now. It goes, and the pair is complete on two other hosts.",
    Type(command=_AMPHORAE, shows=_PAIR, within=2 * _SETTLED),
    Type(command="hydria host drain $active", shows=Says("has no amphorae")),
)
_ENABLE = _chapter(
    "The host comes back",
    "It gets new amphorae from now on.",
    Type(command="hydria host enable $active"),
    Type(command="hydria host list", shows=Says("$active")),
)
_DOWN = _chapter(
    "The cluster is removed",
    "Every process, namespace and file of it.",
    Type(command="./dev cluster down", shows=Says("The cluster is removed.")),
)


class _Tour:
    """The tour over a cluster that its first chapter makes."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._walk = Walk(Shell(_PROGRAMS, {**os.environ, "PWD": str(_ROOT)}), paper)

    def go(self, hosts: int) -> None:
        """Go through it. Raises WrongAnswerError."""
        self._walk.go((_start(hosts), _MAKE))
        cluster = Cluster.at(DIRECTORY)
        vip, network = self._walk.known["vip"], cluster.node("client").network
        with Probe(network, vip, rate=_RATE, timeout=_PATIENCE) as probe:
            self._activate(cluster, vip, probe)
            cut = self._seen(probe, _CUT, lambda: bool(self._others(cluster, vip)))
            self._expect(_CUT, "some answers within ten seconds", cut, cut.gap < _TAKEOVER)
            self._expect(_CUT, "another active host", cut, self._walk.known["active"] not in self._others(cluster, vip))
            self._seen(probe, _HEAL)
        with Probe(network, vip, rate=_RATE, timeout=5) as probe:
            self._activate(cluster, vip, probe)
            with Sessions(network, vip, LINES) as sessions:
                active = [self._walk.known["active"]]
                drained = self._seen(probe, _DRAIN, lambda: len(now := cluster.holders(vip)) == 1 and now != active)
                # The connections go on for a while after the move.
                time.sleep(3)
            self._paper.overheard(f"10 open connections, {len(sessions.cut)} cut")
            self._expect(_DRAIN, "no lost request and no cut connection", drained, not drained.lost + len(sessions.cut))
            self._seen(probe, _DRAINED)
            back = self._seen(probe, _ENABLE)
            self._expect(_ENABLE, "no lost request", back, not back.lost)

    def remove(self) -> None:
        """Remove the cluster. Raises WrongAnswerError."""
        self._walk.go((_DOWN,))

    def _activate(self, cluster: Cluster, vip: str, probe: Probe) -> None:
        """Keep the name of the active host."""
        _wait(lambda: probe.steady() and len(cluster.holders(vip)) == 1)
        (self._walk.known["active"],) = cluster.holders(vip)

    def _others(self, cluster: Cluster, vip: str) -> list[str]:
        """Return the hosts with the VIP that the client can reach."""
        cut = {fault.node for fault in cluster.cables.faults()}
        return [host for host in cluster.holders(vip) if host not in cut]

    def _seen(self, probe: Probe, chapter: Chapter, done: Callable[[], bool] = lambda: True) -> Summary:
        """Go through a chapter, and print what the client saw until all is `done` and it is served steadily."""
        begun = time.monotonic()
        self._walk.go((chapter,))
        # A lost request is known only after its timeout.
        walked = time.monotonic()
        _wait(lambda: time.monotonic() > walked + 2 and done() and probe.steady())
        summary = probe.between(begun, time.monotonic())
        self._paper.overheard(f"client: {summary}")
        return summary

    def _expect(self, chapter: Chapter, wanted: str, seen: Summary, right: bool) -> None:
        if not right:
            command = self._walk.known["active"] + ": " + chapter.steps[0].command  # type: ignore[union-attr]
            raise WrongAnswerError(chapter.title, command, f"expected {wanted}, seen: {seen}")


def run(hosts: int, *, once: bool) -> int:
    """Go through the tour; return 0 only when every step was right."""
    paper = Paper(8 if once else 7)
    tour = _Tour(paper)
    if DIRECTORY.exists():
        paper.say(f"There is a cluster in {DIRECTORY} already. Remove it by: ./dev cluster down")
        return 1
    right = False
    try:
        tour.go(hosts)
        right = True
    except WrongAnswerError as failure:
        paper.failed(failure)
    except (HydriaError, TimeoutError, subprocess.TimeoutExpired) as error:
        paper.say(f"FAILED: {error}")
    except KeyboardInterrupt:
        paper.say("Interrupted.")
    if once:
        with suppress(WrongAnswerError):
            tour.remove()
        paper.say("Every step was right. Nothing is left." if right else "The tour ended early.")
    else:
        paper.say("The cluster goes on running. See docs/cluster.md, and remove it by: ./dev cluster down")
    return 0 if right else 1


def _wait(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The client is not served steadily, even after {seconds:.0f} s.")
        time.sleep(0.05)
