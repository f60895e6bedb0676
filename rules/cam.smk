"""Class activation maps: the network, its maps of every image, and their dense CRF."""


rule train_cam:
    input:
        manifest="<results>/manifest/train.json",
        weights=initial_weights("cam"),
    output:
        checkpoint="<cam>/model.pt",
        metrics="<cam>/metrics.csv",
    log:
        "<logs>/train_cam/{cam}.log",
    benchmark:
        "<benchmarks>/train_cam/{cam}.tsv"
    conda:
        "../envs/ssenet.yaml"
    threads: settings.compute.training_threads
    resources:
        **TRAINING,
    params:
        **training_run("cam"),
        settings=training("cam"),
        code=code("train_cam", "ssenet_core.cam.training"),
    message:
        "Training CAM network {wildcards.cam}"
    script:
        "../workflow_scripts/train_cam.py"


# One rule a shard, here and in other per-image stages: a rule's outputs are the files of all images
# of its shard by name, so that a lost file is noticed, and a new image costs one shard.
for split in ("train", "val"):
    for shard, ids in plan.shards.get(split, {}).items():

        rule:
            name:
                shard_rule("infer_cam", split, shard)
            input:
                manifest=plan.manifest(split, shard),
                checkpoint=rules.train_cam.output.checkpoint,
            output:
                record=f"<cam>/maps/{split}.shards/{shard}.json",
                files=per_image(f"<cam>/maps/{split}", ids, ".h5"),
            log:
                f"<logs>/infer_cam/{{cam}}/{split}/{shard}.log",
            benchmark:
                f"<benchmarks>/infer_cam/{{cam}}/{split}/{shard}.tsv"
            conda:
                "../envs/ssenet.yaml"
            threads: INFERENCE_THREADS
            resources:
                **INFERENCE,
            params:
                shard=shard,
                settings=part("cam", "inference"),
                workers=beside_gpu,
                code=code("infer_cam", "ssenet_core.cam.inference"),
            message:
                f"Maps of {{wildcards.cam}}, {split}, shard {shard}"
            script:
                "../workflow_scripts/infer_cam.py"


for shard, ids in plan.shards["train"].items():

    rule:
        name:
            shard_rule("refine_cam", "train", shard)
        input:
            manifest=plan.manifest("train", shard),
            maps=shard_record("infer_cam", "train", shard),
        output:
            record=f"<cam>/affinity_labels/train.shards/{shard}.json",
            files=per_image("<cam>/affinity_labels/train", ids, ".h5"),
        log:
            f"<logs>/refine_cam/{{cam}}/train/{shard}.log",
        benchmark:
            f"<benchmarks>/refine_cam/{{cam}}/train/{shard}.tsv"
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(SHARD_MEM_MB),
            runtime=growing(240),
        params:
            shard=shard,
            maps_dir=folder_of("maps"),
            settings=settings.refine.plain(),
            code=code("refine_cam", "ssenet_core.refine"),
        message:
            f"Dense CRF of {{wildcards.cam}}, train, shard {shard}"
        script:
            "../workflow_scripts/refine_cam.py"
