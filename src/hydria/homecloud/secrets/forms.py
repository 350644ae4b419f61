"""The wire forms of the key manager."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Name = Annotated[str, Meta(max_length=255)]
SecretType = Literal["symmetric", "public", "private", "certificate", "passphrase", "opaque"]
ContainerType = Literal["generic", "rsa", "certificate"]


class SecretCreate(Struct, kw_only=True):
    """A new secret; without a payload, a PUT brings it later."""

    name: Name | None = None
    expiration: str | None = None
    algorithm: Name | None = None
    bit_length: Annotated[int, Meta(ge=1, le=32767)] | None = None
    mode: Name | None = None
    secret_type: SecretType | None = None
    payload: str | None = None
    payload_content_type: Name | None = None
    payload_content_encoding: Literal["base64"] | None = None


class PartForm(Struct, kw_only=True):
    """A secret in a container."""

    name: Name | None = None
    secret_ref: str


class ContainerCreate(Struct, kw_only=True):
    """A new container."""

    type: ContainerType
    name: Name | None = None
    secret_refs: list[PartForm] = []


class ConsumerForm(Struct, kw_only=True):
    """A consumer of a container."""

    name: Name
    url: Name = field(name="URL")


class SecretConsumerForm(Struct, kw_only=True):
    """A consumer of a secret."""

    service: Name
    resource_type: Name
    resource_id: Name


class Metadata(Struct, kw_only=True):
    """All user metadata of a secret."""

    metadata: dict[Name, str]


class MetadatumForm(Struct, kw_only=True):
    """One entry of the user metadata."""

    key: Name
    value: str


class ReadForm(Struct, kw_only=True):
    """The readers of an access list."""

    users: list[Name] | None = None
    project_access: bool | None = field(name="project-access", default=None)


class AclForm(Struct, kw_only=True):
    """An access list."""

    read: ReadForm = field(default_factory=ReadForm)
