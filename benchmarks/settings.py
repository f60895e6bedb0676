"""Settings of a variant for the benchmarks: the embedded dataset's, or the paper's recipe."""

from pathlib import Path
from typing import Any

import yaml

from ssenet_core.config import resolve

ROOT = Path(__file__).parents[1]


def toy(section: str, name: str) -> dict[str, Any]:
    """A variant of `config.yaml`, from random weights."""
    return _untrained(resolve(_read("config.yaml"), section, name))


def paper(section: str, name: str) -> dict[str, Any]:
    """A variant of `recipes/voc2012.yaml` laid over `config.yaml`, from random weights."""
    whole = _over(_read("config.yaml"), _read("recipes/voc2012.yaml"))
    return _untrained(resolve(whole, section, name))


def _read(path: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / path).read_text()))


def _over(base: Any, change: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return base | {key: _over(base.get(key), value) for key, value in change.items()}


def _untrained(settings: Any) -> dict[str, Any]:
    return {**settings, "backbone": {**settings["backbone"], "weights": None}}
