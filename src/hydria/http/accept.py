"""The `Accept` header (RFC 9110, 12.5.1): whether it allows JSON."""

import re
from functools import lru_cache

_RANGE = re.compile(r"(?:\*/\*|[!#$%&'*+.^_`|~\w-]+/[!#$%&'*+.^_`|~\w-]+)\Z")
_WEIGHT = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")

# The ranges that JSON is in, the closest first.
_CLOSEST = ("application/json", "application/*", "*/*")


@lru_cache(256)
def takes_json(header: str | None) -> bool:
    """Say whether a request takes JSON: one without the header does, and one whose header cannot be read."""
    weights: dict[str, float] = {}
    for part in (header or "").split(","):
        media, *parameters = (each.strip() for each in part.split(";"))
        if not media:
            continue
        names = [each.partition("=")[0].strip().lower() for each in parameters]
        weight = parameters[names.index("q")].partition("=")[2].strip() if "q" in names else "1"
        if not _RANGE.match(media) or not _WEIGHT.match(weight):
            return True
        # JSON has no parameters, so a range with parameters does not match it.
        if not names or names[0] == "q":
            weights[media.lower()] = float(weight)
    closest = next((weights[media] for media in _CLOSEST if media in weights), None)
    return (closest is None and not (header or "").strip()) or bool(closest)
