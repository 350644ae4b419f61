"""The rules of one amphora's datagram listeners, and the transaction that loads them. Pure.

A new flow passes the chains `choose` (which selects the listener), `choose_…` (which selects a member: the one that
keeps the client, or the next one) and `to_…` of the member, where the flow is marked, the client remembered and the
packets translated in both directions. Later packets follow their flow in the kernel. The mark of a flow stands for
listener and member, in counters and when flows are ended.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from msgspec import Struct

from hydria.model import Listener, Member, Pool, Tree
from hydria.model.status import ServerState
from hydria.model.tree import Live
from hydria.render.datagram.sharing import PLACES, fewest, places, runs, turn

TABLE = "hydria_flows"

# How long the kernel keeps a flow of UDP that ended within two seconds (seconds). An address has 64,512 source ports
# for each member, which is the most flows that can begin in this time.
BRIEF = 10

# An arbitrary constant: the hash of a client must not change with the rules.
_SEED = "0x68796472"

# How long a client is remembered by default (that of keepalived; seconds), and the most clients that are.
_KEPT_FOR = 360
# nft accepts at most eight digits of seconds.
_LONGEST_KEPT = 10**7
_KEPT = 65536

# The mark of packets to clients in an amphora with several interfaces: they leave by the VIP's.
BACK = 1

# Timeouts of a listener that mean no choice (Octavia's defaults; milliseconds).
_UNCHOSEN = (0, 50_000)
# How long the kernel keeps a flow of more than two seconds after its last packet (seconds).
_STREAM = 120

# The prefixes of a listener's counters, before its id: bytes from clients, bytes to clients, flows.
COUNTED = ("in", "out", "new")

_OPEN = "policy accept;"

# A named object of the table, which survives a flush of its rules: nft's kind, and the name.
Named = tuple[str, str]

# Address, protocol (`udp`, `sctp`) and port.
End = tuple[str, str, int]

_Block = tuple[Named, list[str]]


class Ruleset(Struct, frozen=True, kw_only=True):
    """The table as it should be; `text` is empty where there are no datagram listeners.

    `marks` are those of flows that may go on, with listener and member of each; `ends` are where clients send to.
    """

    text: str = ""
    named: frozenset[Named] = frozenset()
    marks: Mapping[int, tuple[str, str]] = {}
    ends: frozenset[End] = frozenset()


class _Target(Struct, frozen=True):
    """A member that may have flows; one of `weight` 0 gets no new ones."""

    mark: int
    member: Member
    weight: int

    @property
    def chain(self) -> str:
        return f"to_{self.mark:08x}"


class _Service(Struct, frozen=True):
    """A listener on the VIPs of one IP version (`ip` or `ip6`)."""

    listener: Listener
    pool: Pool | None
    family: str
    vips: tuple[str, ...]
    targets: tuple[_Target, ...]
    # How long the kernel keeps a short flow where the listener has no timeout (seconds).
    brief: int
    # Whether other amphorae have to choose the same member for a flow.
    alike: bool = False

    @property
    def name(self) -> str:
        return f"{self.family}_{self.listener.id}"

    @property
    def protocol(self) -> str:
        return self.listener.protocol.lower()

    @property
    def ends(self) -> list[End]:
        return [(vip, self.protocol, self.listener.protocol_port) for vip in self.vips]

    @property
    def keys(self) -> list[str]:
        return [f"{vip} . {protocol} . {port}" for vip, protocol, port in self.ends]

    @property
    def kept(self) -> str | None:
        """The map of clients to marks, or None without session persistence. Its name contains its parameters."""
        keeping = self.pool.session_persistence if self.pool is not None else None
        if keeping is None:
            return None
        means = f"{keeping.persistence_timeout} {keeping.persistence_granularity}"
        return f"kept_{self.name}_{zlib.crc32(means.encode()):08x}"

    @property
    def kept_for(self) -> int:
        keeping = self.pool.session_persistence if self.pool is not None else None
        return min(max(1, (keeping and keeping.persistence_timeout) or _KEPT_FOR), _LONGEST_KEPT)

    @property
    def timeout(self) -> _Block | None:
        """How long the kernel keeps a flow of UDP after its last packet. The name contains the values.

        To the kernel, a flow with answers is short until it has lasted two seconds.
        """
        if self.protocol != "udp":
            return None
        given = self.listener.timeout_client_data, self.listener.timeout_member_data
        chosen = [max(1, -(-each // 1000)) for each in given if each not in _UNCHOSEN]
        brief, stream = (min(chosen), min(chosen)) if chosen else (self.brief, max(self.brief, _STREAM))
        policy = f"policy = {{ unreplied : {brief}, replied : {stream} }}"
        lines = ["protocol udp", f"l3proto {self.family}", policy]
        return ("ct timeout", f"{self.family}_{brief}_{stream}"), lines

    @property
    def client(self) -> str:
        """The expression for the client of a packet."""
        mask = self._mask
        return f"{self.family} saddr{'' if mask is None else f' & {mask}'}"

    @property
    def network(self) -> str:
        """The expression for the client's network in whole bytes: nft cannot hash an address with a mask."""
        mask = self._mask
        if mask is None:
            return f"{self.family} saddr"
        ones = len(f"{int(mask):0{mask.max_prefixlen}b}".partition("0")[0])
        # The position of the source in the header (bits).
        start = 96 if self.family == "ip" else 64
        return f"@nh,{start},{max(8, ones - ones % 8)}"

    @property
    def _mask(self) -> IPv4Address | IPv6Address | None:
        keeping = self.pool.session_persistence if self.pool is not None else None
        mask = keeping.persistence_granularity if keeping is not None else None
        return ip_address(mask) if mask is not None and _family(mask) == self.family else None


def ruleset(
    tree: Tree,
    states: Mapping[str, ServerState],
    flows: Mapping[int, int] | None = None,
    *,
    interfaces: int = 1,
    brief: int = BRIEF,
    alike: bool = False,
) -> Ruleset:
    """Return the rules for a tree; members that are `down` get no flows. Raises ValueError for a wrong address.

    `flows` is the number of flows by mark, for LEAST_CONNECTIONS; `interfaces` the number of the amphora's; `brief` is
    how long a flow of UDP is kept that ended within two seconds (seconds); `alike` says that each amphora of a pair has
    to choose the same member for a flow, so that it has it after a takeover.
    """
    live = tree.live()
    if not live.counted_datagram_listeners:
        return Ruleset()
    services = _services(live, states, brief, alike)
    counted = (each.id for each in live.counted_datagram_listeners)
    blocks: list[_Block] = [(("counter", f"{what}_{key}"), []) for key in counted for what in COUNTED]
    for service in services:
        blocks += [*_memory(service), *([service.timeout] if service.timeout is not None else [])]
        blocks += [_to(service, target) for target in service.targets]
        blocks.append(_choose(service, flows or {}))
    # Objects of a listener that both of its IP versions use come twice.
    unique = dict([*blocks, *_hooks(services, interfaces)])
    body = "".join(_write(f"{kind} {name}", lines) for (kind, name), lines in unique.items())
    return Ruleset(
        text=f"table inet {TABLE} {{\n{body}}}\n",
        named=frozenset(unique),
        marks={
            target.mark: (service.listener.id, target.member.id) for service in services for target in service.targets
        },
        ends=frozenset(end for service in services for end in service.ends),
    )


def transaction(wanted: Ruleset, present: Collection[Named]) -> str:
    """Return the text for `nft -f` that makes the table as wanted; `present` are its named objects before.

    Counters and remembered clients survive.
    """
    # The first line makes the flush or deletion succeed when there is no table.
    begin = f"table inet {TABLE}\n"
    if not wanted.text:
        return f"{begin}delete table inet {TABLE}\n"
    stale = sorted(set(present) - wanted.named)
    gone = "".join(f"delete {kind} inet {TABLE} {name}\n" for kind, name in stale)
    return f"{begin}flush table inet {TABLE}\n{gone}{wanted.text}"


def counts_flows(tree: Tree) -> bool:
    """Say whether the rules depend on numbers of flows."""
    return any(pool.lb_algorithm == "LEAST_CONNECTIONS" for pool in tree.live().datagram_pools)


def _services(live: Live, states: Mapping[str, ServerState], brief: int, alike: bool) -> list[_Service]:
    tree = live.tree
    vips = [str(ip_address(vip)) for vip in tree.load_balancer.vip_addresses]
    used: set[int] = set()
    services = []
    for listener in live.datagram_listeners:
        pool = tree.active_pool(listener.default_pool_id)
        members = [] if pool is None else [each for each in tree.members_of(pool.id) if _is_healthy(each, states)]
        for family in dict.fromkeys(_family(vip) for vip in vips):
            mine = [each for each in members if _family(each.address) == family]
            targets = _targets(listener, mine, used)
            addresses = tuple(vip for vip in vips if _family(vip) == family)
            services.append(_Service(listener, pool, family, addresses, targets, brief, alike))
    return services


def _is_healthy(member: Member, states: Mapping[str, ServerState]) -> bool:
    return member.admin_state_up and states.get(member.id) != "down"


def _targets(listener: Listener, members: list[Member], used: set[int]) -> tuple[_Target, ...]:
    """Give each member its mark. Backup members have weight 0 while others have more."""
    first = any(member.weight and not member.backup for member in members)
    targets = []
    for member in members:
        mark = zlib.crc32(f"{listener.id} {ip_address(member.address)} {member.protocol_port}".encode())
        while mark in used or mark == 0:
            mark = (mark + 1) % 2**32
        used.add(mark)
        targets.append(_Target(mark, member, 0 if first and member.backup else member.weight))
    return tuple(targets)


def _family(address: str) -> str:
    return "ip" if ip_address(address).version == 4 else "ip6"


# --- blocks ---


def _memory(service: _Service) -> list[_Block]:
    """Return the map of remembered clients, the set for the connection limit, and the chain of allowed CIDRs."""
    listener = service.listener
    blocks: list[_Block] = []
    if service.kept is not None:
        kind = "ipv4_addr" if service.family == "ip" else "ipv6_addr"
        lines = [f"type {kind} : mark", f"size {_KEPT}", "flags dynamic,timeout", f"timeout {service.kept_for}s"]
        blocks.append((("map", service.kept), lines))
    if listener.connection_limit >= 0:
        blocks.append((("set", _limit(listener)), ["type inet_proto", "size 8", "flags dynamic"]))
    if listener.allowed_cidrs:
        networks = [ip_network(cidr, strict=False) for cidr in listener.allowed_cidrs]
        lines = [f"{'ip' if each.version == 4 else 'ip6'} saddr {each} return" for each in networks]
        blocks.append((("chain", f"allow_{listener.id}"), [*lines, "drop"]))
    return blocks


def _limit(listener: Listener) -> str:
    return f"limit_{_most(listener)}_{listener.id}"


def _most(listener: Listener) -> int:
    return min(listener.connection_limit, 2**32 - 1)


def _to(service: _Service, target: _Target) -> _Block:
    address, port = ip_address(target.member.address), target.member.protocol_port
    end = f"{address}:{port}" if service.family == "ip" else f"[{address}]:{port}"
    lines = [f"ct mark set {target.mark:#010x}", f"counter name new_{service.listener.id}"]
    if service.timeout is not None:
        lines.append(f'ct timeout set "{service.timeout[0][1]}"')
    if service.kept is not None:
        lines.append(f"update @{service.kept} {{ {service.client} timeout {service.kept_for}s : {target.mark:#010x} }}")
    lines.append(f"meta l4proto {service.protocol} dnat {service.family} to {end}")
    return ("chain", target.chain), lines


def _choose(service: _Service, flows: Mapping[int, int]) -> _Block:
    lines = []
    if service.listener.connection_limit >= 0:
        count = f"meta l4proto ct count over {_most(service.listener)}"
        lines.append(f"add @{_limit(service.listener)} {{ {count} }} return")
    weights = {target.chain: target.weight for target in service.targets if target.weight}
    if service.kept is not None and weights:
        known = [f"{target.mark:#010x} : goto {target.chain}" for target in service.targets if target.weight]
        # A client whose member is gone is forgotten, and gets another one.
        lines += [
            f"ct mark set {service.client} map @{service.kept}",
            f"ct mark vmap {{ {', '.join(known)} }}",
            f"delete @{service.kept} {{ {service.client} : 0 }}",
        ]
    if weights and service.pool is not None:
        have = {target.chain: flows.get(target.mark, 0) for target in service.targets}
        number, order = _number(service, service.pool, weights, have)
        ways = ", ".join(f"{place} : goto {chain}" for place, chain in runs(order))
        lines.append(f"{number} vmap {{ {ways} }}")
    return ("chain", f"choose_{service.name}"), lines


def _number(
    service: _Service, pool: Pool, weights: Mapping[str, int], have: Mapping[str, int]
) -> tuple[str, list[str]]:
    """Return the expression for the number of a new flow, and the chain that each number means."""
    if pool.lb_algorithm == "SOURCE_IP":
        return f"jhash {service.family} saddr mod {PLACES} seed {_SEED}", places(weights)
    if service.alike:
        # A client that is remembered by its address has the same member for all its flows.
        flow = service.network if service.kept is not None else f"{service.family} saddr . th sport"
        return f"jhash {flow} mod {PLACES} seed {_SEED}", places(weights)
    order = fewest(weights, have) if pool.lb_algorithm == "LEAST_CONNECTIONS" else turn(weights)
    return f"numgen inc mod {len(order)}", order


def _hooks(services: list[_Service], interfaces: int) -> Iterable[_Block]:
    choose = [f"type nat hook prerouting priority dstnat; {_OPEN}", *_dispatch(services, "choose_{0.name}")]
    directions = (("original", "in"), ("reply", "out"))
    count = [f"ct direction {each} {_counter(services, what)} accept" for each, what in directions]
    # Their source is still the member when they are routed.
    back = [
        f"type filter hook prerouting priority mangle; {_OPEN}",
        f"ct direction reply ct status dnat meta mark set {BACK}",
    ]
    # An amphora is no router: only packets of known flows pass, after one look-up each.
    forward = ["type filter hook forward priority filter; policy drop;", *count]
    # A packet without a member is rejected, or the kernel would remember it as a flow to the amphora itself.
    refuse = "meta l4proto { udp, sctp } ct state new reject"
    return (
        *_screen(services),
        *([(("chain", "back"), back)] if interfaces > 1 else []),
        (("chain", "choose"), choose),
        (("chain", "forward"), forward),
        (("chain", "refuse"), [f"type filter hook input priority filter; {_OPEN}", refuse]),
        # A client in a member's subnet must not be redirected to the member. For IPv4 a sysctl sees to it.
        (
            ("chain", "hush"),
            [f"type filter hook output priority filter; {_OPEN}", "icmpv6 type nd-redirect drop"],
        ),
        # Answers must come back here.
        (
            ("chain", "leave"),
            [f"type nat hook postrouting priority srcnat; {_OPEN}", "ct status dnat masquerade"],
        ),
    )


def _counter(services: list[_Service], what: str) -> str:
    """Return the expression that counts a packet of a known flow for its listener; other packets do not match it."""
    pairs = [(target.mark, each.listener.id) for each in services for target in each.targets]
    if len({listener for _, listener in pairs}) <= 1:
        # Without a look-up for each packet, a single listener forwards 2 % more.
        return "ct mark != 0" + "".join(f' counter name "{what}_{listener}"' for _, listener in pairs[:1])
    found = ", ".join(f'{mark:#010x} : "{what}_{listener}"' for mark, listener in pairs)
    return f"counter name ct mark map {{ {found} }}"


def _screen(services: list[_Service]) -> list[_Block]:
    """Return the hook of listeners with allowed CIDRs, which every packet passes; nothing without such listeners."""
    restricted = [each for each in services if each.listener.allowed_cidrs]
    if not restricted:
        return []
    begin = f"type filter hook prerouting priority mangle; {_OPEN}"
    return [(("chain", "screen"), [begin, *_dispatch(restricted, "allow_{0.listener.id}", "ct direction original ")])]


def _dispatch(services: list[_Service], chain: str, condition: str = "") -> list[str]:
    lines = []
    for family in _keys(services):
        ways = [f"{key} : goto {chain.format(each)}" for each in services if each.family == family for key in each.keys]
        lines.append(f"{condition}{family} daddr . meta l4proto . th dport vmap {{ {', '.join(ways)} }}")
    return lines


def _keys(services: list[_Service]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for service in services:
        found.setdefault(service.family, []).extend(service.keys)
    return found


def _write(head: str, lines: list[str]) -> str:
    return "".join([f"    {head} {{\n", *(f"        {line}\n" for line in lines), "    }\n"])
