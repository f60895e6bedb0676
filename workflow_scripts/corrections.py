"""Check corrected labels, and bring them to the training images' sizes (rule corrections)."""

from ssenet_core.data.corrections import gather_corrections
from ssenet_core.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        gather_corrections(
            source=snakemake.params.source,
            manifest=snakemake.input.manifest,
            record=snakemake.output.record,
        )
