"""L7 policies and rules: positions, actions, types, and pools in use."""

from compare.talk import NOTHING, Talk


def policy_life(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    policy = talk.policy(listener, name="p", description="d", tags=["t"])
    talk.get(f"l7policies/{policy}")
    talk.get("l7policies")
    talk.get(f"listeners/{listener}")
    talk.send("PUT", f"l7policies/{policy}", {"l7policy": {"name": "new", "admin_state_up": False}})
    talk.send(
        "PUT", f"l7policies/{policy}", {"l7policy": {"action": "REDIRECT_TO_URL", "redirect_url": "http://e.com"}}
    )
    talk.send("PUT", f"l7policies/{policy}", {"l7policy": {"redirect_http_code": 301}})
    talk.send("PUT", f"l7policies/{policy}", {"l7policy": {"action": "REJECT"}})
    talk.send("DELETE", f"l7policies/{policy}")
    talk.get(f"l7policies/{policy}")
    talk.get(f"l7policies/{NOTHING}")
    talk.send("POST", "l7policies", {"l7policy": {"listener_id": NOTHING, "action": "REJECT"}})


def policy_actions(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    pool = talk.pool(loadbalancer_id=lb, name="p")
    other = talk.lb(name="other")
    foreign = talk.pool(loadbalancer_id=other, name="f")
    datagrams = talk.pool(loadbalancer_id=lb, name="u", protocol="UDP")
    for attributes in (
        {"action": "REJECT", "redirect_url": "http://e.com"},
        {"action": "REJECT", "redirect_pool_id": pool},
        {"action": "REJECT", "redirect_http_code": 302},
        {"action": "REDIRECT_TO_URL"},
        {"action": "REDIRECT_TO_URL", "redirect_url": "http://e.com"},
        {"action": "REDIRECT_TO_URL", "redirect_url": "http://e.com", "redirect_http_code": 307},
        {"action": "REDIRECT_TO_URL", "redirect_url": "http://e.com", "redirect_pool_id": pool},
        {"action": "REDIRECT_PREFIX"},
        {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://e.com"},
        {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://e.com", "redirect_url": "http://e.com"},
        {"action": "REDIRECT_TO_POOL"},
        {"action": "REDIRECT_TO_POOL", "redirect_pool_id": pool},
        {"action": "REDIRECT_TO_POOL", "redirect_pool_id": pool, "redirect_http_code": 301},
        {"action": "REDIRECT_TO_POOL", "redirect_pool_id": foreign},
        {"action": "REDIRECT_TO_POOL", "redirect_pool_id": datagrams},
        {"action": "REDIRECT_TO_POOL", "redirect_pool_id": NOTHING},
    ):
        answer = talk.send("POST", "l7policies", {"l7policy": {"listener_id": listener, **attributes}})
        if answer.status == 201:
            key = answer.body["l7policy"]["id"]
            for change in (
                {"redirect_url": "http://o.com"},
                {"redirect_pool_id": pool},
                {"redirect_prefix": "http://o.com"},
            ):
                talk.send("PUT", f"l7policies/{key}", {"l7policy": change})
            talk.forget(f"l7policies/{key}")


def positions(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    first = talk.policy(listener, name="a")
    talk.policy(listener, name="b")
    talk.policy(listener, name="c", position=1)
    talk.policy(listener, name="d", position=50)
    _show(talk)
    talk.send("PUT", f"l7policies/{first}", {"l7policy": {"position": 1}})
    _show(talk)
    talk.send("PUT", f"l7policies/{first}", {"l7policy": {"position": 3}})
    _show(talk)
    talk.send("PUT", f"l7policies/{first}", {"l7policy": {"position": 99}})
    _show(talk)
    talk.send("PUT", f"l7policies/{first}", {"l7policy": {"position": None}})
    _show(talk)
    talk.send("DELETE", f"l7policies/{first}")
    _show(talk)


def _show(talk: Talk) -> None:
    talk.get("l7policies?sort=name&fields=name&fields=position")


def pool_in_use(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    pool = talk.pool(loadbalancer_id=lb)
    policy = talk.policy(listener, action="REDIRECT_TO_POOL", redirect_pool_id=pool)
    talk.get(f"pools/{pool}")
    talk.send("DELETE", f"pools/{pool}")
    talk.get(f"loadbalancers/{lb}/status")
    talk.send("DELETE", f"l7policies/{policy}")
    talk.send("DELETE", f"pools/{pool}")


def rule_life(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    policy = talk.policy(listener)
    rule = talk.rule(policy, tags=["t"])
    path = f"l7policies/{policy}/rules"
    talk.get(f"{path}/{rule}")
    talk.get(path)
    talk.get(f"l7policies/{policy}")
    talk.send("PUT", f"{path}/{rule}", {"rule": {"value": "/b", "invert": True}})
    talk.send("PUT", f"{path}/{rule}", {"rule": {"type": "HEADER"}})
    talk.send("PUT", f"{path}/{rule}", {"rule": {"type": "HEADER", "key": "k"}})
    talk.send("DELETE", f"{path}/{rule}")
    talk.get(f"{path}/{rule}")
    talk.get(f"l7policies/{NOTHING}/rules")
    talk.send("POST", f"l7policies/{NOTHING}/rules", {"rule": {"type": "PATH", "compare_type": "REGEX", "value": "x"}})


def rule_types(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb)
    policy = talk.policy(listener)
    path = f"l7policies/{policy}/rules"
    kinds = (
        "PATH",
        "COOKIE",
        "FILE_TYPE",
        "HEADER",
        "HOST_NAME",
        "SSL_CONN_HAS_CERT",
        "SSL_DN_FIELD",
        "SSL_VERIFY_RESULT",
    )
    for kind in kinds:
        for compare in ("STARTS_WITH", "CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX"):
            for more in (
                {},
                {"key": "k"},
                {"value": "True"},
                {"value": "5"},
                {"value": "[", "key": "CN"},
                {"key": "a b"},
            ):
                body = {"rule": {"type": kind, "compare_type": compare, "value": "v", **more}}
                answer = talk.send("POST", path, body, about=f"rule.type={kind}")
                if answer.status == 201:
                    talk.forget(f"{path}/{answer.body['rule']['id']}")
