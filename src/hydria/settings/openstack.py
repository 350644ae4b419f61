"""The settings of services of an OpenStack in place of the home cloud's."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hydria.settings.types import Text, Url


class KeystoneSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Keystone elsewhere. It replaces the home cloud's identity service, with its users and projects."""

    auth_url: Annotated[
        Url | None,
        Meta(description="URL of Keystone, with or without /v3. Unset: the home cloud's identity service is used."),
    ] = None
    username: Annotated[
        Text, Meta(description="User by which Hydria validates tokens; it needs the role service or admin.")
    ] = "hydria"
    password: Annotated[Text | None, Meta(description="Password of that user. Prefer the environment to a file.")] = (
        None
    )
    user_domain_id: Annotated[Text, Meta(description="Domain of that user.")] = "default"
    project_name: Annotated[Text, Meta(description="Project in which that user logs in.")] = "service"
    project_domain_id: Annotated[Text, Meta(description="Domain of that project.")] = "default"
    region: Annotated[
        Text | None,
        Meta(description="Region of the other services in Keystone's catalogue, such as Neutron. Unset: any."),
    ] = None
    cafile: Annotated[
        Path | None,
        Meta(description="CA certificates (PEM) for Keystone. Unset: the CA certificates of the machine."),
    ] = None
    insecure: Annotated[bool, Meta(description="Do not verify Keystone's certificate.")] = False
    cache_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="How long a validated token is cached; a revoked token works at most that long. 0 asks Keystone"
            " for every request.",
        ),
    ] = 30
    timeout_seconds: Annotated[
        int, Meta(ge=1, le=60, description="Timeout of requests to Keystone; after it a request gets a 503.")
    ] = 5


class NetworkSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network service: the home cloud's, or the Neutron of an OpenStack."""

    type: Annotated[
        Literal["home", "neutron"],
        Meta(
            description="home is the home cloud's network service, neutron that of the OpenStack of [keystone], whose"
            " user needs the roles service and admin for it; hosts need agent.ovsdb."
        ),
    ] = "home"
    url: Annotated[
        Url | None, Meta(description="URL of Neutron, without /v2.0. Unset: the endpoint in Keystone's catalogue.")
    ] = None
    timeout_seconds: Annotated[
        int, Meta(ge=1, le=120, description="Timeout of requests to Neutron; after it a request gets a 503.")
    ] = 20


class SecretsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key manager: the home cloud's, or the Barbican of an OpenStack."""

    type: Annotated[
        Literal["home", "barbican"],
        Meta(
            description="home is the home cloud's key manager, barbican that of the OpenStack of [keystone]. Users let"
            " its user read their secrets: openstack acl user add."
        ),
    ] = "home"
    url: Annotated[
        Url | None, Meta(description="URL of Barbican, without /v1. Unset: the endpoint in Keystone's catalogue.")
    ] = None
    timeout_seconds: Annotated[
        int, Meta(ge=1, le=120, description="Timeout of requests to Barbican; after it a request gets a 503.")
    ] = 10
