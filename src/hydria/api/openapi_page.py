"""The API's description as an HTML page: one file without scripts, which loads nothing."""

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --ink: light-dark(#1b2530, #e6eaee);
  --paper: light-dark(#fff, #12171c); --get: #2471a3; --post: #1e8449; --put: #b9770e; --delete: #b03a2e; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
nav { position: fixed; inset: 0 auto 0 0; width: 15rem; overflow: auto; padding: 1.2rem;
  border-right: 1px solid var(--line); }
nav a { display: block; padding: .1rem 0; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
main { margin-left: 15rem; padding: 1.2rem 2rem 4rem; max-width: 70rem; }
h1 { margin: 0 0 .2rem; font-size: 1.6rem; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem; }
h3 { margin: 1rem 0 .3rem; font-size: .95rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .35rem 0; }
summary { padding: .4rem .7rem; cursor: pointer; display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap; }
details > div { padding: 0 .9rem .8rem; border-top: 1px solid var(--line); }
b.verb { min-width: 4.2rem; padding: 0 .4rem; border-radius: 4px; color: #fff; text-align: center; font-size: .75rem; }
.get { background: var(--get); } .post { background: var(--post); } .put { background: var(--put); }
.delete { background: var(--delete); }
code, pre { font: 13px/1.45 ui-monospace, monospace; } .note { opacity: .75; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
td, th { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--soft); vertical-align: top; }
@media (max-width: 50rem) { nav { position: static; width: auto; border: 0; } main { margin: 0; padding: 1rem; } }
"""


def page(document: dict[str, Any]) -> str:
    """Return the HTML page of an OpenAPI document as `hydria.api.openapi` makes them."""
    info, tags = document["info"], [tag["name"] for tag in document["tags"]]
    by_tag: dict[str, list[str]] = {tag: [] for tag in tags}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_operation(method, path, operation))
    schemas = document["components"]["schemas"]
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in tags)
    kinds = "".join(f'<a href="#schema-{escape(name)}">{escape(name)}</a>' for name in sorted(schemas))
    calls = "".join(
        f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(operations)}' for tag, operations in by_tag.items()
    )
    bodies = "".join(_schema(name, schemas[name]) for name in sorted(schemas))
    intro = "".join(f"<p>{_prose(part)}</p>" for part in info["description"].split("\n\n"))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<nav><strong>{escape(info['title'])}</strong>{links}<h3>Bodies</h3>{kinds}</nav>"
        f"<main><h1>{escape(info['title'])} API v{escape(info['version'])}</h1>"
        f'<p class="note">{escape(info["summary"])} Below <code>{escape(document["servers"][0]["url"])}</code>; '
        f'for programs: <a href="openapi.json">openapi.json</a>. Send a token of the identity service as '
        f"<code>X-Auth-Token</code>.</p>{intro}{calls}<h2>Bodies</h2>{bodies}</main></body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{_prose(operation.get('description', ''))}</p>"]
    if operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(parameter['name'])}</code><td>{parameter['in']}<td>{_type(parameter['schema'])}"
            f"<td>{escape(parameter.get('description', ''))}"
            for parameter in operation["parameters"]
        )
        parts.append(f"<h3>Parameters</h3><table><tr><th>Name<th>In<th>Type<th>{rows}</table>")
    if "requestBody" in operation:
        parts.append(f"<h3>Body</h3><p>{_content(operation['requestBody'])}</p>")
    answers = "".join(
        f"<tr><td><code>{code}</code><td>{_content(answer)}<td>{_prose(answer['description'])}"
        for code, answer in operation["responses"].items()
    )
    parts.append(f"<h3>Answers</h3><table>{answers}</table>")
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b class="verb {method}">{method.upper()}</b>'
        f'<code>{escape(path)}</code><span class="note">{escape(operation["summary"])}</span></summary>'
        f"<div>{''.join(parts)}</div></details>"
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code><td>{_type(value)}<td>{'required' if key in required else ''}"
        f"<td>{_default(value)}{escape(str(value.get('description', '')))}"
        for key, value in schema.get("properties", {}).items()
    )
    return (
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code>'
        f'<span class="note">{escape(schema.get("description", ""))}</span></summary>'
        f"<div><table>{rows}</table></div></details>"
    )


def _content(holder: dict[str, Any]) -> str:
    content = holder.get("content", {}).get("application/json")
    return "" if content is None else _type(content["schema"])


def _type(schema: dict[str, Any]) -> str:
    """Return a schema in few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("properties"):
        inner = ", ".join(f"<code>{escape(key)}</code>: {_type(value)}" for key, value in schema["properties"].items())
        return f"{{{inner}}}"
    kinds = schema.get("type", "anything")
    words = [kinds] if isinstance(kinds, str) else list(kinds)
    return escape(" or ".join(words)) + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    texts = {"minimum": "≥ {}", "maximum": "≤ {}", "maxLength": "at most {} characters", "format": "{}"}
    words = [text.format(schema[key]) for key, text in texts.items() if key in schema]
    if "pattern" in schema:
        words.append(f"like <code>{escape(schema['pattern'])}</code>")
    return f' <span class="note">({", ".join(words)})</span>' if words else ""


def _default(schema: dict[str, Any]) -> str:
    return f"default <code>{escape(repr(schema['default']))}</code> " if schema.get("default") is not None else ""


def _prose(text: str) -> str:
    """Escape a sentence, and mark text between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
