"""Serves a real Keystone with SQLite; run by the Python of an environment that has `keystone` from PyPI.

`serve.py DIRECTORY PORT PASSWORD` makes everything in the directory: the user `admin` of the project `admin`, both
with the password, the services and their endpoints, the user `hydria` with the role service in the project `service`.
"""

import subprocess
import sys
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class _Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):  # noqa: A002
        pass


def main() -> None:
    """Make the Keystone and serve it until it is killed."""
    directory, port, password = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "keystone.conf"
    file.write_text(
        f"[DEFAULT]\nlog_file = {directory}/keystone.log\n"
        f"[database]\nconnection = sqlite:///{directory}/keystone.db\n"
        f"[fernet_tokens]\nkey_repository = {directory}/fernet\n"
        f"[credential]\nkey_repository = {directory}/credential\n"
        f"[cache]\nenabled = false\n"
    )
    manage = (str(Path(sys.executable).with_name("keystone-manage")), "--config-file", str(file))
    url = f"http://127.0.0.1:{port}/v3"
    endpoints = [part for kind in ("admin", "internal", "public") for part in (f"--bootstrap-{kind}-url", url)]
    for words in (
        ("db_sync",),
        ("fernet_setup", "--keystone-user", "root", "--keystone-group", "root"),
        ("credential_setup", "--keystone-user", "root", "--keystone-group", "root"),
        ("bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "RegionOne", *endpoints),
    ):
        subprocess.run((*manage, *words), check=True)
    sys.argv = ["keystone", "--config-file", str(file)]
    # The module reads the configuration when it is imported.
    from keystone.server.wsgi import initialize_public_application  # noqa: PLC0415

    app = initialize_public_application()
    make_server("127.0.0.1", port, app, WSGIServer, _Quiet).serve_forever()


if __name__ == "__main__":
    main()
