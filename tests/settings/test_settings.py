"""Settings: defaults, the file, the environment, and mistakes with their places."""

from pathlib import Path

import pytest

from hydria.errors import SettingsError
from hydria.settings import Key, Settings, every_key, example, load

ROOT = Path(__file__).parents[2]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "hydria.toml"
    file.write_text(text)
    return file


def refusal(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ)
    return str(caught.value).splitlines()


def test_the_file_sets_and_the_environment_overrides(tmp_path: Path) -> None:
    file = written(tmp_path, 'state_dir = "/srv/h"\n[server]\nport = 80\nhost = "::"\n[agent]\nmemory_mb = 32\n')
    environ = {"HYDRIA_SERVER_PORT": "8080", "HYDRIA_API_STRICT_IMMUTABLE": "true", "HYDRIA_SERVER_HOST": ""}
    settings = load(file, environ)
    assert settings.state_dir == Path("/srv/h")
    assert settings.server.port == 8080
    assert settings.server.host == "::"
    assert settings.api.strict_immutable is True
    assert settings.agent.memory_mb == 32


def test_a_variable_may_name_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "[server]\nport = 81\n")
    assert load(None, {"HYDRIA_SETTINGS": str(file)}).server.port == 81
    assert load(written(tmp_path, ""), {"HYDRIA_SETTINGS": "/nowhere"}) == Settings()


@pytest.mark.parametrize("key", list(every_key()), ids=lambda key: str(key.dotted))
def test_every_key_can_be_set_by_its_variable(key: Key, tmp_path: Path) -> None:
    good = {
        "url": "postgresql://u@h/n",
        "public_url": "http://x:1",
        "server_url": "http://x:1",
        "agents_url": "https://x:1",
        "policy_file": "/p",
        "host": "name",
        "max_connections": "10",
        "memory_mb": "20",
        "auth_url": "https://x/v3",
        "directory_url": "https://x/directory",
        "password": "p",
        "bridges": "physnet1:br0,physnet2:br1",
        "cafile": "/ca.pem",
        "syslog": "/dev/log",
        "haproxy_user": "haproxy",
        "haproxy_group": "haproxy",
    }
    good |= {"ovsdb": "unix:/run/db.sock", "neutron_host": "name", "region": "RegionOne"}
    good |= {"url": "http://x:9696"} if key.section in ("network", "secrets") else {}
    value = good.get(key.name, str(key.default).lower() if isinstance(key.default, bool) else str(key.default))
    # Keystone's URL alone is a mistake.
    settings = load(written(tmp_path, ""), {"HYDRIA_KEYSTONE_PASSWORD": "p", key.variable: value})
    table = getattr(settings, key.section) if key.section else settings
    assert str(getattr(table, key.name)).lower() == value.lower()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('log_level = "loud"', ":1: log_level: must be one of"),
        ("[server]\n\nport = 65536", ":3: server.port: must be a whole number from 1 to 65535, not 65536"),
        ('[server]\nport = "80"', ":2: server.port: must be a whole number from 1 to 65535, not '80'"),
        ("[server]\nprot = 80", ":2: server.prot: unknown; did you mean server.port?"),
        ("[servr]\nport = 80", ":1: servr: unknown; did you mean server?"),
        ("server = 5", ":1: server: must be a table"),
        ('state_dir = "var"', ":1: state_dir: must be an absolute path, not 'var'"),
        ('[homecloud]\nexternal_cidr = "203.0.113.1/24"', ":2: homecloud.external_cidr: must be an IPv4 network"),
        ('[homecloud]\nexternal_cidr = "203.0.113.0/30"', ":2: homecloud.external_cidr: must be an IPv4 network"),
        ('[agent]\nprefix = "Hydria/../x"', ":2: agent.prefix: must be 1 to 12 lower-case letters"),
        ("[api]\nstrict_immutable = 1", ":2: api.strict_immutable: must be true or false, not 1"),
        ("[agent\n", ": not TOML: "),
    ],
)
def test_a_mistake_in_the_file_is_reported_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    lines = refusal(file, {})
    assert len(lines) == 1
    assert lines[0].startswith(f"{file}{message}")


def test_all_mistakes_are_reported_at_once_without_passwords(tmp_path: Path) -> None:
    file = written(tmp_path, 'run_dir = 3\n[database]\nurl = "mysql://root:secret@h/n"')
    lines = refusal(file, {"HYDRIA_SERVER_PROT": "1", "HYDRIA_SERVER_PORT": "x"})
    assert len(lines) == 4
    assert "secret" not in "".join(lines)
    assert "environment: HYDRIA_SERVER_PORT: must be a whole number from 1 to 65535, not 'x'" in lines
    assert "environment: HYDRIA_SERVER_PROT: unknown; did you mean HYDRIA_SERVER_PORT?" in lines


def test_a_keystone_needs_its_password_and_no_mistake_shows_it(tmp_path: Path) -> None:
    file = written(tmp_path, '[keystone]\nauth_url = "https://keystone.example/v3"')
    assert refusal(file, {})[0].startswith("keystone.password: must be set when keystone.auth_url is")
    assert load(file, {"HYDRIA_KEYSTONE_PASSWORD": "secret"}).keystone.password == "secret"
    number = written(tmp_path, "[keystone]\npassword = 12345")
    assert refusal(number, {}) == [f"{number}:2: keystone.password: must be 1 to 255 characters"]


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "no.toml", {})[0]


def test_urls_follow_host_and_port(tmp_path: Path) -> None:
    assert Settings().loopback_url == "http://127.0.0.1:9876"
    environ = {"HYDRIA_SERVER_HOST": "::", "HYDRIA_SERVER_PUBLIC_URL": "https://lb.example/"}
    settings = load(written(tmp_path, ""), environ)
    assert settings.agent_server_url == "http://[::1]:9876"
    assert settings.public_url == "https://lb.example"
    assert settings.database_url == "sqlite:////var/lib/hydria/hydria.db"


def test_the_example_has_every_key_and_is_the_defaults(tmp_path: Path) -> None:
    text = example()
    assert (ROOT / "hydria.toml.example").read_text() == text, (
        "make it: ./dev run python -c 'from hydria.settings import *; print(example().rstrip())' >hydria.toml.example"
    )
    uncommented = "\n".join(
        line.removeprefix("#") for line in text.splitlines() if not line.startswith("# ") and not line.endswith("=")
    )
    assert load(written(tmp_path, uncommented), {}) == Settings()
    assert all(key.description for key in every_key())
