"""Resources of an admin: providers, flavors, availability zones, their profiles; and the amphorae."""

import json
from typing import Any

from compare.talk import NOTHING, SUBNET, Talk


def providers(talk: Talk) -> None:
    for user in ("alice", "nobody", "admin"):
        talk.get("providers", user=user)
        for name in ("amphora", "octavia", "nothing"):
            talk.get(f"providers/{name}/flavor_capabilities", user=user)
            talk.get(f"providers/{name}/availability_zone_capabilities", user=user)
    talk.get("providers?fields=name")
    talk.get("providers/amphora", user="admin")


_PROFILE = {"name": "f", "provider_name": "amphora", "flavor_data": json.dumps({"loadbalancer_topology": "SINGLE"})}


def flavor_profiles(talk: Talk) -> None:
    for change in (
        {}, {"name": None}, {"name": "x" * 256}, {"provider_name": "nothing"}, {"provider_name": None},
        {"flavor_data": "x"}, {"flavor_data": "{}"}, {"flavor_data": '{"unknown": 1}'}, {"flavor_data": "[]"},
        {"flavor_data": None}, {"flavor_data": '{"loadbalancer_topology": "NO"}'},
        {"flavor_data": '{"sriov_vip": true}'}, {"flavor_data": '{"allow_member_sriov": true}'},
        {"flavor_data": '{"sriov_vip": false}'}, {"flavor_data": "x" * 4097}, {"unknown": 1},
    ):  # fmt: skip
        answer = talk.send("POST", "flavorprofiles", {"flavorprofile": {**_PROFILE, **change}}, user="admin")
        if answer.status == 201:
            talk.forget(f"flavorprofiles/{answer.body['flavorprofile']['id']}")
    talk.send("POST", "flavorprofiles", {"flavorprofile": _PROFILE})
    key = talk.make("flavorprofiles", "flavorprofile", user="admin", **_PROFILE)
    for user in ("alice", "admin"):
        talk.get("flavorprofiles", user=user)
        talk.get(f"flavorprofiles/{key}", user=user)
    talk.send("PUT", f"flavorprofiles/{key}", {"flavorprofile": {"name": "new"}}, user="admin")
    talk.send("PUT", f"flavorprofiles/{key}", {"flavorprofile": {"flavor_data": "x"}}, user="admin")
    talk.send("PUT", f"flavorprofiles/{key}", {"flavorprofile": {"name": None}}, user="admin")
    talk.get(f"flavorprofiles/{NOTHING}", user="admin")
    talk.send("DELETE", f"flavorprofiles/{NOTHING}", user="admin")
    talk.send("DELETE", f"flavorprofiles/{key}", user="admin")
    talk.get(f"flavorprofiles/{key}", user="admin")


def flavors(talk: Talk) -> None:
    profile = talk.make("flavorprofiles", "flavorprofile", user="admin", **_PROFILE)
    flavor = talk.make("flavors", "flavor", user="admin", name="f", description="d", flavor_profile_id=profile)
    for body in (
        {"name": "f", "flavor_profile_id": profile},
        {"name": "g", "flavor_profile_id": NOTHING},
        {"name": "g"},
        {"flavor_profile_id": profile},
        {"name": "g", "flavor_profile_id": profile, "unknown": 1},
    ):
        talk.send("POST", "flavors", {"flavor": body}, user="admin")
    talk.send("POST", "flavors", {"flavor": {"name": "h", "flavor_profile_id": profile}})
    for user in ("alice", "nobody", "admin"):
        talk.get("flavors", user=user)
        talk.get(f"flavors/{flavor}", user=user)
    talk.send("PUT", f"flavorprofiles/{profile}", {"flavorprofile": {"flavor_data": "{}"}}, user="admin")
    talk.send("DELETE", f"flavorprofiles/{profile}", user="admin")
    lb = talk.lb(flavor_id=flavor)
    talk.get(f"loadbalancers/{lb}")
    talk.send("DELETE", f"flavors/{flavor}", user="admin")
    talk.send("PUT", f"flavors/{flavor}", {"flavor": {"enabled": False, "description": None}}, user="admin")
    talk.send("PUT", f"flavors/{flavor}", {"flavor": {"flavor_profile_id": profile}}, user="admin")
    talk.send("PUT", f"flavors/{NOTHING}", {"flavor": {"enabled": False}}, user="admin")
    body = {"vip_subnet_id": SUBNET, "vip_address": "203.0.113.9", "flavor_id": flavor}
    talk.send("POST", "loadbalancers", {"loadbalancer": body})
    talk.send("POST", "loadbalancers", {"loadbalancer": {**body, "flavor_id": NOTHING}})
    talk.get(f"flavors/{NOTHING}")
    talk.get("flavors?enabled=false&fields=name")


_ZONE_PROFILE = {
    "name": "z",
    "provider_name": "amphora",
    "availability_zone_data": json.dumps({"compute_zone": "nova"}),
}


def availability_zones(talk: Talk) -> None:
    root = "availability_zone_profile"
    for change in (
        {"availability_zone_data": "x"}, {"availability_zone_data": "{}"}, {"availability_zone_data": '{"unknown": 1}'},
        {"provider_name": "nothing"}, {"name": None}, {"unknown": 1}, {},
    ):  # fmt: skip
        body: dict[str, Any] = {root: {**_ZONE_PROFILE, **change}}
        answer = talk.send("POST", "availabilityzoneprofiles", body, user="admin")
        if answer.status == 201:
            talk.forget(f"availabilityzoneprofiles/{answer.body[root]['id']}")
    talk.send("POST", "availabilityzoneprofiles", {root: _ZONE_PROFILE})
    profile = talk.make("availabilityzoneprofiles", root, user="admin", **_ZONE_PROFILE)
    attributes = {"name": "zone", "availability_zone_profile_id": profile, "description": "d"}
    talk.make("availabilityzones", "availability_zone", user="admin", **attributes)
    for body in (attributes, {**attributes, "name": "y", "availability_zone_profile_id": NOTHING}, {"name": "y"}):
        talk.send("POST", "availabilityzones", {"availability_zone": body}, user="admin")
    for user in ("alice", "admin"):
        talk.get("availabilityzones", user=user)
        talk.get("availabilityzones/zone", user=user)
        talk.get("availabilityzoneprofiles", user=user)
        talk.get(f"availabilityzoneprofiles/{profile}", user=user)
        talk.send("PUT", "availabilityzones/zone", {"availability_zone": {"description": "new"}}, user=user)
    lb = talk.lb(availability_zone="zone")
    talk.get(f"loadbalancers/{lb}")
    talk.send("DELETE", "availabilityzones/zone", user="admin")
    talk.send("DELETE", f"availabilityzoneprofiles/{profile}", user="admin")
    talk.send("PUT", f"availabilityzoneprofiles/{profile}", {root: {"availability_zone_data": "{}"}}, user="admin")
    talk.send("PUT", "availabilityzones/zone", {"availability_zone": {"enabled": False}}, user="admin")
    body = {"vip_subnet_id": SUBNET, "vip_address": "203.0.113.9", "availability_zone": "zone"}
    talk.send("POST", "loadbalancers", {"loadbalancer": body})
    talk.get("availabilityzones/nothing")
    talk.send("DELETE", "availabilityzones/nothing", user="admin")


def amphorae(talk: Talk) -> None:
    for user in ("alice", "admin"):
        talk.get(f"/v2/octavia/amphorae/{NOTHING}", user=user)
        talk.get(f"/v2/octavia/amphorae/{NOTHING}/stats", user=user)
        talk.send("PUT", f"/v2/octavia/amphorae/{NOTHING}/failover", user=user)
        talk.send("PUT", f"/v2/octavia/amphorae/{NOTHING}/config", user=user)
        talk.send("DELETE", f"/v2/octavia/amphorae/{NOTHING}", user=user)
    talk.get("/v2/octavia/amphorae")
