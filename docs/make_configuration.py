"""Write docs/configuration.md: every key of the configuration, from its schema and its defaults.

In: config.schema.yaml (what a key is, what it may hold), config.yaml (its default). Out: the page,
one table a section, one row a key. `make docs` runs it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "configuration.md"
LONGEST_DEFAULT = 70  # characters; config.yaml itself shows what is longer
UNSET = object()  # config.yaml has no such key

HEAD = """\
# Configuration

Made by `make docs` from `config.schema.yaml` and `config.yaml`: edit those.

`config.yaml` holds a default for everything; an overlay (`--configfile my-photos.yaml`) names only
what differs, and `--config 'run={seeds: [1]}'` changes a value for one run. Mappings are laid over
each other key by key, lists are replaced. An unknown key is an error. Keys stand here with dots
between; on the command line they are nested, `--config 'cam={defaults: {epochs: 1}}'`, and a target
after them needs `--` before it. `recipes/first-look.yaml` shows a run of two minutes.

`NAME` stands for a name of your own, `[]` for each item of a list. A variant may set any key of its
section's `defaults` again: `cam.defaults.ser.rate` is `cam.variants.NAME.ser.rate` there.
"""

Schema = Mapping[str, Any]


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
    for key, child in _children(path, described):
        below, found = f"{path}{key}", resolved(child, schema)
        value = default.get(key[1:], UNSET) if isinstance(default, Mapping) else UNSET
        if not key.endswith("[]") and not key.endswith(".NAME"):
            yield Row(
                below, found.get("description", ""), allowed(found, schema), shown(found, value)
            )
        if not _is_variant(below):
            yield from rows(below, found, value, schema)


def _children(path: str, described: Schema) -> Iterator[tuple[str, Schema]]:
    """What is below a path: named keys, a key of any name, or the items of a list of mappings."""
    for key, child in described.get("properties", {}).items():
        yield f".{key}", child
    if isinstance(described.get("additionalProperties"), Mapping):
        yield ".NAME", described["additionalProperties"]
    if "properties" in described.get("items", {}):
        yield "[]", described["items"]


def _is_variant(path: str) -> bool:
    """Whether the keys below are those of the section's `defaults`, which have rows already."""
    return path.endswith(".variants.NAME")


def resolved(described: Schema, schema: Schema) -> dict[str, Any]:
    """A schema with what its `$ref` refers to; its own keywords win."""
    found = dict(described)
    reference = found.pop("$ref", None)
    if reference is None:
        return found
    target = schema["$defs"][reference.removeprefix("#/$defs/")]
    return {**resolved(target, schema), **found}


def allowed(described: Schema, schema: Schema) -> str:
    """What a value may be, in words."""
    if "enum" in described:
        return ", ".join(f"`{_yaml(value)}`" for value in described["enum"])
    if "title" in described:
        return str(described["title"])
    types = described["type"]
    names = [types] if isinstance(types, str) else sorted(types, key="null".__ne__)  # null first
    return " or ".join(_kind(name, described, schema) for name in names)


def _kind(name: str, described: Schema, schema: Schema) -> str:
    """One of a value's types, with its limits."""
    if name == "null":
        return "`null`"
    if name == "boolean":
        return "`true`, `false`"
    if name == "array":
        return _list(described, schema)
    if name in {"integer", "number"}:
        return f"{'whole number' if name == 'integer' else 'number'}{_limits(described)}"
    if name == "string" and "pattern" in described:
        return f"text like `{described['pattern']}`"
    return {"string": "text", "object": "mapping"}[name]


def _limits(described: Schema) -> str:
    if "minimum" in described and "maximum" in described:
        return f", {described['minimum']} to {described['maximum']}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {described[key]}" for key, sign in signs.items() if key in described]
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
    return f"list{length}{once}: {allowed(resolved(described['items'], schema), schema)}"


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


def current_page() -> str:
    """The page of the repository's schema and defaults."""
    schema = yaml.safe_load((ROOT / "config.schema.yaml").read_text())
    return page(schema, yaml.safe_load((ROOT / "config.yaml").read_text()))


if __name__ == "__main__":
    PAGE.write_text(current_page())
