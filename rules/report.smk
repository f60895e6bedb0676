"""The report of a run: tables, figures, and images through all stages."""


report: "captions/workflow.rst"


rule report:
    input:
        **doubts.source_files(plan),
        evaluations=reporting.evaluations(plan),
        trivial=[f"<results>/trivial/{split}.json" for split in plan.scored],
        equivariance=plan.of_cams("evaluation/equivariance.json", plan.all_cams),
        scales=reporting.measured_scales(plan),
        metrics=[*reporting.metrics(plan).values()],
        manifests=[f"<results>/manifest/{split}.json" for split in plan.ids],
        gallery=reporting.gallery_files(plan),
        corrections=dataset_files.corrections_record(plan, used=bool(plan.chains)),
    output:
        json="<results>/report/results.json",
        markdown="<results>/report/results.md",
        html=report(
            "<results>/report/index.html",
            caption="captions/page.rst",
            category="Report",
            labels={"what": "scores, curves and images"},
        ),
        gallery=report(
            "<results>/report/figures/gallery.png",
            caption="captions/gallery.rst",
            category="Report",
            labels={"what": "images on one sheet"},
        ),
    log:
        "<logs>/report.log",
    conda:
        "../envs/ssenet.yaml"
    resources:
        **SCORING,
    params:
        title=f"SSENet on {settings.dataset.name}",
        settings=reporting.shown_settings(plan),
        metrics=reporting.metrics(plan),
        manifests={split: plan.manifest(split) for split in plan.ids},
        gallery=reporting.gallery(plan),
        doubts=doubts.sources(plan),
        benchmarks=plan.pathvars()["benchmarks"],
        published=settings.paper.published,
        code=code("report", "ssenet_core.report.page"),
    message:
        f"Writing the report of {plan.dataset.name}"
    script:
        "../workflow_scripts/report.py"
