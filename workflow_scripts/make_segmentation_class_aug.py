"""Add the masks of the Semantic Boundaries Dataset (rule make_segmentation_class_aug)."""

from ssenet_core.data.sbd import make_segmentation_class_aug
from ssenet_core.job import job
from ssenet_core.settings import Source

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        make_segmentation_class_aug(
            source=Source.model_validate(snakemake.params.source),
            archive=snakemake.params.archive,
            root=snakemake.params.root,
        )
