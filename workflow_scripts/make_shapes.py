"""Draw the synthetic dataset (rule make_shapes)."""

from ssenet_core.data.shapes import make_shapes
from ssenet_core.jobs import job
from ssenet_core.settings import ShapesSettings

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        make_shapes(
            root=snakemake.params.root,
            settings=ShapesSettings.model_validate(snakemake.params.settings),
        )
