"""Port security in the switch: one chain of nftables for each port that has it, on the port's end there.

What was loaded is noted on the link itself (its alias), so that an unchanged port costs no process, whoever asks. A
link that is removed takes the note along; newer kernels keep the chain until it is removed by name.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from pyroute2 import IPRoute

from hydria.adapters.linux import nft
from hydria.adapters.linux.names import switch_end
from hydria.adapters.linux.netns import exists, held, netlink, reporting
from hydria.contract import Interface
from hydria.errors import HostError
from hydria.render.port_filter import TABLE, render_no_filter, render_port_filter

_NOTE = "port security "

# By switch and link, what this process wants to be loaded: it can be loaded again when somebody removed it.
_wanted: dict[tuple[str, str], str] = {}


def ensure_filter(switch_name: str, switch: IPRoute, end: dict[str, Any], interface: Interface) -> bool:
    """Let a port's end in the switch take in what the port may send; True when anything was changed.

    The link should not be up before. Raises HostError.
    """
    link = switch_end(interface.port_id)
    try:
        text = render_port_filter(interface, link)
    except ValueError as error:
        raise HostError(f"The port {interface.port_id} cannot be secured: {error}.") from error
    if text is None:
        _wanted.pop((switch_name, link), None)
        if not end.get("ifalias"):
            return False
        nft.load(switch_name, render_no_filter(link))
        switch.link("set", index=end["index"], ifalias="")
        return True
    _wanted[switch_name, link] = text
    note = _note(text)
    if end.get("ifalias") == note:
        return False
    nft.load(switch_name, text)
    switch.link("set", index=end["index"], ifalias=note)
    return True


def drop_filter(switch_name: str, link: str) -> None:
    """Remove the filter of a link that is gone, whoever loaded it; none there is fine. Raises HostError."""
    _wanted.pop((switch_name, link), None)
    nft.load(switch_name, render_no_filter(link))


def drop_filters(switch_name: str) -> None:
    """Remove the filters that this process loaded for links that are gone. Raises HostError.

    Newer kernels keep them, for a link that has the name again.
    """
    if not exists(switch_name) or not _wanted:
        return
    # Alone: a port that is attached again meanwhile would lose what it just got.
    with held(switch_name, alone=True):
        there = _links(switch_name)
        gone = [link for switch, link in list(_wanted) if switch == switch_name and link not in there]
        for link in gone:
            _wanted.pop((switch_name, link), None)
        if gone:
            nft.load(switch_name, render_no_filter(*gone))


def mend_filters(switch_name: str, plugged: Sequence[Interface]) -> None:
    """Load again what somebody removed or emptied, and remove what is left of links that are gone. Raises HostError.

    `plugged` are ports that others attached: their filters follow what the ports are now. Where nobody here knows what
    a link should have, its note goes: whoever makes the port sure loads it again.
    """
    with held(switch_name, alone=True), reporting("The ports cannot be secured"), netlink(switch_name) as switch:
        there = _links(switch_name)
        for interface in plugged:
            end = there.get(switch_end(interface.port_id))
            if end is not None:
                ensure_filter(switch_name, switch, end, interface)
                _ensure_carrier(switch, end, interface)
        loaded = nft.rules_by_chain(switch_name, "netdev", TABLE)
        texts = [render_no_filter(*(name for name in loaded if name not in there))]
        for name, end in _links(switch_name).items():
            note, text = str(end.get("ifalias") or ""), _wanted.get((switch_name, name))
            if not note.startswith(_NOTE):
                continue
            if text is not None and note == _note(text):
                if loaded.get(name) != _rules(text):
                    texts.append(text)
            elif not loaded.get(name):
                switch.link("set", index=end["index"], ifalias="")
        if any(texts):
            nft.load(switch_name, "".join(texts))


def _links(switch_name: str) -> dict[str, dict[str, Any]]:
    with netlink(switch_name) as switch:
        return {str(link.get("ifname")): link for link in switch.get_links()}


def _ensure_carrier(switch: IPRoute, end: dict[str, Any], interface: Interface) -> None:
    state = "up" if interface.admin_state_up else "down"
    if end["state"] != state:
        switch.link("set", index=end["index"], state=state)


def _note(text: str) -> str:
    return _NOTE + hashlib.sha256(text.encode()).hexdigest()[:32]


def _rules(text: str) -> int:
    """Return how many rules a filter has: all lines of its chain but the hook's."""
    return sum(line.startswith("        ") for line in text.splitlines()) - 1
