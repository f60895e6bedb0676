"""A stage's settings, as the workflow would hand them on: `config.yaml` with a test's values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.settings import (
    AffinityTraining,
    CamTraining,
    DeepLabTraining,
    load,
    merged,
)

CONFIG: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8")
)
SETTINGS = load(CONFIG)
VARIANTS = {"cam": "ssenet", "affinity": "default", "deeplab": "default"}
TRAININGS: Mapping[str, Any] = {
    "cam": CamTraining,
    "affinity": AffinityTraining,
    "deeplab": DeepLabTraining,
}


def stage_settings(section: str, over: Mapping[str, Any], variant: str | None = None) -> Any:
    """The settings of cam, affinity or deeplab, from random weights unless `over` says otherwise.

    Args:
        over: values laid over the variant's.
        variant: of the section; None for the one that the default chain uses.
    """
    settings = SETTINGS.resolve(section, variant or VARIANTS[section])
    return changed(settings, merged({"backbone": {"weights": None}}, over))


def changed(settings: Any, over: Mapping[str, Any]) -> Any:
    """A section of settings with other values laid over its own."""
    return type(settings).model_validate(merged(settings.plain(), over))
