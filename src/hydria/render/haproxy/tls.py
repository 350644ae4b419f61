"""TLS to clients and members: the words of a line, and the files that they name. Pure.

A file's name depends on its purpose, not on its content, so a renewed certificate changes no line.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from hydria.model import Listener, Pool, Tree
from hydria.model.references import Purpose, has_certificates, needed_references, references_of
from hydria.model.tls import CIPHERS, VERSIONS
from hydria.model.tree import Live
from hydria.render.quoting import quote
from hydria.trials import SUITES

# The directory of the files, and the ends of their names.
FOLDER = "tls"
LIST, CERTIFICATE, AUTHORITY, REVOCATIONS = ".list", ".pem", ".ca", ".crl"

# The file of the keys of TLS session tickets, and how many HAProxy uses; the last but one encrypts.
TICKETS = "tickets.keys"
_TICKET_KEYS = 3

_ENDS: dict[Purpose, str] = {"certificate": CERTIFICATE, "ca": AUTHORITY, "crl": REVOCATIONS}

_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# HAProxy's names of versions, where they differ.
_HAPROXY_VERSIONS = {"TLSv1": "TLSv1.0"}
# OpenSSL uses these versions only at a lower security level, and Octavia's default ciphers have none for them.
_OLD = ("TLSv1", "TLSv1.1")
_FOR_OLD = ("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA")
_AUTHENTICATION = {"OPTIONAL": "optional", "MANDATORY": "required"}


class SecretFile(Struct, frozen=True, kw_only=True):
    """The file of a reference's secret."""

    name: str
    reference: str
    purpose: Purpose


def place(directory: str, name: str) -> str:
    """Return the path of a file in an amphora's directory."""
    return f"{directory}/{FOLDER}/{name}"


def secret_files(live: Live) -> Iterator[SecretFile]:
    """Yield the files with secrets that the configuration names."""
    for resource in live.haproxy_resources:
        for reference, purpose in needed_references(resource):
            yield SecretFile(name=_name(resource, reference, purpose), reference=reference, purpose=purpose)


def files(live: Live, secrets: Mapping[str, str], directory: str, ticket_keys: Sequence[str] = ()) -> dict[str, str]:
    """Return all files by path: the secrets, and the list of each listener's certificates, the default one first."""
    found = {place(directory, each.name): secrets.get(each.reference, "") for each in secret_files(live)}
    for listener in filter(has_certificates, live.haproxy_listeners):
        # Names without the folder: a space in a line of the list would end a path.
        names = [each.name for each in _files_of(listener) if each.purpose == "certificate"]
        found[place(directory, f"{listener.id}{LIST}")] = "".join(f"{name}\n" for name in names)
        if _shares_tickets(listener, ticket_keys):
            found[place(directory, TICKETS)] = "".join(f"{key}\n" for key in ticket_keys)
    return found


def global_lines(tree: Tree, directory: str) -> list[str]:
    """Return the lines in the global section: the base directory of certificates in lists."""
    listed = any(has_certificates(listener) for listener in tree.listeners)
    return [f"crt-base {quote(f'{directory}/{FOLDER}')}"] if listed else []


def _shares_tickets(listener: Listener, ticket_keys: Sequence[str]) -> bool:
    """Say whether a listener's sessions go on at the other amphora of a pair.

    Those of clients with certificates do not: a resumed session is not verified again, so a session must end with the
    process that knew the CA then.
    """
    return len(ticket_keys) >= _TICKET_KEYS and listener.client_authentication not in _AUTHENTICATION


def bind_words(listener: Listener, directory: str, ticket_keys: Sequence[str] = ()) -> str:
    """Return the TLS words of a listener's `bind` line, with a space before them; empty without TLS."""
    authenticates = listener.client_authentication in _AUTHENTICATION
    if not has_certificates(listener):
        if listener.protocol == "TERMINATED_HTTPS" or authenticates:
            raise ValueError(f"the listener {listener.id} has no certificate")
        return ""
    words = ["ssl", "crt-list", place(directory, f"{listener.id}{LIST}")]
    kept = _paths(listener, directory)
    if authenticates and "ca" not in kept:
        raise ValueError(f"the listener {listener.id} asks for clients' certificates and has no CA")
    if authenticates:
        words += ["ca-file", kept["ca"], "verify", _AUTHENTICATION[listener.client_authentication]]
        if "crl" in kept:
            words += ["crl-file", kept["crl"]]
    if _shares_tickets(listener, ticket_keys):
        words += ["tls-ticket-keys", place(directory, TICKETS)]
    words += _ciphers(listener)
    words += _versions(listener.tls_versions)
    words += _protocols("alpn", listener.alpn_protocols)
    return " " + " ".join(map(quote, words))


def response_lines(listener: Listener) -> list[str]:
    """Return the lines that add a listener's header to responses (HSTS)."""
    if listener.hsts_max_age is None or not has_certificates(listener):
        return []
    value = f"max-age={listener.hsts_max_age}"
    if listener.hsts_include_subdomains:
        value += "; includeSubDomains"
    if listener.hsts_preload:
        value += "; preload"
    return [f"http-response set-header Strict-Transport-Security {quote(value)}"]


def server_words(pool: Pool, directory: str) -> list[str]:
    """Return the TLS words of a member's `server` line, for `Server.options`."""
    if not pool.tls_enabled:
        return []
    kept = _paths(pool, directory)
    words = ["ssl"]
    if "certificate" in kept:
        words += ["crt", kept["certificate"]]
    words += ["ca-file", kept["ca"], "verify", "required"] if "ca" in kept else ["verify", "none"]
    if "crl" in kept:
        words += ["crl-file", kept["crl"]]
    # The member gets the server name of the client.
    words += ["sni", "ssl_fc_sni"]
    words += _ciphers(pool)
    words += _versions(pool.tls_versions)
    return words + _protocols("alpn", pool.alpn_protocols)


def check_protocols(pool: Pool) -> list[str]:
    """Return the words for the ALPN protocols of a check, which are those of the traffic.

    Without these words HAProxy offers the same protocols, but then speaks HTTP/1 whatever was negotiated.
    """
    return _protocols("check-alpn", pool.alpn_protocols)


def _files_of(resource: Listener | Pool) -> Iterator[SecretFile]:
    for reference, purpose in references_of(resource):
        yield SecretFile(name=_name(resource, reference, purpose), reference=reference, purpose=purpose)


def _name(resource: Listener | Pool, reference: str, purpose: Purpose) -> str:
    label = ""
    if isinstance(resource, Listener) and purpose == "certificate":
        default = reference == resource.default_tls_container_ref
        label = ".default" if default else f".{hashlib.sha256(reference.encode()).hexdigest()[:16]}"
    return f"{resource.id}{label}{_ENDS[purpose]}"


def _paths(resource: Listener | Pool, directory: str) -> dict[str, str]:
    """Return one path for each purpose."""
    return {each.purpose: place(directory, each.name) for each in _files_of(resource)}


def _ciphers(resource: Listener | Pool) -> list[str]:
    """Return the words for ciphers; OpenSSL configures those of TLS 1.3 apart from all others."""
    old = any(version in _OLD for version in resource.tls_versions or ())
    named = (resource.tls_ciphers or CIPHERS).split(":")
    newest = [name for name in named if name.startswith("TLS_")]
    # OpenSSL refuses a list of suites with one unknown name, while it ignores unknown names among ciphers.
    newest = [name for name in newest if name in SUITES] or newest
    others = [name for name in named if name and not name.startswith("TLS_")]
    if old:
        if not others or ":".join(named) == CIPHERS:
            others += _FOR_OLD
        if not any("@SECLEVEL" in name for name in others):
            others.append("@SECLEVEL=0")
    words = ["ciphers", quote(":".join(others))] if others else []
    return [*words, "ciphersuites", quote(":".join(newest))] if newest else words


def _versions(versions: Sequence[str] | None) -> list[str]:
    wanted = [index for index, version in enumerate(_VERSIONS) if version in (versions or VERSIONS)]
    least, most = wanted[0], wanted[-1]
    words = ["ssl-min-ver", _haproxy_version(least), "ssl-max-ver", _haproxy_version(most)]
    gaps = (index for index in range(least, most) if index not in wanted)
    return words + [f"no-{_haproxy_version(index).lower().replace('.', '')}" for index in gaps]


def _haproxy_version(index: int) -> str:
    return _HAPROXY_VERSIONS.get(_VERSIONS[index], _VERSIONS[index])


def _protocols(word: str, protocols: Iterable[str] | None) -> list[str]:
    return [word, ",".join(protocols)] if protocols else []
