"""The paper's tables and figures, by name, on whatever dataset is configured."""

for number, table in paper.TABLES.items():

    rule:
        name:
            f"table{number}"
        input:
            evaluations=when_asked(paper.table_evaluations, plan, table),
            archive=(
                "<results>/paper/test.tgz" if table.split == "val" and "test" in plan.ids else []
            ),
        output:
            markdown=report(
                f"<results>/paper/table{number}.md",
                caption="captions/table.rst",
                category="The paper",
                labels={"what": f"Table {number}"},
            ),
            json=f"<results>/paper/table{number}.json",
        log:
            f"<logs>/paper/table{number}.log",
        localrule: True
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            number=number,
            title=table.title,
            models=paper.table_models(plan, table),
            published=settings.paper.published,
            code=code("table", "ssenet_core.report.paper"),
        message:
            table.title
        script:
            "../workflow_scripts/table.py"


if "test" in plan.ids:

    rule test_archive:
        input:
            *paper.prediction_records(plan, "test"),
            manifest="<results>/manifest/test.json",
        output:
            archive="<results>/paper/test.tgz",
        log:
            "<logs>/paper/test_archive.log",
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(30),
        params:
            predictions_dir=folder_of(0),
            code=code("test_archive", "ssenet_core.report.paper"),
        message:
            "Packing the predictions of test for VOC's evaluation server"
        script:
            "../workflow_scripts/test_archive.py"


if "pseudo_eval" in plan.scored:

    rule evaluate_scales:
        input:
            manifest="<results>/manifest/pseudo_eval.json",
            checkpoint=rules.train_cam.output.checkpoint,
        output:
            scores="<cam>/evaluation/pseudo_eval_scales.json",
        log:
            "<logs>/evaluate_scales/{cam}.log",
        benchmark:
            "<benchmarks>/evaluate_scales/{cam}.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            gpu=GPUS,
            mem_mb=growing(SHARD_MEM_MB),
            runtime=growing(240),
        params:
            settings=part("cam", "inference"),
            scales=settings.paper.scales,
            alpha=settings.evaluation.alpha,
            alphas=settings.evaluation.alphas.plain(),
            code=code("evaluate_scales", "ssenet_core.evaluation.scales"),
        message:
            "Scoring the maps of {wildcards.cam} at every scale"
        script:
            "../workflow_scripts/evaluate_scales.py"


for number in (4, 5):

    rule:
        name:
            f"figure{number}"
        input:
            evaluations=when_asked(paper.scale_evaluations, plan),
        output:
            figure=report(
                f"<results>/paper/figure{number}.png",
                caption=f"captions/figure{number}.rst",
                category="The paper",
                labels={"what": f"Figure {number}"},
            ),
        log:
            f"<logs>/paper/figure{number}.log",
        localrule: True
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            number=number,
            code=code("scale_figure", "ssenet_core.report.paper"),
        message:
            f"Figure {number}"
        script:
            "../workflow_scripts/scale_figure.py"


rule figure1:
    input:
        pictures=plan.of_cams("evaluation/equivariance.png", paper.compared_cams(plan)),
    output:
        figure=report(
            "<results>/paper/figure1.png",
            caption="captions/figure1.rst",
            category="The paper",
            labels={"what": "Figure 1"},
        ),
    log:
        "<logs>/paper/figure1.log",
    conda:
        "../envs/ssenet.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        names=settings.paper.compared,
        code=code("figure1", "ssenet_core.report.paper"),
    message:
        "Figure 1"
    script:
        "../workflow_scripts/figure1.py"


rule figure2:
    input:
        manifest=f"<results>/manifest/{plan.gallery_split}.json",
        checkpoints=plan.of_cams("model.pt", paper.compared_cams(plan)),
    output:
        figure=report(
            "<results>/paper/figure2.png",
            caption="captions/figure2.rst",
            category="The paper",
            labels={"what": "Figure 2"},
        ),
    log:
        "<logs>/paper/figure2.log",
    conda:
        "../envs/ssenet.yaml"
    resources:
        gpu=GPUS,
        mem_mb=growing(SHARD_MEM_MB),
        runtime=growing(30),
    params:
        images=paper.figure_ids(plan, plan.gallery_split),
        names=settings.paper.compared,
        scales=settings.paper.scales,
        precision=settings.cam.defaults.inference.precision,
        code=code("figure2", "ssenet_core.report.paper"),
    message:
        "Figure 2"
    script:
        "../workflow_scripts/figure2.py"


if "val" in plan.ids:

    rule figure6:
        input:
            *paper.prediction_records(plan, "val"),
            manifest="<results>/manifest/val.json",
        output:
            figure=report(
                "<results>/paper/figure6.png",
                caption="captions/figure6.rst",
                category="The paper",
                labels={"what": "Figure 6"},
            ),
        log:
            "<logs>/paper/figure6.log",
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(10),
        params:
            images=paper.figure_ids(plan, "val"),
            predictions_dir=folder_of(0),
            code=code("figure6", "ssenet_core.report.paper"),
        message:
            "Figure 6"
        script:
            "../workflow_scripts/figure6.py"
