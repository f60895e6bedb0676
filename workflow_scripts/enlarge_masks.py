"""Write a shard's labels at the sizes of the original photographs (rules *_masks_*)."""

from pathlib import Path

from ssenet_core.data.prepare import enlarge_masks
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        enlarge_masks(
            labels_dir=snakemake.params.labels_dir,
            originals=snakemake.input.originals,
            masks=[Path(file) for file in snakemake.output.files],
            record=snakemake.output.record,
        )
