"""The types of settings that several tables share."""

from typing import Annotated, Any

from msgspec import Meta


def allowed(words: str) -> dict[str, Any]:
    """Describe the allowed values of a type whose bounds do not describe them."""
    return {"allowed": words}


URL = r"^https?://[^\s/]+(/[^\s]*)?$"
Url = Annotated[str, Meta(pattern=URL, extra=allowed("an http:// or https:// address"))]
Text = Annotated[str, Meta(min_length=1, max_length=255, extra=allowed("1 to 255 characters"))]
Program = Annotated[str, Meta(min_length=1, extra=allowed("a program's name on PATH, or its absolute path"))]
Account = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]{0,30}$", extra=allowed("the name of an account"))]
