"""One of the paper's tables (rules table1, table2, table3)."""

from ssenet_core.jobs import job
from ssenet_core.report.paper import CamModel, write_table

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        write_table(
            number=snakemake.params.number,
            evaluations=snakemake.input.evaluations,
            models={
                name: CamModel.model_validate(model)
                for name, model in snakemake.params.models.items()
            },
            published=snakemake.params.published,
            title=snakemake.params.title,
            markdown=snakemake.output.markdown,
            json=snakemake.output.json,
        )
