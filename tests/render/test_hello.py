"""Servers of every TLS version answer the hello of a check with their own."""

import ssl
from pathlib import Path

import pytest

from hydria.render.haproxy.hello import client_hello
from tests.support.certificates import leaf

HANDSHAKE = 0x16


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_servers_of_each_version_answer(version: ssl.TLSVersion, tmp_path: Path) -> None:
    (tmp_path / "leaf.pem").write_text(leaf("www.example.org").bundle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    context.minimum_version = context.maximum_version = version
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(heard, said, server_side=True)
    heard.write(bytes.fromhex(client_hello()))
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    assert said.read()[0] == HANDSHAKE
