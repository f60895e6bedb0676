"""The paper's own numbers beside a run's rows; they are about PASCAL VOC 2012 alone.

In: a row of the results, and the settings of the CAM variants. Out: mIoU in percent, or None where
the paper has no such number.
"""

from collections.abc import Mapping
from typing import Any

from ssenet_core.paper.published import BRANCH_RATES, METHODS, published_branch
from ssenet_core.report.replicates import base_variant
from ssenet_core.report.results import Row

CHOSEN_RATE = "0.3"  # of the small branch, in the network that the paper's Table 3 shows
SPLITS = {"cam": "pseudo_eval", "random_walk": "pseudo_eval", "deeplab": "val"}
NOTE = (
    "The last column has what the paper prints for the same stage and rate on PASCAL VOC 2012 "
    "(Tables 1 and 3)."
)


def paper_score(row: Row, cams: Mapping[str, Mapping[str, Any]]) -> float | None:
    """What the paper reports where the run has this row.

    Args:
        row: of the results table.
        cams: settings of the CAM variants by name, seeds included; `ser` is read.
    """
    if SPLITS.get(row.stage) != row.split:
        return None
    cam = row.variant.partition("/")[0]
    seeds = (cams[name] for name in cams if base_variant(name) == cam)
    rate = next(map(published_branch, seeds), None)
    if row.stage == "deeplab":
        ours = next(method for method in METHODS if method.name == "SSENet (paper)")
        return ours.val if rate == CHOSEN_RATE else None
    of_cams, of_walks = BRANCH_RATES.get(rate or "", (None, None))
    return of_cams if row.stage == "cam" else of_walks
