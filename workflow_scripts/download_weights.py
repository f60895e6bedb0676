"""Fetch a file of first weights (rule download_weights)."""

from ssenet_core.data.download import fetch
from ssenet_core.job import job
from ssenet_core.settings import Source

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        fetch(
            source=Source.model_validate(snakemake.params.source),
            target=snakemake.output.weights,
            key=f"download.weights[{snakemake.wildcards.file}]",
        )
