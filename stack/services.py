"""MariaDB and the three services of the control node. Each service is one uwsgi process."""

import shutil

import httpx

from cluster.nodes import Node, environment, until
from hydria.adapters.linux.netns import inside
from hydria.errors import HostError
from stack import identities
from stack.plan import BARBICAN, CONTROL, ENVIRONMENT, KEYSTONE, NEUTRON, Plan, management_address, url

_SECONDS = 180.0
_COMMON = ("--master", "--enable-threads", "--die-on-term", "--need-app", "--buffer-size", "65535")
# uwsgi closes each connection after its answer, and clients of `requests` have to be told.
_CLOSE = ("--add-header", "Connection: close")


def start_database(plan: Plan, control: Node) -> None:
    """Start MariaDB on a socket, with the kept database where there is one. Raises HostError."""
    data = control.home / "mariadb"
    if not data.exists():
        if seeded(plan):
            shutil.copytree(plan.seed() / "mariadb", data)
        else:
            install = ("--auth-root-authentication-method=normal", "--skip-test-db", "--user=root")
            control.run(
                "mariadb-install-db", "--no-defaults", f"--datadir={data}", *install, environment=environment({})
            )
    _run_database(plan, control)


def make_schemas(plan: Plan, control: Node) -> None:
    """Make the databases and schemas. Raises HostError."""
    for name in ("keystone", "neutron", "barbican"):
        _sql(plan, control, f"CREATE DATABASE IF NOT EXISTS {name}")
    there = plan.configuration
    ml2 = ("--config-file", str(there / "ml2.ini"))
    _manage(control, "keystone-manage", "--config-file", str(there / "keystone.conf"), "db_sync")
    _manage(control, "barbican-manage", "db", "upgrade", home=str(there / "barbican"))
    _manage(control, "neutron-db-manage", "--config-file", str(there / "neutron.conf"), *ml2, "upgrade", "heads")


def start_keystone(plan: Plan, control: Node) -> None:
    """Start Keystone, with users and endpoints unless the kept database has them. Raises HostError."""
    file = str(plan.configuration / "keystone.conf")
    if not seeded(plan):
        names = [f"--bootstrap-{kind}-url" for kind in ("admin", "internal", "public")]
        urls = [word for name in names for word in (name, f"{url(KEYSTONE)}/v3")]
        first = ("bootstrap", "--bootstrap-password", plan.password, "--bootstrap-region-id", "RegionOne")
        _manage(control, "keystone-manage", "--config-file", file, *first, *urls)
    module = ("--module", "keystone.wsgi.api:application", "--threads", "4")
    _serve(control, "keystone", KEYSTONE, module, {"OS_KEYSTONE_CONFIG_FILES": file})
    _await(control, f"{url(KEYSTONE)}/v3")
    if not seeded(plan):
        with inside(control.network):
            identities.make(plan.password)


def start_neutron(plan: Plan, control: Node) -> None:
    """Start Neutron's API, and the worker that keeps OVN true to Neutron's database."""
    # Neutron keeps files named by its parent's number in the temporary directory, and such numbers come again.
    own = control.home / "tmp"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    files = [str(plan.configuration / name) for name in ("neutron.conf", "ml2.ini")]
    settings = {"OS_NEUTRON_CONFIG_FILES": ";".join(files), "OS_NEUTRON_CONFIG_DIR": "/", "TMPDIR": str(own)}
    module = ("--module", "neutron.wsgi.api:application", "--threads", "4", "--lazy-apps", "--thunder-lock")
    _serve(control, "neutron", NEUTRON, module, settings)


def await_neutron(control: Node) -> None:
    """Wait until Neutron answers, then start its maintenance worker. Raises HostError."""
    _await(control, f"{url(NEUTRON)}/")


def start_maintenance(plan: Plan, control: Node) -> None:
    """Start the worker that repairs differences between Neutron and OVN; nothing waits for it."""
    files = [word for name in ("neutron.conf", "ml2.ini") for word in ("--config-file", str(plan.configuration / name))]
    command = [str(ENVIRONMENT / "bin/neutron-ovn-maintenance-worker"), *files]
    control.keep("neutron-maintenance", command, _environment({"TMPDIR": str(control.home / "tmp")}))


def start_barbican(plan: Plan, control: Node) -> None:
    """Start Barbican."""
    there = plan.configuration / "barbican"
    _serve(
        control, "barbican", BARBICAN, ("--wsgi-file", str(there / "api.py"), "--threads", "2"), {"HOME": str(there)}
    )


def await_barbican(control: Node) -> None:
    """Wait until Barbican answers. Raises HostError."""
    _await(control, f"{url(BARBICAN)}/")


def seeded(plan: Plan) -> bool:
    """Return whether there is a kept database of these versions and users."""
    return (plan.seed() / "complete").exists()


def take_seed(plan: Plan) -> None:
    """Copy the password and keys that belong to the kept database."""
    shutil.copytree(plan.seed() / "keys", plan.control / "keys", dirs_exist_ok=True)
    shutil.copy2(plan.seed() / "password", plan.password_file)


def keep_seed(plan: Plan, control: Node) -> None:
    """Keep the database, which has schemas and users but nothing of Neutron yet, for later starts. Raises HostError."""
    _sql(plan, control, "SET GLOBAL innodb_fast_shutdown = 1; SHUTDOWN")
    until(lambda: not any(True for _ in control.processes("mariadbd")), "MariaDB does not end", 30)
    seed, made = plan.seed(), plan.seed().with_name(f"{plan.seed().name}.new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True, mode=0o700)
    shutil.copytree(control.home / "mariadb", made / "mariadb")
    shutil.copytree(plan.control / "keys", made / "keys")
    shutil.copy2(plan.password_file, made / "password")
    (made / "complete").touch()
    shutil.rmtree(seed, ignore_errors=True)
    made.rename(seed)
    _run_database(plan, control)


def _run_database(plan: Plan, control: Node) -> None:
    # A simulated power cut loses no pages of the machine's memory.
    options = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin")
    small = ("--performance-schema=off", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M")
    place = (f"--datadir={control.home}/mariadb", f"--socket={plan.database_socket}", "--skip-networking")
    command = ["mariadbd", "--no-defaults", "--user=root", *place, *small, *options, "--max-connections=150"]
    command.append("--character-set-server=utf8mb4")
    log = control.home / "mariadb.log"
    detached = ["setsid", "--fork", "sh", "-c", 'exec "$@" >>"$0" 2>&1 </dev/null', str(log), *command]
    control.run(*detached, environment=environment({}))

    def answers() -> bool:
        try:
            _sql(plan, control, "SELECT 1")
        except HostError:
            return False
        return True

    until(answers, f"MariaDB does not start, see {log}", 60)


def _sql(plan: Plan, control: Node, statement: str) -> None:
    words = ("mariadb", "--no-defaults", f"--socket={plan.database_socket}", "-u", "root", "-e", statement)
    control.run(*words, environment=environment({}))


def _manage(control: Node, program: str, *words: str, home: str | None = None) -> None:
    own = _environment({} if home is None else {"HOME": home})
    control.run(str(ENVIRONMENT / "bin" / program), *words, environment=own, seconds=300)


def _serve(control: Node, name: str, port: int, module: tuple[str, ...], settings: dict[str, str]) -> None:
    where = ("--http-socket", f"{management_address(CONTROL)}:{port}", "--processes", "1")
    command = [str(ENVIRONMENT / "bin/uwsgi"), *where, *module, *_COMMON, *_CLOSE, "--procname-prefix", f"{name} "]
    control.keep(name, command, _environment(settings))


def _environment(settings: dict[str, str]) -> dict[str, str]:
    return environment({"PYTHONWARNINGS": "ignore", **settings})


def _await(control: Node, address: str) -> None:
    def answers() -> bool:
        with inside(control.network):
            try:
                return httpx.get(address, trust_env=False, timeout=5).status_code < 500
            except httpx.HTTPError:
                return False

    until(answers, f"Nothing answers at {address}, see the logs in {control.home}", _SECONDS)
