"""Explanations and plans of the API as lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hydria.errors import SettingsError


def request_of(text: str, headers: Sequence[str], source: str | None, certificate: str | None = None) -> dict[str, Any]:
    """Return the body of a request such as `GET https://host/path`. Raises SettingsError.

    `certificate` is the path of the client's certificate (PEM).
    """
    method, _, url = text.strip().rpartition(" ")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "tcp", "udp", "sctp") or not parts.hostname:
        raise SettingsError(f"'{text}' is no request. Write it like this: GET http://www.example.org/path")
    found: dict[str, list[str]] = {}
    for each in headers:
        name, colon, value = each.partition(":")
        if not colon:
            raise SettingsError(f"'{each}' is no header. Write it like this: Name: value")
        found.setdefault(name.strip(), []).append(value.strip())
    try:
        port = parts.port
    except ValueError:
        raise SettingsError(f"The port of {url} must be a number from 1 to 65535.") from None
    body = {
        "method": method.strip() or "GET",
        "scheme": parts.scheme,
        "host": parts.netloc.rpartition("@")[2],
        "path": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        "headers": found,
    }
    optional: dict[str, Any] = {
        "port": port,
        "source": source,
        "sni": parts.hostname if parts.scheme == "https" else None,
    }
    if certificate is not None:
        optional["client_certificate"] = _content(certificate)
    return body | {name: value for name, value in optional.items() if value is not None}


def _content(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None


def state_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a load balancer is as it is."""
    name = found["name"] or found["loadbalancer_id"]
    since = f" since {found['since']}" if found["since"] else ""
    yield f"{name} is {found['provisioning_status']} and {found['operating_status']}{since}."
    yield found["summary"]
    for each in found["waiting_for"][1:]:
        yield each["sentence"]
    for each in found["troubles"]:
        yield f"{each['resource']} {each['name'] or each['id']}: {each['reason']}"
    # Servers of the version before have neither.
    for each in found.get("certificates", ()):
        yield each["sentence"]
    if (over := found.get("last_failure")) is not None:
        yield over["sentence"]
    for each in found["members"]:
        label = each["name"] or f"{each['address']}:{each['protocol_port']}"
        pool = each["pool_name"] or each["pool_id"]
        yield f"member {label} of pool {pool} is {each['operating_status']}: {each['sentence']}"
        for check in each["checks"]:
            if check["result"] is not None:
                where = f"host {check['host']}: " if check["host"] else ""
                yield f"  {where}{check['result']}{_seen(check)}"


def _seen(check: Mapping[str, Any]) -> str:
    words = []
    if check["code"] is not None:
        words.append(f"code {check['code']}")
    if check["latency_ms"] is not None:
        words.append(f"after {check['latency_ms']} ms")
    if check["seconds"] is not None:
        words.append(f"for {check['seconds']} s")
    return f" ({', '.join(words)})" if words else ""


def request_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a request would go, and why."""
    listener = found["listener"]
    if listener is not None:
        name = listener["name"] or listener["id"]
        yield f"listener {name} ({listener['protocol']}, port {listener['protocol_port']})"
    if (tls := found.get("tls")) is not None:
        yield tls["sentence"]
    for policy in found["policies"]:
        mark = "->" if policy["decides"] else "  "
        yield f"{mark} policy {policy['name'] or policy['id']} ({policy['action']}): {policy['sentence']}"
        for rule in policy["rules"]:
            yield f"     {'yes' if rule['matched'] else 'no '} {rule['sentence']}"
    for member in found["members"]:
        label = member["name"] or f"{member['address']}:{member['protocol_port']}"
        yield f"   {'+' if member['takes'] else '-'} member {label}: {member['sentence']}"
    if found["persistence"] is not None:
        yield found["persistence"]["sentence"]
    yield from found["notes"]
    yield found["sentence"] + (f" (status {found['status']})" if found["status"] is not None else "")


def plan_lines(plan: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what a change would do on the hosts."""
    if plan is None:
        return
    yield f"Way: {plan['way']}"
    for step in plan["steps"]:
        yield f"  {step}"
    for each in plan["cut"]:
        count = "" if each["connections"] is None else f" ({each['connections']} connections now)"
        yield f"Cut: {each['resource']} {each['name'] or each['id']}{count}: {each['reason']}"
    yield from plan["notes"]
    for text in (plan["haproxy"], plan["nftables"]):
        yield from text.splitlines()
    yield "Nothing was changed."
