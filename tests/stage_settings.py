"""A stage's settings, as the workflow would hand them on: `config.yaml` with a test's values."""

from pathlib import Path
from typing import Any

import yaml

from ssenet_core.config import merged, resolve

CONFIG: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8")
)
VARIANTS = {"cam": "ssenet", "affinity": "default", "deeplab": "default"}


def stage_settings(section: str, over: dict[str, Any], variant: str | None = None) -> Any:
    """The settings of cam, affinity or deeplab, from random weights unless `over` says otherwise.

    Args:
        over: values laid over the variant's.
        variant: of the section; None for the one that the default chain uses.
    """
    settings = resolve(CONFIG, section, variant or VARIANTS[section])
    return merged(settings, merged({"backbone": {"weights": None}}, over))
