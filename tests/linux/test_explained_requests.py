"""What an explanation says of a request is what HAProxy does with it: for any policies, rules and requests."""

import socket
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from hydria.adapters.linux import netns
from hydria.contract import Instance
from hydria.errors import Invalid
from hydria.model import L7Policy, L7Rule, l7_checks
from hydria.model.flavor_profile import NORMALISE_PATHS
from hydria.render.explain import Explanation, Request, explain
from tests.linux.haproxies import Web
from tests.linux.machines import VIP, Machine
from tests.support.trees import instance, key, listener, member, policy, pool, rule

# Listeners of one instance, each with policies of its own: HAProxy starts once for all of them.
LISTENERS, FIRST_PORT = 12, 8001

PATHS = st.lists(
    st.sampled_from(["a", "b", "A", "images", "a.jpg", "x.tar.gz", ".", "..", "", "%61", "%2e", "%2F", "a%20b", "jpg"]),
    max_size=4,
).map(lambda parts: "/" + "/".join(parts))
QUERIES = st.sampled_from(["", "?", "?a=/images", "?x=.jpg"])
HOSTS = st.sampled_from(
    [
        "example.org",
        "EXAMPLE.org:8080",
        "www.example.org.",
        "www.example.org.:80",
        "a,b",
        "[2001:db8::1]:80",
        "10.0.0.10",
    ]
)
TEXTS = st.sampled_from(
    ["a", "b", "a, b", "a,b ,c", "A", "like Gecko", "a b", "x;y", "", '"a,b", c', "Mozilla/5.0 (a, b)"]
)
HEADERS = st.lists(
    st.tuples(st.sampled_from(["X-Tag", "Accept", "User-Agent", "x-tag"]), TEXTS),
    max_size=3,
    unique_by=lambda pair: pair,
)
COOKIES = st.sampled_from(["", "who=me", "who=me; a=b", "a=who", "who=you; who=me", "who = me", "awho=me", "who=me=x"])
REQUESTS = st.builds(
    lambda path, query, host, headers, cookie: Request(
        port=FIRST_PORT,
        path=path + query,
        headers=(("Host", host), *headers, *((("Cookie", cookie),) if cookie else ())),
    ),
    PATHS,
    QUERIES,
    HOSTS,
    HEADERS,
    COOKIES,
)

COMPARISONS = st.sampled_from(["CONTAINS", "ENDS_WITH", "EQUAL_TO", "STARTS_WITH"])
EXPRESSIONS = {
    "PATH": ["^/a", r"\.jpg$", "^/(a|b)/?$", "images|A", "^/$", r"^/\w+$"],
    "HOST_NAME": [r"^(www\.)?example\.org$", r"example\.org:\d+", "^A"],
    "FILE_TYPE": ["^jpe?g$", r"\.gz$", "."],
    "HEADER": ["^a$", "Gecko$", "^a, b", "b"],
    "COOKIE": ["^m", "e$", "you"],
}
VALUES = {
    "PATH": ["/", "/a", "/images", "a", "/a/b", ".jpg", "/A"],
    "HOST_NAME": ["example.org", "www.Example.org", ".org", "example", "example.org.", "EXAMPLE.org:8080", "a,b"],
    "FILE_TYPE": ["jpg", ".jpg", "gz", "/a"],
    "HEADER": ["a", "b", '"a b"', '"like Gecko"', "A", '"a, b"', "x"],
    "COOKIE": ["me", "m", "e", "who", "you"],
}


class Case(Struct):
    """The policies of one listener with their rules, without ids."""

    policies: list[tuple[dict[str, Any], list[dict[str, Any]]]]


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(list(VALUES)))
    made: dict[str, Any] = {"type": kind, "invert": draw(st.booleans())}
    if kind == "HEADER":
        made["key"] = draw(st.sampled_from(["X-Tag", "Accept", "User-Agent"]))
    elif kind == "COOKIE":
        made["key"] = "who"
    compare = "REGEX" if draw(st.integers(0, 3)) == 0 else "EQUAL_TO" if kind == "FILE_TYPE" else draw(COMPARISONS)
    values = EXPRESSIONS if compare == "REGEX" else VALUES
    return {**made, "compare_type": compare, "value": draw(st.sampled_from(values[kind]))}


ACTIONS = st.sampled_from(
    [
        {"action": "REJECT"},
        {"action": "REDIRECT_TO_URL", "redirect_url": "http://other.example/x"},
        {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://other.example", "redirect_http_code": 308},
        {"action": "REDIRECT_TO_POOL", "redirect_pool_id": key("2", 2)},
    ]
)
POLICIES = st.tuples(ACTIONS, st.lists(rules(), min_size=1, max_size=2))
CASES = st.builds(Case, st.lists(POLICIES, min_size=1, max_size=3))


def built(cases: list[Case], *, normalise: bool) -> Instance:
    """Return an instance with a listener for each case; rules that the API refuses are left out."""
    children: list[Any] = [pool(1), pool(2), member(1), member(2, pool_id=key("2", 2))]
    number = 0
    for index, case in enumerate(cases, start=1):
        children.append(listener(index, protocol_port=FIRST_PORT + index - 1))
        for position, (action, given_rules) in enumerate(case.policies, start=1):
            number += 1
            made: L7Policy = policy(number, listener_id=key("1", index), **{**action, "position": position})
            children.append(made)
            for count, values in enumerate(given_rules, start=1):
                one: L7Rule = rule(number * 10 + count, l7policy_id=made.id, **values)
                try:
                    l7_checks.check_rule(one)
                except Invalid:
                    continue
                children.append(one)
    return instance(*children, flavor={NORMALISE_PATHS: True} if normalise else {})


def fired(machine: Machine, request: Request) -> tuple[int, str]:
    """Send a request as it is; return the status, and the location or the member that answered."""
    lines = [f"GET {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers)]
    with netns.inside(machine.client):
        connection = socket.create_connection((VIP, request.port), timeout=10)
    with connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    head, _, body = answer.decode().partition("\r\n\r\n")
    first, *rest = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    status = int(first.split()[1])
    hit = body.strip().removeprefix("you hit: ") if status == 200 else ""
    return status, headers.get("location", hit)


def expected(found: Explanation) -> tuple[int, str]:
    """Return what HAProxy should do by an explanation."""
    if found.outcome == "pool":
        assert found.pool is not None
        return 200, "web1" if found.pool.id == key("2", 1) else "web2"
    assert found.status is not None
    return found.status, found.location or ""


@settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    cases=st.lists(CASES, min_size=LISTENERS, max_size=LISTENERS),
    requests=st.lists(REQUESTS, min_size=6, max_size=6),
    normalise=st.booleans(),
)
async def test_requests_go_where_they_are_explained_to(
    machine: Machine, web: list[Web], cases: list[Case], requests: list[Request], normalise: bool
) -> None:
    wanted = built(cases, normalise=normalise)
    await machine.host.serve(wanted)
    for one in wanted.tree.listeners:
        for request in requests:
            sent = structs.replace(request, port=one.protocol_port)
            found = explain(wanted.tree, sent, {}, normalise=normalise)
            assert fired(machine, sent) == expected(found), (sent, found)
