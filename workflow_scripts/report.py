"""Write the report of a run (rule report)."""

from pathlib import Path

from ssenet_core.jobs import job
from ssenet_core.report.doubtful import DoubtSources
from ssenet_core.report.gallery import GalleryItem
from ssenet_core.report.page import build_report

if __name__ == "__main__":
    times = Path(snakemake.params.benchmarks)
    with job(snakemake.log[0], snakemake.threads):
        build_report(
            evaluations=snakemake.input.evaluations,
            trivial=snakemake.input.trivial,
            equivariance=snakemake.input.equivariance,
            metrics=snakemake.params.metrics,
            benchmarks={
                str(path.relative_to(times).with_suffix("")): path
                for path in sorted(times.rglob("*.tsv"))
            },
            manifests=snakemake.params.manifests,
            gallery=[GalleryItem(**item) for item in snakemake.params.gallery],
            doubts=DoubtSources(**snakemake.params.doubts),
            output_json=snakemake.output.json,
            output_markdown=snakemake.output.markdown,
            output_html=snakemake.output.html,
            output_gallery=snakemake.output.gallery,
            title=snakemake.params.title,
            settings=snakemake.params.settings,
            scales=snakemake.input.scales,
            published=snakemake.params.published,
            corrections=snakemake.input.get("corrections") or None,
        )
