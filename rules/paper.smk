"""The paper's tables and figures, by name, on whatever dataset is configured."""

TABLES = {
    1: "Table 1: baseline and SSENet by the small branch's rate, pseudo_eval",
    2: "Table 2: baseline and SSENet by the range of scales in training, pseudo_eval",
    3: "Table 3: the segmentation network, val",
}

for number, title in TABLES.items():

    rule:
        name:
            f"table{number}"
        input:
            evaluations=asked(plan.table_evaluations, number),
            archive="<results>/paper/test.tgz" if number == 3 and "test" in plan.ids else [],
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
            title=title,
            models=plan.table_models(number),
            published=settings.paper.published,
            code=code("table", "ssenet_core.report.paper"),
        message:
            title
        script:
            "../workflow_scripts/table.py"


if "test" in plan.ids:

    rule test_archive:
        input:
            *plan.prediction_records("test"),
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
            evaluations=asked(plan.scale_evaluations),
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
        pictures=plan.of_cams("evaluation/equivariance.png", plan.compared_cams()),
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
        checkpoints=plan.of_cams("model.pt", plan.compared_cams()),
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
        images=plan.figure_ids(plan.gallery_split),
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
            *plan.prediction_records("val"),
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
            images=plan.figure_ids("val"),
            predictions_dir=folder_of(0),
            code=code("figure6", "ssenet_core.report.paper"),
        message:
            "Figure 6"
        script:
            "../workflow_scripts/figure6.py"
