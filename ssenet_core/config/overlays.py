"""The configuration of a command line, merged and checked as the workflow does it.

Raises `SSENetError` for a file that cannot be read, and for faults of the whole.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.config.repeated import LOADER, refuse_repeated_keys
from ssenet_core.config.texts import read_text_values
from ssenet_core.config.validation import validate
from ssenet_core.config.variants import merged
from ssenet_core.errors import SSENetError

WORKFLOW = Path(__file__).parents[2]


def read_configuration(overlays: Sequence[str | Path]) -> dict[str, Any]:
    """`config.yaml` with overlays such as `recipes/voc2012.yaml` merged over it, in their order."""
    files = [WORKFLOW / "config.yaml", *overlays]
    refuse_repeated_keys(files)
    config: dict[str, Any] = {}
    for file in files:
        config = merged(config, _read(file))
    schema = WORKFLOW / "config.schema.yaml"
    read_text_values(config, schema)
    validate(config, schema)
    return config


def _read(path: str | Path) -> dict[str, Any]:
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), LOADER)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SSENetError(f"{path}: expected a YAML file, cannot read it ({error})") from error
    if not isinstance(content, dict):
        raise SSENetError(f"{path}: expected sections of a configuration, found {content!r:.80}")
    return content
