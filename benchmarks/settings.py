"""Settings of a variant for the benchmarks: the embedded dataset's, or the paper's recipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.settings import load, merged

ROOT = Path(__file__).parents[1]


def toy(section: str, name: str) -> Any:
    """A variant of `config.yaml`, from random weights."""
    return _untrained(_read("config.yaml"), section, name)


def paper(section: str, name: str) -> Any:
    """A variant of `recipes/voc2012.yaml` laid over `config.yaml`, from random weights."""
    whole = merged(_read("config.yaml"), _read("recipes/voc2012.yaml"))
    return _untrained(whole, section, name)


def changed(settings: Any, over: Mapping[str, Any]) -> Any:
    """A section of settings with other values laid over its own."""
    return type(settings).model_validate(merged(settings.plain(), over))


def _read(path: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / path).read_text()))


def _untrained(config: Mapping[str, Any], section: str, name: str) -> Any:
    return changed(load(config).resolve(section, name), {"backbone": {"weights": None}})
