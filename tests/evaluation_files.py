"""What evaluations write, with chosen scores: for tests of what reads them."""

from typing import Any

# The regulariser as published, which the paper's tables know by its rate.
SER = {
    "weight": 1.0,
    "transforms": ["scale"],
    "rate": 0.3,
    "form": "normalised",
    "compared_at": "pixels",
}


def evaluation(stage: str, name: str, miou: float, **more: Any) -> dict[str, Any]:
    """A stage's evaluation; `more` replaces or adds facts."""
    return {
        "format": 1,
        "stage": stage,
        "name": name,
        "split": "pseudo_eval",
        "images": 10,
        "classes": ["background", "cat|dog"],
        "miou": miou,
        "iou": [miou, None],
        "mfn": 0.25,
        "mfp": 0.5,
        "confusion": [[1, 0], [0, 0]],
        "tags_used": True,
    } | more


def equivariance(name: str, flip: float, mean: float) -> dict[str, Any]:
    """A network's equivariance under a flip, and under a rotation that left no image."""
    return {
        "format": 1,
        "stage": "equivariance",
        "name": name,
        "split": "train",
        "images": 7,
        "differences": {"flip": flip, "rotate 5°": None},
        "mean": mean,
    }
