"""Class maps warped back from transformed photographs (rule figure1)."""

from ssenet_core.jobs import job
from ssenet_core.report.paper import figure1

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        figure1(
            dict(zip(snakemake.params.names, snakemake.input.pictures, strict=True)),
            snakemake.output.figure,
        )
