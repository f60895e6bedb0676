"""What is doubtful: image-level labels by the classifier, labels by how little stages agree."""

FOLDS = range(settings.tags.folds)

if FOLDS:

    rule split_folds:
        input:
            manifest="<results>/manifest/train.json",
        output:
            seen=[doubts.fold_file(plan, fold, "train.json") for fold in FOLDS],
            held_out=[doubts.fold_file(plan, fold, "held_out.json") for fold in FOLDS],
        log:
            "<logs>/split_folds.log",
        localrule: True
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(30),
        params:
            code=code("split_folds", "ssenet_core.data.folds"),
        message:
            f"Splitting the training images into {len(FOLDS)} folds"
        script:
            "../workflow_scripts/split_folds.py"

    use rule train_cam as train_fold with:
        input:
            manifest="<results>/folds/{fold}/train.json",
            weights=fold_weights,
        output:
            checkpoint="<results>/folds/{fold}/{cam}/model.pt",
            metrics="<results>/folds/{fold}/{cam}/metrics.csv",
        log:
            "<logs>/train_fold/{fold}/{cam}.log",
        benchmark:
            "<benchmarks>/train_fold/{fold}/{cam}.tsv"
        wildcard_constraints:
            fold=r"\d+",
        params:
            settings=fold_training,
        message:
            "Training CAM network {wildcards.cam} without fold {wildcards.fold}"


rule score_tags:
    input:
        checkpoints=[*doubts.tag_scorers(plan)],
        manifests=[*doubts.tag_scorers(plan).values()],
    output:
        probabilities="<results>/tags/probabilities.json",
    log:
        "<logs>/score_tags.log",
    benchmark:
        "<benchmarks>/score_tags/train.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        gpu=GPUS,
        mem_mb=growing(SHARD_MEM_MB),
        runtime=growing(240),
    params:
        held_out=bool(FOLDS),
        view=doubts.scored_view(plan),
        code=code("score_tags", "ssenet_core.cam.tagging"),
    message:
        "Class probabilities of the training images"
    script:
        "../workflow_scripts/score_tags.py"


rule measure_agreement:
    input:
        *records("refine_cam", "train"),
        *records("random_walk", "train"),
        gallery=rules.predict_gallery.output.record,
        manifest="<results>/manifest/train.json",
    output:
        agreement="<deeplab>/agreement.json",
    log:
        "<logs>/measure_agreement/{cam}/{affinity}/{deeplab}.log",
    benchmark:
        "<benchmarks>/measure_agreement/{cam}/{affinity}/{deeplab}.tsv"
    conda:
        "../envs/ssenet.yaml"
    resources:
        **SCORING,
    params:
        refined_dir=folder_of(0),
        pseudo_dir=folder_of(len(plan.shards["train"])),
        prediction_dir=folder_of("gallery"),
        code=code("measure_agreement", "ssenet_core.evaluation.agreement"),
    message:
        "Agreement of the stages of {wildcards.cam}/{wildcards.affinity}/{wildcards.deeplab}"
    script:
        "../workflow_scripts/measure_agreement.py"
