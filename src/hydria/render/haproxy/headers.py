"""The headers that a listener adds to requests for its pools (Octavia's `insert_headers`). Pure."""

from hydria.model import Listener

# Octavia's headers with data of the client's certificate; without a certificate they are empty.
_OF_CLIENT_CERTIFICATES = {
    "X-SSL-Client-Verify": "%[ssl_c_verify]",
    "X-SSL-Client-Has-Cert": "%[ssl_c_used]",
    "X-SSL-Client-DN": "%{+Q}[ssl_c_s_dn]",
    "X-SSL-Client-CN": "%{+Q}[ssl_c_s_dn(cn)]",
    "X-SSL-Issuer": "%{+Q}[ssl_c_i_dn]",
    "X-SSL-Client-SHA1": "%{+Q}[ssl_c_sha1,hex]",
    "X-SSL-Client-Not-Before": "%{+Q}[ssl_c_notbefore]",
    "X-SSL-Client-Not-After": "%{+Q}[ssl_c_notafter]",
}

# These headers have one value: the client's own is replaced, while X-Forwarded-For gets one more.
_OF_ADDRESSES = ("X-Forwarded-IP", "X-Client-IP", "X-Real-IP")


def header_lines(listener: Listener) -> list[str]:
    """Return the lines that add the headers; in backends, so that L7 policies see the headers of the client."""
    wanted = {name for name, value in (listener.insert_headers or {}).items() if value.lower() == "true"}
    lines = []
    if "X-Forwarded-For" in wanted:
        lines.append("option forwardfor")
    values = dict.fromkeys(_OF_ADDRESSES, "%[src]")
    values |= {"X-Forwarded-Port": "%[dst_port]", "X-Forwarded-Proto": _scheme(listener)}
    values |= _OF_CLIENT_CERTIFICATES
    lines += [f"http-request set-header {name} {value}" for name, value in values.items() if name in wanted]
    return lines


def _scheme(listener: Listener) -> str:
    return "https" if listener.protocol == "TERMINATED_HTTPS" else "http"
