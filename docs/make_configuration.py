"""Write config.schema.json and docs/configuration.md from the models in ssenet_core/settings.

The schema is for editors. The page has one table a section, one row a key, with the default in
config.yaml. `make docs` runs it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.settings import Settings
from ssenet_core.settings.sections import PATTERNS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "configuration.md"
SCHEMA = ROOT / "config.schema.json"
LONGEST_DEFAULT = 70  # characters; config.yaml itself shows what is longer
UNSET = object()  # config.yaml has no such key

HEAD = """\
# Configuration

Made by `make docs` from `ssenet_core/settings/` and `config.yaml`: edit those.

`config.yaml` holds a default for everything; an overlay (`--configfile my-photos.yaml`) names only
what differs, and `--config 'run={seeds: [1]}'` changes a value for one run. Mappings are laid over
each other key by key, lists are replaced. An unknown key is an error. Keys stand here with dots
between; on the command line they are nested, `--config 'cam={defaults: {epochs: 1}}'`, and a target
after them needs `--` before it. `recipes/first-look.yaml` shows a run of two minutes.

`NAME` stands for a name of your own, `[]` for each item of a list. A variant may set any key of its
section's `defaults` again: `cam.defaults.ser.rate` is `cam.variants.NAME.ser.rate` there.
"""

Schema = Mapping[str, Any]


def editors_schema() -> dict[str, Any]:
    """The JSON schema of config.yaml and of overlays, in which no key is required."""
    schema: dict[str, Any] = _without_noise(Settings.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _without_noise(value: Any, *, names: bool = False) -> Any:
    """A schema less `required`, the titles that pydantic makes of names, and line breaks.

    Args:
        names: the keys of `value` are names of the user's or of settings, not the schema's own.
    """
    if isinstance(value, dict):
        return {
            key: _without_noise(inner, names=not names and key in {"properties", "$defs"})
            for key, inner in value.items()
            if names or not (key == "required" or (key == "title" and _is_made(inner)))
        }
    if isinstance(value, list):
        return [_without_noise(inner) for inner in value]
    return " ".join(value.split()) if isinstance(value, str) else value


def _is_made(title: str) -> bool:
    """Whether pydantic made a title of a name: our own have commas or small letters only."""
    return "," not in title and title[:1].isupper()


@dataclass(frozen=True)
class Row:
    """One key: its path, what it is, what it may hold, what it holds unless it is set."""

    path: str
    description: str
    allowed: str
    default: str


def page(schema: Schema, defaults: Mapping[str, Any]) -> str:
    """The whole page in Markdown."""
    parts = [HEAD]
    for section, described in schema["properties"].items():
        found = resolved(described, schema)
        parts += [f"\n## {section}\n\n{found['description']}\n\n"]
        parts += ["| key | what it is | allowed | default |\n|---|---|---|---|\n"]
        for row in rows(section, found, defaults.get(section, UNSET), schema):
            parts.append(
                f"| `{row.path}` | {_cell(row.description)} | {_cell(row.allowed)} "
                f"| {_cell(row.default)} |\n"
            )
    return "".join(parts)


def rows(path: str, described: Schema, default: Any, schema: Schema) -> Iterator[Row]:
    """The rows of all keys below `path`, in the schema's order.

    Args:
        path: where the keys are, "cam.defaults".
        described: the schema of `path`, resolved.
        default: what config.yaml has at `path`; `UNSET` where it has nothing.
        schema: the whole schema, for its `$defs`.
    """
    for key, child in _children(described, schema):
        below, found = f"{path}{key}", resolved(child, schema)
        value = default.get(key[1:], UNSET) if isinstance(default, Mapping) else UNSET
        if not key.endswith("[]") and not key.endswith(".NAME"):
            yield Row(
                below, found.get("description", ""), allowed(found, schema), shown(found, value)
            )
        if not _is_variant(below):
            yield from rows(below, found, value, schema)


def _children(described: Schema, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """What is below a path: named keys, a key of any name, or the items of a list of mappings."""
    for key, child in described.get("properties", {}).items():
        yield f".{key}", child
    if isinstance(described.get("additionalProperties"), Mapping):
        yield ".NAME", described["additionalProperties"]
    if isinstance(described.get("patternProperties"), Mapping):
        yield ".NAME", next(iter(described["patternProperties"].values()))
    if "properties" in resolved(described.get("items", {}), schema):
        yield "[]", described["items"]


def _is_variant(path: str) -> bool:
    """Whether the keys below are those of the section's `defaults`, which have rows already."""
    return path.endswith(".variants.NAME")


def resolved(described: Schema, schema: Schema) -> dict[str, Any]:
    """A schema with what its `$ref` refers to; its own keywords win.

    Of a value that may be null or a section, it is the section's, with both in `anyOf`.
    """
    found = dict(described)
    for part in [found, *found.get("anyOf", [])]:
        if "$ref" in part:
            target = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
            found = {**resolved(target, schema), **found}
            found.pop("$ref", None)
    return found


def allowed(described: Schema, schema: Schema) -> str:
    """What a value may be, in words."""
    if "title" in described:
        return str(described["title"])
    if "anyOf" in described:
        kinds = [resolved(kind, schema) for kind in described["anyOf"]]
        kinds.sort(key=lambda kind: kind.get("type") != "null")  # null first
        return " or ".join(allowed(kind, schema) for kind in kinds)
    if "enum" in described or "const" in described:
        values = described.get("enum", [described.get("const")])
        return ", ".join(f"`{_yaml(value)}`" for value in values)
    return _kind(described["type"], described, schema)


def _kind(name: str, described: Schema, schema: Schema) -> str:
    """A value of one type, with its limits."""
    if name == "null":
        return "`null`"
    if name == "boolean":
        return "`true`, `false`"
    if name == "array":
        return _list(described, schema)
    if name in {"integer", "number"}:
        return f"{'whole number' if name == 'integer' else 'number'}{_limits(described)}"
    if name == "string" and "pattern" in described:
        return PATTERNS[described["pattern"]]
    return {"string": "text", "object": "mapping"}[name]


def _limits(described: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    known = {key: described[key] for key in signs if key in described}
    if {"minimum", "maximum"} <= known.keys():
        return f", {known['minimum']} to {known['maximum']}"
    found = [f"{sign} {known[key]}" for key, sign in signs.items() if key in known]
    return f" {', '.join(found)}" if found else ""


def _list(described: Schema, schema: Schema) -> str:
    """A list's length and items, "list of 2: number > 0"."""
    least, most = described.get("minItems", 0), described.get("maxItems")
    length = ""
    if least == most:
        length = f" of {least}"
    elif most is not None:
        length = f" of {least} to {most}"
    elif least:
        length = f" of {least} or more"
    once = ", none twice" if described.get("uniqueItems") else ""
    item = described["prefixItems"][0] if "prefixItems" in described else described["items"]
    return f"list{length}{once}: {allowed(resolved(item, schema), schema)}"


def shown(described: Schema, value: Any) -> str:
    """A default as it is written in config.yaml; of a mapping with rows of its own, nothing."""
    if value is UNSET or "properties" in described:
        return "`null`" if value is None else ""
    if isinstance(value, Mapping):
        return ", ".join(f"`{name}`" for name in value)
    text = _yaml(value)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see `config.yaml`"


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def current_files() -> dict[Path, str]:
    """The schema and the page, as the models and config.yaml have them."""
    schema = editors_schema()
    return {
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        PAGE: page(schema, yaml.safe_load((ROOT / "config.yaml").read_text())),
    }


if __name__ == "__main__":
    for path, text in current_files().items():
        path.write_text(text)
