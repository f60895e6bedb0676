"""Where tags and labels are doubtful: the networks of folds, and what the report reads."""

from typing import Any

from ssenet_core.plan.base import Plan
from ssenet_core.plan.reporting import label_folders
from ssenet_core.settings import merged, starting_variant


def fold_file(plan: Plan, fold: int, file: str) -> str:
    """A file of the network, or of the images, of one of `tags.folds`."""
    return f"{plan.results}/folds/{fold}/{file}"


def fold_settings(plan: Plan, cam: str) -> dict[str, Any]:
    """What the training of a fold's network depends on: the variant's, without regulariser."""
    settings = plan.variant("cam", cam).used_in_training()
    return merged(settings, {"ser": {"weight": 0.0}})


def fold_weights(plan: Plan, fold: int, cam: str) -> str | None:
    """The file of a fold's network's initial weights.

    The network that a variant starts from has learnt from all tags: each fold has its own.
    """
    start = starting_variant(plan.variant("cam", cam).backbone.weights, cam)
    if start:
        return fold_file(plan, fold, f"{start}/model.pt")
    return plan.initial_weights("cam", cam, cam)


def tag_scorers(plan: Plan) -> dict[str, str]:
    """Manifests of training images by the network that is asked about them."""
    folds = range(plan.settings.tags.folds)
    if not folds:
        return {plan.of_cams("model.pt", [plan.shown_cam])[0]: plan.manifest("train")}
    return {
        fold_file(plan, fold, f"{plan.shown_cam}/model.pt"): fold_file(plan, fold, "held_out.json")
        for fold in folds
    }


def scored_view(plan: Plan) -> dict[str, Any]:
    """The view of an image that its classes' probabilities are of: the first of inference."""
    found = plan.settings.cam.resolve(plan.shown_cam).inference
    return {"scale": found.scales[0], "flip": found.flip, "precision": found.precision}


def sources(plan: Plan) -> dict[str, str]:
    """Where the report finds what is doubtful: files, and the first chain's labels."""
    found = {
        "manifest": plan.manifest("train"),
        "tag_scores": f"{plan.results}/tags/probabilities.json",
    }
    if first := plan.chains[:1]:
        found["agreement"] = plan.of_chains("deeplab", "agreement.json", first)[0]
        found |= label_folders(plan)
    return found


def source_files(plan: Plan) -> dict[str, str]:
    """Those of `sources` that jobs make one by one."""
    return {key: path for key, path in sources(plan).items() if not key.endswith("_dir")}
