"""The first message of a TLS handshake (RFC 8446, 4.1.2), for TLS-HELLO checks. Pure.

HAProxy's own message (`option ssl-hello-chk`) is that of SSLv3, at which some servers hang up.
"""

# TLS 1.3 to 1.0, and common cipher suites, groups and signatures of each.
_VERSIONS = "0304 0303 0302 0301"
_SUITES = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 009e c013 c014 009c 009d 002f 0035 00ff"
_GROUPS = "001d 0017 0018"
_SIGNATURES = "0403 0503 0804 0805 0806 0401 0501 0601 0807 0203 0201"


def client_hello() -> str:
    """Return the record in hexadecimal digits. It is always the same, as no handshake is finished with it."""
    extensions = (
        _extension(43, _vector(bytes.fromhex(_VERSIONS), 1)),
        _extension(10, _vector(bytes.fromhex(_GROUPS), 2)),
        _extension(11, _vector(b"\0", 1)),
        _extension(13, _vector(bytes.fromhex(_SIGNATURES), 2)),
        # No key share: a server of TLS 1.3 asks for one, which is a sufficient answer.
        _extension(51, _vector(b"", 2)),
    )
    random, session, compression = bytes(32), _vector(b"", 1), _vector(b"\0", 1)
    suites = _vector(bytes.fromhex(_SUITES), 2)
    body = b"\3\3" + random + session + suites + compression + _vector(b"".join(extensions), 2)
    return (b"\x16\3\1" + _vector(b"\1" + _vector(body, 3), 2)).hex()


def _extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _vector(content, 2)


def _vector(content: bytes, size: int) -> bytes:
    """Return content with its length before it, in so many bytes."""
    return len(content).to_bytes(size, "big") + content
