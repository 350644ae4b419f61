"""Lists: filters, tags, sort keys, pages, chosen fields, and other projects."""

from compare.talk import NOTHING, SUBNET, Talk


def _several(talk: Talk) -> None:
    talk.lb(name="a", tags=["red", "big"], description="x")
    talk.lb(name="b", tags=["red"], admin_state_up=False)
    talk.lb(name="c", tags=["blue"], vip_address="203.0.113.11")


def filters(talk: Talk) -> None:
    _several(talk)
    for query in (
        "name=a", "name=a&name=b", "name=nothing", "admin_state_up=true", "admin_state_up=False", "admin_state_up=x",
        "description=x", "vip_address=203.0.113.11", f"vip_subnet_id={SUBNET}", f"vip_subnet_id={NOTHING}",
        "provisioning_status=ACTIVE", "provisioning_status=ERROR", "operating_status=OFFLINE", "provider=amphora",
        "unknown=x", "id=x", f"id={NOTHING}", "project_id=x", "tenant_id=x", "enabled=true", "vip_qos_policy_id=x",
        "created_at=2020-01-01T00:00:00", "availability_zone=x", "flavor_id=x", "tags=x", "name=", "listeners=x",
        "vip_network_id=x", "vip_port_id=x", "additional_vips=x", "vip_sg_ids=x", "name=a&description=x",
    ):  # fmt: skip
        talk.get(f"loadbalancers?{query}&sort=name", about=f"filter {query.split('=')[0]}")


def tags(talk: Talk) -> None:
    _several(talk)
    for query in (
        "tags=red", "tags=red,big", "tags=red&tags=big", "tags-any=big,blue", "tags-any=big&tags-any=blue",
        "not-tags=red", "not-tags=red,big", "not-tags-any=red,blue", "tags=red&not-tags=big", "tags=",
        "tags-any=nothing",
    ):  # fmt: skip
        talk.get(f"loadbalancers?{query}&sort=name", about="filter tags")


def sorting(talk: Talk) -> None:
    _several(talk)
    for query in (
        "sort=name", "sort=name:desc", "sort=admin_state_up,name", "sort=description:desc,name:asc", "sort=unknown",
        "sort=name:up", "sort_key=name", "sort_key=name&sort_dir=desc", "sort_key=name&sort_dir=up",
        "sort_dir=desc&name=a",
        "sort=vip_address,name", "sort=provisioning_status,name:desc", "sort_key=admin_state_up&sort_key=name",
        "sort=name,name", "sort=", "sort=tags", "sort=listeners",
    ):  # fmt: skip
        talk.get(f"loadbalancers?{query}&fields=name", about="sort")


def pages(talk: Talk) -> None:
    _several(talk)
    keys = {each["name"]: each["id"] for each in talk.get("loadbalancers?sort=name").body["loadbalancers"]}
    for query in (
        "limit=1", "limit=2", "limit=3", "limit=4", "limit=0", "limit=-1", "limit=x", "limit=",
        f"limit=1&marker={keys['a']}", f"limit=1&marker={keys['b']}", f"marker={keys['c']}", f"marker={NOTHING}",
        "marker=x", f"limit=1&marker={keys['b']}&page_reverse=true", f"page_reverse=true&marker={keys['c']}",
        "limit=1&page_reverse=true", "limit=2&page_reverse=x", "limit=1&name=a",
    ):  # fmt: skip
        talk.get(f"loadbalancers?sort=name&{query}", about="page")


def fields(talk: Talk) -> None:
    lb = talk.lb(name="a")
    for query in (
        "fields=name",
        "fields=name&fields=id",
        "fields=unknown",
        "fields=",
        "fields=name,id",
        "fields=vip_address",
    ):
        talk.get(f"loadbalancers?{query}", about="fields")
        talk.get(f"loadbalancers/{lb}?{query}", about="fields")


def children_filters(talk: Talk) -> None:
    lb = talk.lb()
    listener = talk.listener(lb, name="l", tags=["t"])
    pool = talk.pool(listener_id=listener, name="p", tags=["t"])
    talk.listener(lb, name="m", protocol_port=81)
    monitor = talk.monitor(pool, name="h")
    talk.member(pool, name="m", weight=3)
    talk.member(pool, name="n", address="192.0.2.2", backup=True)
    for query in (
        "name=l", "protocol=HTTP", "protocol_port=81", f"loadbalancer_id={lb}", f"load_balancer_id={lb}",
        f"default_pool_id={pool}", "connection_limit=-1", "tags=t", "client_authentication=NONE", "protocol_port=x",
        "timeout_client_data=50000", "insert_headers=x", "default_tls_container_ref=x", "admin_state_up=true",
    ):  # fmt: skip
        talk.get(f"listeners?{query}&sort=name", about=f"filter listener {query.split('=')[0]}")
    for query in (
        "name=p", "protocol=HTTP", "lb_algorithm=ROUND_ROBIN", f"loadbalancer_id={lb}", f"listener_id={listener}",
        f"healthmonitor_id={monitor}", "tags=t", "tls_enabled=false", "session_persistence=x", "members=x",
    ):  # fmt: skip
        talk.get(f"pools?{query}&sort=name", about=f"filter pool {query.split('=')[0]}")
    for query in (
        "name=m", "address=192.0.2.2", "ip_address=192.0.2.2", "weight=3", "backup=true", "protocol_port=80",
        "operating_status=NO_MONITOR", "monitor_port=5", "subnet_id=x", "sort=address:desc", "sort=weight",
        "limit=1&sort=name",
    ):  # fmt: skip
        order = "" if "sort" in query else "&sort=name"
        talk.get(f"pools/{pool}/members?{query}{order}", about=f"filter member {query.split('=')[0]}")
    for query in (
        "name=h", "type=HTTP", "delay=5", "max_retries=3", "max_retries_down=3", f"pool_id={pool}", "timeout=4",
        "url_path=/", "http_method=GET", "rise_threshold=3",
    ):  # fmt: skip
        talk.get(f"healthmonitors?{query}", about=f"filter healthmonitor {query.split('=')[0]}")


def projects(talk: Talk) -> None:
    talk.lb(name="a")
    talk.make("loadbalancers", "loadbalancer", user="bob", name="b", vip_subnet_id=SUBNET, vip_address="203.0.113.12")
    red, blue = talk.project("red"), talk.project("blue")
    for user in ("alice", "bob", "rita", "nobody", "admin"):
        talk.get("loadbalancers?sort=name&fields=name", user=user)
        talk.get(f"loadbalancers?sort=name&fields=name&project_id={red}", user=user)
        talk.get(f"loadbalancers?sort=name&fields=name&tenant_id={blue}", user=user)
