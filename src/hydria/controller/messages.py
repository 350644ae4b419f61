"""Decoding of agents' messages. Nothing in them is trusted: an agent may be another version, or broken."""

import contextlib
import re

import msgspec
from msgspec import Struct

from hydria.contract import Description, Holding, Joining, Report, Reports
from hydria.controller.reports import out_of_range
from hydria.errors import Invalid

_LONGEST_NAME = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Envelope(Struct, frozen=True, kw_only=True):
    """`Reports` whose parts are decoded one by one."""

    host: str
    reports: tuple[msgspec.Raw, ...] = ()
    described: tuple[msgspec.Raw, ...] = ()


class _Described(Struct, frozen=True, kw_only=True):
    amphora_id: str


_holding = msgspec.json.Decoder(Holding)
_joining = msgspec.json.Decoder(Joining)
_envelope = msgspec.json.Decoder(_Envelope)
_report = msgspec.json.Decoder(Report)


def decode_holding(content: bytes) -> Holding:
    """Return the holding of a host. Raises Invalid."""
    try:
        holding = _holding.decode(content)
    except msgspec.DecodeError as error:
        raise Invalid(f"This is not a holding: {error}.") from None
    _check_host(holding.host, holding.name)
    return holding


def decode_joining(content: bytes) -> Joining:
    """Return what a host sends to join. Raises Invalid."""
    try:
        joining = _joining.decode(content)
    except msgspec.DecodeError as error:
        raise Invalid(f"This is no request to join: {error}.") from None
    _check_host(joining.host, joining.name)
    return joining


def decode_reports(content: bytes) -> tuple[Reports, list[str]]:
    """Return the reports of a host, and a sentence for each one that is refused. Raises Invalid."""
    reports: list[Report] = []
    refused: list[str] = []
    try:
        envelope = _envelope.decode(content)
        whole = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        for name in ("reports", "described"):
            whole.pop(name, None)
        rest = msgspec.json.decode(msgspec.json.encode(whole), type=Reports)
    except msgspec.DecodeError as error:
        raise Invalid(f"These are not reports: {error}.") from None
    _check_host(rest.host)
    for number, raw in enumerate(envelope.reports):
        try:
            report = _report.decode(raw)
        except msgspec.DecodeError as error:
            refused.append(f"Report {number} cannot be read: {error}.")
            continue
        trouble = out_of_range(report)
        if trouble is None:
            reports.append(report)
        else:
            refused.append(f"Report {number} (amphora {report.amphora_id[:36]}): {trouble}")
    described = tuple(_description(raw) for raw in envelope.described)
    return msgspec.structs.replace(rest, reports=tuple(reports), described=described), refused


def _description(raw: msgspec.Raw) -> Description:
    """Return a description; only the amphora's id if another version wrote the instance. Raises Invalid."""
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(raw, type=Description)
    try:
        return Description(amphora_id=msgspec.json.decode(raw, type=_Described).amphora_id, instance=None)
    except msgspec.DecodeError as error:
        raise Invalid(f"A description cannot be read: {error}.") from None


def _check_host(host: str, name: str = "") -> None:
    """Refuse an id of a host, or a name that is given and cannot be one. Raises Invalid."""
    if any(not 0 < len(text) <= _LONGEST_NAME or _CONTROL.search(text) for text in (host, name or host)):
        raise Invalid(f"A host's name has 1 to {_LONGEST_NAME} characters and no control characters.")
