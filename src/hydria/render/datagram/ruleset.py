"""The rules of one amphora's datagram listeners, and the transaction that brings a namespace to them. Pure.

A new flow goes: `choose` (which listener) → `choose_…` (kept with a member, or whose turn it is) → `to_…` (one member:
the flow is marked, its client kept, its packets translated both ways). Later packets follow their connection in the
kernel. The mark of a flow says listener and member, for counters and for whoever ends flows.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address, ip_network

from msgspec import Struct

from hydria.model import Listener, Member, Pool, Tree
from hydria.model.status import ServerState
from hydria.model.tree import Live
from hydria.render.datagram.sharing import PLACES, fewest, places, runs, turn

TABLE = "hydria_flows"

# How long the kernel keeps a flow of UDP that was over within two seconds (seconds). The source ports of one address
# are 64,512 for each member: so many flows begin in this time at most.
BRIEF = 10

# Any number, but always the same: where a client is hashed to must not change with the rules.
_SEED = "0x68796472"

# How long a client is kept where nobody says (keepalived's default; seconds), and how many are remembered.
_KEPT_FOR = 360
# What nft takes for a number of seconds has at most eight digits.
_LONGEST_KEPT = 10**7
_KEPT = 65536

# What packets to clients carry where there are several ways: they take the VIP's.
BACK = 1

# Timeouts of a listener that nobody has chosen (Octavia's defaults; milliseconds).
_UNCHOSEN = (0, 50_000)
# How long the kernel keeps a flow that goes on for more than two seconds, from its last packet on (seconds).
_STREAM = 120

# A listener's counters are called so, with its id: bytes of clients, bytes for clients, flows.
COUNTED = ("in", "out", "new")

_OPEN = "policy accept;"

# What has a name in the table and outlives its rules, as nft calls it: kind and name.
Named = tuple[str, str]

# Address, protocol (`udp`, `sctp`) and port.
End = tuple[str, str, int]

_Block = tuple[Named, list[str]]


class Ruleset(Struct, frozen=True, kw_only=True):
    """The table as it should be; `text` is empty where no datagrams are served.

    `marks` are those of flows that may go on, with listener and member of each; `ends` is where clients send to.
    """

    text: str = ""
    named: frozenset[Named] = frozenset()
    marks: Mapping[int, tuple[str, str]] = {}
    ends: frozenset[End] = frozenset()


class _Target(Struct, frozen=True):
    """A member that flows may be with; `weight` is 0 where new ones are not for it."""

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
    # How long the kernel keeps a short exchange where the listener does not say (seconds).
    brief: int

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
        """The map of clients to marks, or None where they are not kept. What it depends on is in its name."""
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
        """How long the kernel keeps a flow, from its last packet on; what it says is in its name.

        Of UDP only, of which no packet is the last. An answer within two seconds makes no stream of a flow.
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
        """What of a packet says which client it is of."""
        keeping = self.pool.session_persistence if self.pool is not None else None
        mask = keeping.persistence_granularity if keeping is not None else None
        mask = f" & {ip_address(mask)}" if mask is not None and _family(mask) == self.family else ""
        return f"{self.family} saddr{mask}"


def ruleset(
    tree: Tree,
    states: Mapping[str, ServerState],
    flows: Mapping[int, int] | None = None,
    *,
    ways: int = 1,
    brief: int = BRIEF,
) -> Ruleset:
    """Return the rules for a tree; members that are `down` get nothing. Raises ValueError for what is no address.

    `flows` says how many there are of each mark, for LEAST_CONNECTIONS, `ways` how many legs the amphora has, `brief`
    how long a flow of UDP is kept that was over within two seconds (seconds).
    """
    live = tree.live()
    if not live.counted_datagram_listeners:
        return Ruleset()
    services = _services(live, states, brief)
    counted = (each.id for each in live.counted_datagram_listeners)
    blocks: list[_Block] = [(("counter", f"{what}_{key}"), []) for key in counted for what in COUNTED]
    for service in services:
        blocks += [*_memory(service), *([service.timeout] if service.timeout is not None else [])]
        blocks += [_to(service, target) for target in service.targets]
        blocks.append(_choose(service, flows or {}))
    # What a listener has for both of its IP versions comes twice here.
    unique = dict([*blocks, *_hooks(services, ways)])
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
    """Return the text for `nft -f` that leaves what is wanted, with `present` in the table before.

    Counters, and clients that are kept, stay as they are.
    """
    # Naming the table first makes what follows good whether or not it was there.
    begin = f"table inet {TABLE}\n"
    if not wanted.text:
        return f"{begin}delete table inet {TABLE}\n"
    stale = sorted(set(present) - wanted.named)
    gone = "".join(f"delete {kind} inet {TABLE} {name}\n" for kind, name in stale)
    return f"{begin}flush table inet {TABLE}\n{gone}{wanted.text}"


def counts_flows(tree: Tree) -> bool:
    """Say whether the rules depend on how many flows there are."""
    return any(pool.lb_algorithm == "LEAST_CONNECTIONS" for pool in tree.live().datagram_pools)


def _services(live: Live, states: Mapping[str, ServerState], brief: int) -> list[_Service]:
    tree = live.tree
    vips = [str(ip_address(vip)) for vip in tree.load_balancer.vip_addresses]
    used: set[int] = set()
    services = []
    for listener in live.datagram_listeners:
        pool = tree.active_pool(listener.default_pool_id)
        members = [] if pool is None else [each for each in tree.members_of(pool.id) if _lives(each, states)]
        for family in dict.fromkeys(_family(vip) for vip in vips):
            mine = [each for each in members if _family(each.address) == family]
            targets = _targets(listener, mine, used)
            addresses = tuple(vip for vip in vips if _family(vip) == family)
            services.append(_Service(listener, pool, family, addresses, targets, brief))
    return services


def _lives(member: Member, states: Mapping[str, ServerState]) -> bool:
    return member.admin_state_up and states.get(member.id) != "down"


def _targets(listener: Listener, members: list[Member], used: set[int]) -> tuple[_Target, ...]:
    """Give each member its mark. Members that are backups weigh nothing while others do."""
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
    """Return who is kept where, how many there are, and who may come at all."""
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
        # Who is kept with a member that is no more is forgotten, and may be kept anew.
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
    """Return the number that the kernel finds for a new flow, and who each number means."""
    if pool.lb_algorithm == "SOURCE_IP":
        return f"jhash {service.family} saddr mod {PLACES} seed {_SEED}", places(weights)
    order = fewest(weights, have) if pool.lb_algorithm == "LEAST_CONNECTIONS" else turn(weights)
    return f"numgen inc mod {len(order)}", order


def _hooks(services: list[_Service], ways: int) -> Iterable[_Block]:
    choose = [f"type nat hook prerouting priority dstnat; {_OPEN}", *_dispatch(services, "choose_{0.name}")]
    directions = (("original", "in"), ("reply", "out"))
    count = [f"ct direction {each} {_counter(services, what)} accept" for each, what in directions]
    # When they are routed their source is still the member.
    back = [
        f"type filter hook prerouting priority mangle; {_OPEN}",
        f"ct direction reply ct status dnat meta mark set {BACK}",
    ]
    # An amphora is no router: nothing passes but flows that are known, each packet by one look.
    forward = ["type filter hook forward priority filter; policy drop;", *count]
    # What no member took is refused, or the kernel would remember it as a flow that ends here.
    refuse = "meta l4proto { udp, sctp } ct state new reject"
    return (
        *_screen(services),
        *([(("chain", "back"), back)] if ways > 1 else []),
        (("chain", "choose"), choose),
        (("chain", "forward"), forward),
        (("chain", "refuse"), [f"type filter hook input priority filter; {_OPEN}", refuse]),
        # A client beside a member must not be told to go to it directly. Of IPv4 the namespace says so.
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
    """Return what counts a packet of a known flow for its listener, and what no other packet passes."""
    pairs = [(target.mark, each.listener.id) for each in services for target in each.targets]
    if len({listener for _, listener in pairs}) <= 1:
        # Without a look-up for each packet a single listener carries 2 % more.
        return "ct mark != 0" + "".join(f' counter name "{what}_{listener}"' for _, listener in pairs[:1])
    found = ", ".join(f'{mark:#010x} : "{what}_{listener}"' for mark, listener in pairs)
    return f"counter name ct mark map {{ {found} }}"


def _screen(services: list[_Service]) -> list[_Block]:
    """Return the hook for those that not everybody may come to; every packet passes it."""
    picky = [each for each in services if each.listener.allowed_cidrs]
    if not picky:
        return []
    begin = f"type filter hook prerouting priority mangle; {_OPEN}"
    return [(("chain", "screen"), [begin, *_dispatch(picky, "allow_{0.listener.id}", "ct direction original ")])]


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
