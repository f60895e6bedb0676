"""A configuration against the closed schema, and for what no schema can say.

In: the merged configuration. Out: an `SSENetError` that lists every fault with its key.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssenet_core.config.faults import STAGES, contradictions, dangling_names
from ssenet_core.config.limits import (
    DEEPEST,
    MOST_VALUES,
    is_too_large,
    missing_keys,
    unfit_values,
)
from ssenet_core.config.messages import describe
from ssenet_core.config.schema import read_schema, validator
from ssenet_core.errors import SSENetError


def validate(config: Mapping[str, Any], schema_path: str | Path) -> None:
    """Check a configuration against the schema and for names that refer to nothing.

    Raises:
        SSENetError: one line a fault, all of them.
    """
    if is_too_large(config):
        raise SSENetError(
            f"the configuration has more than {MOST_VALUES} values or {DEEPEST} levels; "
            "does a YAML reference (*name) stand for much?"
        )
    schema = read_schema(schema_path)
    faults = list(unfit_values(config))
    if not faults:
        errors: list[Any] = sorted(
            validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path))
        )
        faults = [line for error in errors for line in describe(error)]
    if not faults:
        faults = list(_missing_defaults(config, schema))
    if not faults:
        faults = [*contradictions(config), *dangling_names(config)]
    if faults:
        raise SSENetError("the configuration has faults:\n" + "\n".join(f"  {x}" for x in faults))


def _missing_defaults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Keys that a stage's defaults lack: every variant has all of them."""
    for section in STAGES:
        rule, defaults = {"$ref": f"#/$defs/{section}"}, config[section]["defaults"]
        yield from missing_keys(defaults, rule, schema["$defs"], f"{section}.defaults")
