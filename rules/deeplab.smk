"""The segmentation network that learns from pseudo labels, and its predictions."""


rule train_deeplab:
    input:
        manifest=f"{D}/manifest/train.json",
        labels=records("random_walk", "train"),
        weights=first_weights("deeplab"),
    output:
        checkpoint=f"{DEEPLAB}/model.pt",
        metrics=f"{DEEPLAB}/metrics.csv",
    log:
        f"{LOGS}/train_deeplab/{{cam}}/{{affinity}}/{{deeplab}}.log",
    benchmark:
        f"{TIMES}/train_deeplab/{{cam}}/{{affinity}}/{{deeplab}}.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: COMPUTE.training_threads
    resources:
        gpu=TRAIN_GPUS,
        mem_mb=growing(COMPUTE.train_mem_mb * COMPUTE.train_gpus),
        runtime=1440,
    params:
        labels_dir=folder_of("labels"),
        settings=training("deeplab"),
        code=code("train_deeplab", "ssenet_core.deeplab.training"),
        workers=data_workers,
        devices=training_devices,
        save_every=save_every("deeplab"),
    message:
        "Training DeepLab {wildcards.deeplab} on {wildcards.cam}/{wildcards.affinity}"
    script:
        "../workflow_scripts/train_deeplab.py"


for split in ("val", "test"):
    for shard, ids in SHARDS.get(split, {}).items():

        rule:
            name:
                shard_rule("predict", split, shard)
            input:
                manifest=shard_manifest(split, shard),
                checkpoint=rules.train_deeplab.output.checkpoint,
            output:
                record=f"{DEEPLAB}/predictions/{split}.shards/{shard}.json",
                files=per_image(f"{DEEPLAB}/predictions/{split}", ids, ".png"),
            log:
                f"{LOGS}/predict/{{cam}}/{{affinity}}/{{deeplab}}/{split}/{shard}.log",
            benchmark:
                f"{TIMES}/predict/{{cam}}/{{affinity}}/{{deeplab}}/{split}/{shard}.tsv"
            conda:
                "../envs/ssenet.yaml"
            threads: INFERENCE_THREADS
            resources:
                gpu=GPUS,
                mem_mb=growing(INFERENCE_MEM_MB),
                runtime=growing(240),
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
        manifest=f"{D}/manifest/{GALLERY_SPLIT}.json",
        checkpoint=rules.train_deeplab.output.checkpoint,
    output:
        record=f"{DEEPLAB}/predictions/gallery.shards/0.json",
        files=per_image(f"{DEEPLAB}/predictions/gallery", gallery_ids(GALLERY_SPLIT), ".png"),
    log:
        f"{LOGS}/predict/{{cam}}/{{affinity}}/{{deeplab}}/gallery.log",
    benchmark:
        f"{TIMES}/predict/{{cam}}/{{affinity}}/{{deeplab}}/gallery.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: INFERENCE_THREADS
    resources:
        gpu=GPUS,
        mem_mb=growing(INFERENCE_MEM_MB),
        runtime=growing(240),
    params:
        shard=0,
        settings=part("deeplab", "prediction"),
        workers=beside_gpu,
        code=code("predict", "ssenet_core.deeplab.inference"),
    message:
        "Predictions of {wildcards.cam}/{wildcards.affinity}/{wildcards.deeplab} for the report"
    script:
        "../workflow_scripts/predict.py"
