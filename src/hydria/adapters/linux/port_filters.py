"""Port security in the switch: an nftables chain for each port that has it, on the port's end there.

The link's alias has a hash of the loaded rules, so that an unchanged port costs no process. A removed link loses its
alias; newer kernels keep its chain until it is removed by name.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import structs

from hydria.adapters.linux import nft
from hydria.adapters.linux.names import switch_end
from hydria.adapters.linux.netns import exists, held, netlink, reporting
from hydria.adapters.linux.rtnetlink import Netlink, State
from hydria.contract import Interface
from hydria.errors import HostError
from hydria.render.port_filter import TABLE, Forward, render_no_filter, render_port_filter

_NOTE = "port security "

# The rules that this process has loaded, by switch and link, to load them again when somebody else removed them.
_wanted: dict[tuple[str, str], str] = {}


def ensure_filter(
    switch_name: str, switch: Netlink, end: dict[str, Any], interface: Interface, forwards: Collection[Forward] = ()
) -> bool:
    """Load the filter of a port's end in the switch; return True when anything was changed.

    The link should be down until then. Raises HostError.
    """
    link = switch_end(interface.port_id)
    try:
        text = render_port_filter(interface, link, forwards)
    except ValueError as error:
        raise HostError(f"The port {interface.port_id} cannot be secured: {error}.") from error
    if text is None:
        _wanted.pop((switch_name, link), None)
        if not end.get("ifalias"):
            return False
        nft.load(switch_name, render_no_filter(link))
        switch.set_link(end["index"], ifalias="")
        return True
    _wanted[switch_name, link] = text
    note = _note(text)
    if end.get("ifalias") == note:
        return False
    nft.load(switch_name, text)
    switch.set_link(end["index"], ifalias=note)
    return True


def rename_filter(switch_name: str, before: dict[str, Any], mac: str, interface: Interface) -> None:
    """Replace the filter of a link that was renamed to be this port's; `before` is the link as it was.

    Raises HostError. Until `ensure_filter` is called, the link may also send from its MAC so far (`mac`), so that no
    packet is lost while the MAC changes.
    """
    name = str(before.get("ifname"))
    _wanted.pop((switch_name, name), None)
    if not before.get("ifalias"):
        return
    pairs = tuple(structs.replace(pair, mac=mac) for pair in interface.address_pairs)
    wide = structs.replace(interface, address_pairs=(*interface.address_pairs, *pairs))
    text = render_port_filter(wide, switch_end(interface.port_id))
    nft.load(switch_name, render_no_filter(name) + (text or ""))


def drop_filter(switch_name: str, link: str) -> None:
    """Remove the filter of a link that is gone, if there is one. Raises HostError."""
    _wanted.pop((switch_name, link), None)
    nft.load(switch_name, render_no_filter(link))


def drop_filters(switch_name: str) -> None:
    """Remove the filters that this process loaded for links that are gone. Raises HostError.

    Newer kernels keep them for a later link of the same name.
    """
    if not exists(switch_name) or not _wanted:
        return
    # Exclusively, because a port that is attached again meanwhile would lose its new filter.
    with held(switch_name, alone=True):
        there = _links(switch_name)
        gone = [link for switch, link in list(_wanted) if switch == switch_name and link not in there]
        for link in gone:
            _wanted.pop((switch_name, link), None)
        if gone:
            nft.load(switch_name, render_no_filter(*gone))


def repair_filters(switch_name: str, plugged: Sequence[Interface]) -> None:
    """Load filters again that others removed or emptied, and remove those of links that are gone. Raises HostError.

    `plugged` are ports that `hydria plug` attached: their filters follow the ports. Where this process does not know a
    link's filter, it removes the alias, so that the next `ensure_filter` loads the filter again.
    """
    with reporting("The ports cannot be secured"), netlink(switch_name) as switch:
        with held(switch_name):
            there = _links(switch_name) if plugged else {}
            for interface in plugged:
                end = there.get(switch_end(interface.port_id))
                if end is not None:
                    ensure_filter(switch_name, switch, end, interface)
                    _ensure_carrier(switch, end, interface)
        # With very many ports a look takes a second, and nobody should wait for it: it is repeated if there is a fault.
        if _broken(switch_name) == ([], []):
            return
        with held(switch_name, alone=True):
            texts, unknown = _broken(switch_name)
            for index in unknown:
                switch.set_link(index, ifalias="")
            if texts:
                nft.load(switch_name, "".join(texts))


def _broken(switch_name: str) -> tuple[list[str], list[int]]:
    """Return the rules that mend what is wrong, and the indexes of links whose missing filter this process does not
    know.
    """
    texts, unknown = [], []
    loaded, there = nft.rules_by_chain(switch_name, "netdev", TABLE), _links(switch_name)
    gone = [name for name in loaded if name not in there]
    if gone:
        texts.append(render_no_filter(*gone))
    for name, end in there.items():
        note, text = str(end.get("ifalias") or ""), _wanted.get((switch_name, name))
        if not note.startswith(_NOTE):
            continue
        if text is not None and note == _note(text):
            if loaded.get(name) != _rules(text):
                texts.append(text)
        elif not loaded.get(name):
            unknown.append(int(end["index"]))
    return texts, unknown


def _links(switch_name: str) -> dict[str, dict[str, Any]]:
    with netlink(switch_name) as switch:
        return {str(link.get("ifname")): link for link in switch.get_links()}


def _ensure_carrier(switch: Netlink, end: dict[str, Any], interface: Interface) -> None:
    state: State = "up" if interface.admin_state_up else "down"
    if end["state"] != state:
        switch.set_link(end["index"], state=state)


def _note(text: str) -> str:
    return _NOTE + hashlib.sha256(text.encode()).hexdigest()[:32]


def _rules(text: str) -> int:
    """Return the number of rules in a filter: all lines of its chain but the hook's."""
    return sum(line.startswith("        ") for line in text.splitlines()) - 1
