"""L7 policies and rules, inserted headers, allowed CIDRs."""

import http.client
from collections.abc import Mapping
from typing import Any

import pytest

from hydria.model.listener_checks import HEADERS
from tests.linux.haproxies import Web, ask
from tests.linux.machines import VIP, Machine, change_under_load
from tests.support.trees import instance, key, listener, member, policy, pool, rule

# Pool 1 is web1, pool 2 is web2.
TREE = (listener(), pool(1), pool(2), member(1), member(2, pool_id=key("2", 2)))
# The User-Agent of a browser.
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1"
TO_WEB2 = policy(action="REDIRECT_TO_POOL", redirect_pool_id=key("2", 2))


def answer(machine: Machine, path: str = "/", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Return the status, and the member that answered or the location of a redirect."""
    connection = http.client.HTTPConnection(VIP, 80, timeout=5)
    response, body = ask(machine.client, connection, path, headers=headers)
    return response.status, response.getheader("location") or body.strip().removeprefix("you hit: ")


@pytest.mark.parametrize(
    ("wanted", "meets", "misses"),
    [
        (
            {"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": "www.Example.org"},
            [("/", {"Host": "WWW.example.org"})],
            [("/", {"Host": "example.org"}), ("/", {})],
        ),
        (
            {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/images"},
            [("/images/1?a=b", {}), ("/images", {})],
            [("/Images", {}), ("/?/images", {})],
        ),
        (
            {"type": "PATH", "compare_type": "REGEX", "value": r"^/(a|b)\d+$"},
            [("/a12", {}), ("/b1?x", {})],
            [("/c1", {}), ("/a1/", {})],
        ),
        (
            {"type": "FILE_TYPE", "compare_type": "EQUAL_TO", "value": "jpg"},
            [("/a/b.jpg?c=d.png", {}), ("/a.b.jpg", {})],
            [("/jpg", {}), ("/a.jpg.png", {}), ("/a.jpg/b", {})],
        ),
        (
            {"type": "FILE_TYPE", "compare_type": "REGEX", "value": "^(jpe?g|png)$"},
            [("/a.jpeg", {}), ("/a.png", {})],
            [("/a.gif", {}), ("/apng", {})],
        ),
        # As in Octavia: the whole path.
        (
            {"type": "FILE_TYPE", "compare_type": "REGEX", "value": r"\.(jpe?g|png)$"},
            [("/a/b.jpeg?c", {}), ("/a.png", {})],
            [("/a.gif", {}), ("/apng", {}), ("/a.png/b", {})],
        ),
        # A host name is compared without port, case and final dot.
        (
            {"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": "www.example.org"},
            [("/", {"Host": each}) for each in ("www.example.org:8000", "WWW.EXAMPLE.org.", "www.example.org.:80")],
            [("/", {"Host": each}) for each in ("www.example.org.evil", "example.org:80", "a,www.example.org")],
        ),
        (
            {"type": "HOST_NAME", "compare_type": "ENDS_WITH", "value": ".example.org."},
            [("/", {"Host": each}) for each in ("a.example.org:8000", "b.Example.org.", "c.example.org")],
            [("/", {"Host": each}) for each in ("example.org:8000", "a.example.org.evil:80")],
        ),
        (
            {"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": "www.example.org:8000"},
            [("/", {"Host": "www.example.org:8000"})],
            [("/", {"Host": "www.example.org"}), ("/", {"Host": "www.example.org:80"})],
        ),
        (
            {"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": "[2001:DB8::1]"},
            [("/", {"Host": "[2001:db8::1]:8000"}), ("/", {"Host": "[2001:db8::1]"})],
            [("/", {"Host": "[2001:db8::2]"})],
        ),
        (
            {"type": "HOST_NAME", "compare_type": "REGEX", "value": r"^(?:a|b)\.example\.org$"},
            [("/", {"Host": "a.example.org:8000"}), ("/", {"Host": "B.example.org"})],
            [("/", {"Host": "c.example.org"})],
        ),
        (
            {"type": "HOST_NAME", "compare_type": "REGEX", "value": r"^a\.example\.org(:8\d+)?$"},
            [("/", {"Host": "a.example.org:8000"}), ("/", {"Host": "a.example.org"})],
            [("/", {"Host": "a.example.org:9000"})],
        ),
        # A value may contain commas, and a list may be one header or several.
        (
            {"type": "HEADER", "key": "User-Agent", "compare_type": "EQUAL_TO", "value": f'"{AGENT}"'},
            [("/", {"User-Agent": AGENT})],
            [("/", {"User-Agent": AGENT + " more"}), ("/", {"User-Agent": "like Gecko) Chrome/1"})],
        ),
        (
            {"type": "HEADER", "key": "user-agent", "compare_type": "CONTAINS", "value": '"(KHTML, like"'},
            [("/", {"User-Agent": AGENT})],
            [("/", {"User-Agent": "KHTML"})],
        ),
        (
            {"type": "HEADER", "key": "User-Agent", "compare_type": "REGEX", "value": "KHTML, like G.cko"},
            [("/", {"User-Agent": AGENT})],
            [("/", {"User-Agent": "like Gecko"})],
        ),
        (
            {"type": "HEADER", "key": "X-Words", "compare_type": "STARTS_WITH", "value": '"like Gecko"'},
            [("/", {"X-Words": "like Gecko, and more"})],
            [("/", {"X-Words": AGENT})],
        ),
        (
            {"type": "HEADER", "key": "X-Words", "compare_type": "ENDS_WITH", "value": "KHTML"},
            [("/", {"X-Words": "like, KHTML"})],
            [("/", {"X-Words": "KHTML, like"})],
        ),
        (
            {"type": "HEADER", "key": "X-Groups", "compare_type": "EQUAL_TO", "value": "staff"},
            [("/", {"X-Groups": "a, staff,b"}), ("/", {"X-Groups": "staff"})],
            [("/", {"X-Groups": "a, staffs"})],
        ),
        (
            {"type": "HEADER", "key": "X-Forwarded-For", "compare_type": "STARTS_WITH", "value": "192.0.2."},
            [("/", {"X-Forwarded-For": "10.0.0.1, 192.0.2.7"})],
            [("/", {"X-Forwarded-For": "10.0.0.1, 10.192.0.2"})],
        ),
        (
            {"type": "HEADER", "key": "X-Kind", "compare_type": "CONTAINS", "value": '"a b"'},
            [("/", {"x-kind": "1 a b 2"})],
            [("/", {"x-kind": "ab"}), ("/", {"x-other": "a b"})],
        ),
        (
            {"type": "COOKIE", "key": "who", "compare_type": "ENDS_WITH", "value": "me"},
            [("/", {"Cookie": "a=b; who=itsme"})],
            [("/", {"Cookie": "whom=me"}), ("/", {"Cookie": "who=meet"})],
        ),
        (
            {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a", "invert": True},
            [("/b", {})],
            [("/a", {})],
        ),
        # The value looks like a flag, the end of a block and a comment.
        (
            {"type": "HEADER", "key": "X'`#$", "compare_type": "EQUAL_TO", "value": "-f}#'%[src]"},
            [("/", {"X'`#$": "-f}#'%[src]"})],
            [("/", {"X'`#$": "-f"})],
        ),
    ],
)
async def test_a_rule_chooses_the_pool(
    machine: Machine,
    web: list[Web],
    wanted: dict[str, Any],
    meets: list[tuple[str, dict[str, str]]],
    misses: list[tuple[str, dict[str, str]]],
) -> None:
    await machine.host.serve(instance(*TREE, TO_WEB2, rule(**wanted)))
    assert [answer(machine, *request) for request in meets] == [(200, "web2")] * len(meets)
    assert [answer(machine, *request) for request in misses] == [(200, "web1")] * len(misses)


async def test_all_enabled_rules_of_a_policy_must_match(machine: Machine, web: list[Web]) -> None:
    host = {"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": "a.org"}
    never = rule(3, value="/never", admin_state_up=False)
    await machine.host.serve(instance(*TREE, TO_WEB2, rule(1), rule(2, **host), never))
    assert answer(machine, "/images", {"Host": "a.org"}) == (200, "web2")
    assert answer(machine, "/images") == (200, "web1")
    assert answer(machine, "/", {"Host": "a.org"}) == (200, "web1")
    off = policy(action="REDIRECT_TO_POOL", redirect_pool_id=key("2", 2), admin_state_up=False)
    await machine.host.serve(instance(*TREE, off, rule(1), generation=2))
    assert answer(machine, "/images") == (200, "web1")
    closed = (listener(), pool(1), pool(2, admin_state_up=False), member(1), member(2, pool_id=key("2", 2)))
    await machine.host.serve(instance(*closed, TO_WEB2, rule(1), generation=3))
    assert answer(machine, "/images") == (200, "web1")


async def test_policies_are_ordered_by_action_then_position(machine: Machine, web: list[Web]) -> None:
    policies = (
        TO_WEB2,
        rule(1, value="/a"),
        policy(2, action="REDIRECT_TO_URL", redirect_url="http://x.org/%[src]%2F", redirect_http_code=303),
        rule(2, l7policy_id=key("5", 2), value="/a/b"),
        policy(3, action="REDIRECT_PREFIX", redirect_prefix="https://y.org", redirect_http_code=308),
        rule(3, l7policy_id=key("5", 3), value="/a/b/c"),
        rule(4, l7policy_id=key("5", 3), value="/a/b/cd", invert=True),
        policy(4),
        rule(5, l7policy_id=key("5", 4), value="/a/b/c/d"),
    )
    await machine.host.serve(instance(*TREE, *policies))
    assert answer(machine, "/") == (200, "web1")
    assert answer(machine, "/a") == (200, "web2")
    assert answer(machine, "/a/b/c") == (303, "http://x.org/%[src]%2F")
    assert answer(machine, "/a/b/c/d")[0] == 403
    prefix = policy(action="REDIRECT_PREFIX", redirect_prefix="https://y.org")
    await machine.host.serve(instance(*TREE, prefix, rule(value="/"), generation=2))
    assert answer(machine, "/a?b=c") == (302, "https://y.org/a?b=c")


# Ways to write /admin that a member may take for it.
DISGUISES = ("//admin", "/%61dmin", "/./admin", "/x/../admin", "/x/%2e%2e/admin", "/%2E/admin", "/.//admin?a=/./b")


@pytest.mark.parametrize("normalise", [True, False])
async def test_rules_compare_normalised_paths_where_the_flavor_says_so(
    machine: Machine, web: list[Web], normalise: bool
) -> None:
    refuse = policy(action="REJECT"), rule(type="PATH", compare_type="STARTS_WITH", value="/admin")
    wanted = instance(*TREE, *refuse, flavor={"normalise_l7_paths": True} if normalise else {})
    await machine.host.serve(wanted)
    assert answer(machine, "/admin")[0] == 403
    assert [answer(machine, each)[0] for each in DISGUISES] == [403 if normalise else 200] * len(DISGUISES)
    assert answer(machine, "/./public//%61?b=/../%63")[0] == 200


async def test_members_get_the_path_that_the_client_sent(machine: Machine, web: list[Web]) -> None:
    refuse = policy(action="REJECT"), rule(type="PATH", compare_type="STARTS_WITH", value="/admin")
    to_web2 = policy(2, action="REDIRECT_TO_POOL", redirect_pool_id=key("2", 2), position=2)
    picture = rule(2, l7policy_id=to_web2.id, type="FILE_TYPE", compare_type="EQUAL_TO", value="png")
    await machine.host.serve(instance(*TREE, *refuse, to_web2, picture, flavor={"normalise_l7_paths": True}))
    sent = "/a/./b//%61.pn%67?c=/../%64"
    assert answer(machine, sent) == (200, "web2")
    assert web[1].path == sent


async def test_an_expression_that_needs_too_many_steps_matches_nothing(machine: Machine, web: list[Web]) -> None:
    # HAProxy cannot tell the limit of PCRE2 from a value that does not match: docs/architecture/l7.md says so.
    refuse = policy(action="REJECT"), rule(type="PATH", compare_type="REGEX", value="^/((a+)+b|a+c)$")
    await machine.host.serve(instance(*TREE, *refuse))
    assert answer(machine, "/" + "a" * 5 + "c")[0] == 403
    assert answer(machine, "/" + "a" * 60 + "c")[0] == 200


async def test_without_a_default_pool_unmatched_requests_get_503(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(listener(default_pool_id=None), *TREE[1:], TO_WEB2, rule()))
    assert answer(machine, "/images") == (200, "web2")
    assert answer(machine, "/")[0] == 503


async def test_headers_are_inserted(machine: Machine, web: list[Web]) -> None:
    wanted = {"X-Forwarded-For": "true", "X-Forwarded-Port": "true", "X-Forwarded-Proto": "true"}
    await machine.host.serve(instance(listener(insert_headers=wanted), *TREE[1:]))
    assert answer(machine, headers={"X-Forwarded-Port": "1", "X-Forwarded-Proto": "gopher"}) == (200, "web1")
    sent = {(name.lower(), value) for name, value in web[0].headers if name.lower().startswith("x-forwarded")}
    assert sent == {("x-forwarded-for", "10.0.0.50"), ("x-forwarded-port", "80"), ("x-forwarded-proto", "http")}
    await machine.host.serve(instance(listener(insert_headers={"X-Forwarded-For": "false"}), *TREE[1:], generation=2))
    answer(machine)
    assert not [name for name, _ in web[0].headers if name.lower().startswith("x-forwarded")]


async def test_every_supported_header_is_inserted(machine: Machine, web: list[Web]) -> None:
    claimed = "192.0.2.66"
    for generation, yes in enumerate(("true", "True"), start=1):
        wanted = dict.fromkeys(HEADERS, yes)
        await machine.host.serve(instance(listener(insert_headers=wanted), *TREE[1:], generation=generation))
        assert answer(machine, headers=dict.fromkeys(HEADERS, claimed)) == (200, "web1")
        seen = [(name.lower(), value) for name, value in web[0].headers]
        added = ("x-forwarded-for", claimed), ("x-forwarded-for", "10.0.0.50")
        assert [each for each in seen if each[0] == "x-forwarded-for"] == list(added)
        for name in HEADERS:
            if name != "X-Forwarded-For":
                # The client's value is replaced.
                values = [value for key, value in seen if key == name.lower()]
                assert len(values) == 1, name
                assert values != [claimed], name
        assert {value for name, value in seen if name in ("x-real-ip", "x-client-ip", "x-forwarded-ip")} == {
            "10.0.0.50"
        }
    off = listener(insert_headers=dict.fromkeys(HEADERS, "false"))
    await machine.host.serve(instance(off, *TREE[1:], generation=3))
    answer(machine)
    assert not {name.lower() for name, _ in web[0].headers} & {name.lower() for name in HEADERS}


async def test_only_allowed_cidrs_may_connect(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(listener(allowed_cidrs=("192.0.2.0/24", "2001:db8::/32")), *TREE[1:]))
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        answer(machine)
    await machine.host.serve(instance(listener(allowed_cidrs=("10.0.0.50/32",)), *TREE[1:], generation=2))
    assert answer(machine) == (200, "web1")


async def test_changes_of_policies_headers_and_cidrs_lose_no_request(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE))
    changes = [
        (*TREE, TO_WEB2, rule()),
        (*TREE, TO_WEB2, rule(value="/else"), policy(2), rule(2, l7policy_id=key("5", 2))),
        (listener(insert_headers={"X-Forwarded-For": "true"}), *TREE[1:]),
        (listener(allowed_cidrs=("10.0.0.0/24",)), *TREE[1:]),
        TREE,
    ]
    await change_under_load(machine, changes)
