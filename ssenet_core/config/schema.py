"""The closed schema of the configuration, config.schema.yaml."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

# To JSON Schema 3.0 is a whole number; to what is called with it, it is none.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    ),
)


def read_schema(path: str | Path) -> Mapping[str, Any]:
    return _parsed(Path(path).read_text())


@cache
def _parsed(text: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = yaml.safe_load(text)
    return schema
