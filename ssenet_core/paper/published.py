"""The numbers that the paper prints, on PASCAL VOC 2012: mIoU in percent."""

from collections.abc import Mapping
from typing import Any, NamedTuple

# Table 1: CAM and CAM + random walk on the 1,464 images of train, by the small branch's rate.
BRANCH_RATES = {
    "baseline": (47.3, 58.8),
    "0.6": (48.5, 61.5),
    "0.5": (48.9, 61.7),
    "0.4": (49.4, 61.8),
    "0.3": (49.8, 62.1),
    "0.2": (49.4, 61.7),
}
# Table 2: CAM on the same images, by the range of the longest edge in training.
SCALE_RANGES = {
    ("baseline", (448, 768)): 47.3,
    ("baseline", (224, 768)): 46.6,
    ("0.5", (448, 768)): 48.9,
}


def published_branch(settings: Mapping[str, Any]) -> str | None:
    """A CAM variant's key in `BRANCH_RATES`; None where it is not of the published kind.

    Args:
        settings: of the variant; `ser` is read.
    """
    ser = settings["ser"]
    if not ser["weight"]:
        return "baseline"
    kind = list(ser["transforms"]), ser["form"], ser["compared_at"]
    return f"{ser['rate']:g}" if kind == (["scale"], "normalised", "pixels") else None


class Method(NamedTuple):
    """A row of Table 3; scores on val and test, None where none was published."""

    name: str
    supervision: str
    saliency: bool
    val: float | None
    test: float | None


METHODS = (
    Method("EM-Adapt (Papandreou et al. 2015)", "Image-level", False, 38.2, 39.6),
    Method("MIL (Pinheiro and Collobert 2015)", "Image-level", False, 42.0, 40.6),
    Method("SEC (Kolesnikov and Lampert 2016)", "Image-level", False, 50.7, 51.7),
    Method("AffinityNet (Ahn and Kwak 2018)", "Image-level", False, 61.7, 63.7),
    Method("STC (Wei et al. 2017)", "Image-level", True, 49.8, 51.2),
    Method("AdvErasing (Wei et al. 2017)", "Image-level", True, 55.0, 55.7),
    Method("SeeNet (Hou et al. 2018)", "Image-level", True, 63.1, 62.8),
    Method("DSRG (Huang et al. 2018)", "Image-level", True, 61.4, 63.2),
    Method("FickleNet (Lee et al. 2019)", "Image-level", True, 64.9, 65.3),
    Method("What's Point (Bearman et al. 2016)", "Point", False, 46.0, 43.6),
    Method("RAWK (Vernaza and Chandraker 2017)", "Scribble", False, 61.4, None),
    Method("ScribbleSup (Lin et al. 2016)", "Scribble", False, 63.1, None),
    Method("BoxSup (Dai, He and Sun 2015)", "Bbox", False, 62.0, 64.6),
    Method("SDI (Khoreva et al. 2017)", "Bbox", False, 65.7, 67.5),
    Method("SSENet (paper)", "Image-level", False, 63.3, 64.9),
)
