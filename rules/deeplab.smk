"""The segmentation network that learns from pseudo labels, and its predictions."""


rule train_deeplab:
    input:
        *records("random_walk", "train"),
        manifest="<results>/manifest/train.json",
        weights=initial_weights("deeplab"),
        corrections=corrections("deeplab"),
    output:
        checkpoint="<deeplab>/model.pt",
        metrics="<deeplab>/metrics.csv",
    log:
        "<logs>/train_deeplab/{cam}/{affinity}/{deeplab}.log",
    benchmark:
        "<benchmarks>/train_deeplab/{cam}/{affinity}/{deeplab}.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: settings.compute.training_threads
    resources:
        **TRAINING,
    params:
        **training_run("deeplab"),
        labels_dir=folder_of(0),
        settings=training("deeplab"),
        code=code("train_deeplab", "ssenet_core.deeplab.training"),
    message:
        "Training DeepLab {wildcards.deeplab} on {wildcards.cam}/{wildcards.affinity}"
    script:
        "../workflow_scripts/train_deeplab.py"


for split in ("val", "test"):
    for shard, ids in plan.shards.get(split, {}).items():

        rule:
            name:
                shard_rule("predict", split, shard)
            input:
                manifest=plan.manifest(split, shard),
                checkpoint=rules.train_deeplab.output.checkpoint,
            output:
                record=f"<deeplab>/predictions/{split}.shards/{shard}.json",
                files=per_image(f"<deeplab>/predictions/{split}", ids, ".png"),
            log:
                f"<logs>/predict/{{cam}}/{{affinity}}/{{deeplab}}/{split}/{shard}.log",
            benchmark:
                f"<benchmarks>/predict/{{cam}}/{{affinity}}/{{deeplab}}/{split}/{shard}.tsv"
            conda:
                "../envs/ssenet.yaml"
            threads: INFERENCE_THREADS
            resources:
                **INFERENCE,
            params:
                shard=shard,
                settings=part("deeplab", "prediction"),
                workers=beside_gpu,
                code=code("predict", "ssenet_core.deeplab.inference"),
            message:
                f"Predictions of {{wildcards.cam}}/{{wildcards.affinity}}/{{wildcards.deeplab}}, {split}, shard {shard}"
            script:
                "../workflow_scripts/predict.py"


# The report shows training images through all stages; nothing else needs predictions of them.
rule predict_gallery:
    input:
        manifest=f"<results>/manifest/{plan.gallery_split}.json",
        checkpoint=rules.train_deeplab.output.checkpoint,
    output:
        record="<deeplab>/predictions/gallery.shards/0.json",
        files=per_image(
            "<deeplab>/predictions/gallery",
            reporting.gallery_ids(plan, plan.gallery_split),
            ".png",
        ),
    log:
        "<logs>/predict/{cam}/{affinity}/{deeplab}/gallery.log",
    benchmark:
        "<benchmarks>/predict/{cam}/{affinity}/{deeplab}/gallery.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: INFERENCE_THREADS
    resources:
        **INFERENCE,
    params:
        shard=0,
        settings=part("deeplab", "prediction"),
        workers=beside_gpu,
        code=code("predict", "ssenet_core.deeplab.inference"),
    message:
        "Predictions of {wildcards.cam}/{wildcards.affinity}/{wildcards.deeplab} for the report"
    script:
        "../workflow_scripts/predict.py"
