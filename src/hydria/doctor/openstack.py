"""`hydria openstack check`: checks, by reading only, whether an OpenStack has what Hydria needs."""

from collections.abc import AsyncIterator, Iterator

import httpx

from hydria.adapters.openstack.session import Entry, Login, Place, Service, ssl_trust
from hydria.doctor.finding import Finding, bad, fine, odd
from hydria.doctor.neutron import Listing, examine_neutron
from hydria.errors import Unavailable
from hydria.protocols import Clock
from hydria.settings import KeystoneSettings, Settings

_SETUP = "let an admin run: hydria openstack setup --os-cloud CLOUD"
_LOAD_BALANCER = "load-balancer"


async def examine_openstack(settings: Settings, clock: Clock, listed: Listing) -> list[Finding]:
    """Return the findings, the most basic first; those that would follow from a bad one are left out.

    Raises SettingsError for a bad `cafile`.
    """
    chosen = settings.keystone
    if chosen.auth_url is None:
        seen = "keystone.auth_url is not set: Hydria uses its own identity service"
        return [bad("Keystone", seen, f"{_SETUP}; it prints the settings to write")]
    root = chosen.auth_url.rstrip("/").removesuffix("/v3") + "/v3"
    found = [await _reached("Keystone", root, chosen, "start Keystone, or correct keystone.auth_url")]
    if found[0].ok == "bad":
        return found
    keystone = Service(chosen, clock, kind="identity", name="Keystone", url=root, timeout=chosen.timeout_seconds)
    try:
        login = await keystone.login()
    except Unavailable as refusal:
        mend = f"correct keystone.username, password or project_name (where the user needs a role), or {_SETUP}"
        return [*found, bad("login", _sentence(refusal), mend)]
    finally:
        await keystone.close()
    found += [_roles(login, settings), *[each async for each in _load_balancers(login, chosen)]]
    found.append(await _barbican(login, chosen))
    if settings.network.type == "neutron":
        found += await _neutron(login, settings, clock, listed)
    else:
        found.append(fine("Neutron", "not used: network.type is home"))
    return found


def _sentence(refusal: Unavailable) -> str:
    """Return the sentence of a refusal without the advice to a user."""
    return refusal.message.removesuffix(" Please try again.")


async def _neutron(login: Login, settings: Settings, clock: Clock, listed: Listing) -> list[Finding]:
    chosen, network = settings.keystone, settings.network
    url = network.url or login.url("network", chosen.region)
    if url is None:
        mend = f"add it: openstack endpoint create {_region(chosen)}network internal http://NEUTRON:9696"
        return [bad("Neutron", f"the catalogue has no network service{_where(chosen)}", mend)]
    reached = await _reached("Neutron", url, chosen, "start Neutron, or correct its endpoint, or set network.url")
    if reached.ok == "bad":
        return [reached]
    service = Service(chosen, clock, kind="network", name="Neutron", url=url, timeout=network.timeout_seconds)
    try:
        return [reached, *await examine_neutron(service, listed)]
    except Unavailable as refusal:
        mend = "read Neutron's log: it may not reach its database, or refuse tokens ([keystone_authtoken])"
        return [reached, bad("Neutron's answers", _sentence(refusal), mend)]
    finally:
        await service.close()


async def _reached(name: str, url: str, settings: KeystoneSettings, mend: str) -> Finding:
    """Check that a service answers at a URL; the question needs no token. A refusal is an answer, too."""
    try:
        async with httpx.AsyncClient(
            trust_env=False, timeout=settings.timeout_seconds, verify=ssl_trust(settings)
        ) as http:
            answer = await http.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            mend = "set keystone.cafile to the CA certificates (PEM) that the service's certificate is signed with"
        return bad(name, f"{url} does not answer: {reason}", f"{mend}; open the port from here")
    # Keystone answers 404 where its API is not, such as without the path /identity.
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or answer.status_code == httpx.codes.NOT_FOUND:
        return bad(name, f"{url} answers {answer.status_code}", mend)
    return fine(name, url)


def _roles(login: Login, settings: Settings) -> Finding:
    chosen, has = settings.keystone, {each.name for each in login.roles}
    # Keystone lets an admin validate tokens, too.
    needed = ["service", "admin"] if settings.network.type == "neutron" else ["service"]
    missing = [role for role in needed if role not in has]
    who = f"{chosen.username} in the project {chosen.project_name}"
    if not missing or (missing == ["service"] and "admin" in has and settings.network.type == "home"):
        return fine("roles", f"{who}: {', '.join(sorted(has))}")
    where = f"--project {chosen.project_name} --project-domain {chosen.project_domain_id}"
    user = f"--user {chosen.username} --user-domain {chosen.user_domain_id}"
    mend = "; ".join(f"openstack role add {user} {where} {role}" for role in missing)
    seen = f"{who} lacks {' and '.join(missing)}; it has {', '.join(sorted(has)) or 'none'}"
    if missing == ["service"]:
        # Neutron and Keystone take it for an admin.
        return odd("roles", seen, mend)
    return bad("roles", seen, mend)


async def _load_balancers(login: Login, settings: KeystoneSettings) -> AsyncIterator[Finding]:
    entries = [each for each in login.catalog if each.type == _LOAD_BALANCER]
    if not entries:
        yield bad("catalogue", f"no service of type {_LOAD_BALANCER}: clients do not find Hydria", _SETUP)
        return
    if len(entries) > 1:
        seen = (
            f"services of type {_LOAD_BALANCER}: {', '.join(each.name for each in entries)}. Clients take one of them"
        )
        yield odd("catalogue", seen, "leave one enabled: openstack service set --disable SERVICE")
    for entry in entries:
        for finding in _interfaces(entry.name, {each.interface for each in _places(entry, settings)}, settings):
            yield finding
        for url in dict.fromkeys(each.url for each in _places(entry, settings)):
            mend = "start Hydria's server, or correct the URL: openstack endpoint set --url URL ENDPOINT"
            yield await _reached(f"endpoint of {entry.name}", url, settings, mend)


def _interfaces(name: str, has: set[str], settings: KeystoneSettings) -> Iterator[Finding]:
    if "public" not in has:
        url = "http://SERVER:9876/load-balancer"
        mend = f"openstack endpoint create {_region(settings)}{name} public {url}"
        yield bad("catalogue", f"{name} has no public endpoint{_where(settings)}", mend)


async def _barbican(login: Login, settings: KeystoneSettings) -> Finding:
    url = login.url("key-manager", settings.region)
    if url is None:
        return fine("Barbican", f"the catalogue has none{_where(settings)}")
    found = await _reached("Barbican", url, settings, "start Barbican, or correct its endpoint in the catalogue")
    # Load balancers without TLS need no secrets.
    return odd(found.name, found.seen, found.mend) if found.ok == "bad" else found


def _places(entry: Entry, settings: KeystoneSettings) -> list[Place]:
    return [place for place in entry.endpoints if settings.region in (None, place.region_id)]


def _region(settings: KeystoneSettings) -> str:
    return "" if settings.region is None else f"--region {settings.region} "


def _where(settings: KeystoneSettings) -> str:
    return "" if settings.region is None else f" in the region {settings.region} (keystone.region)"
