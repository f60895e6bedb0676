"""The closed schema of the configuration, config.schema.yaml."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml


def validator(schema: Mapping[str, Any]) -> Any:
    """A schema's validator."""
    return _kind()(schema)


@cache
def _kind() -> Any:
    """jsonschema's validator, to which 3.0 is no whole number, as it is none to what gets it.

    jsonschema is imported where it is needed: jobs get their settings checked, and a machine that
    only computes may lack it.
    """
    import jsonschema

    draft = jsonschema.Draft202012Validator
    whole = draft.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(draft, type_checker=whole)


def read_schema(path: str | Path) -> Mapping[str, Any]:
    return _parsed(Path(path).read_text())


@cache
def _parsed(text: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = yaml.safe_load(text)
    return schema
