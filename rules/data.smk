"""The dataset: the generated one, and a manifest a split that vouches for every file."""

if DATASET.source == "shapes":

    rule make_shapes:
        output:
            images=per_image(f"{DATASET.root}/JPEGImages", IDS["train"] + IDS["val"], ".jpg"),
            masks=per_image(f"{DATASET.root}/SegmentationClass", IDS["train"] + IDS["val"], ".png"),
            lists=[
                f"{DATASET.root}/ImageSets/Segmentation/{split}.txt" for split in ("train", "val")
            ],
        log:
            f"{LOGS}/make_shapes.log",
        benchmark:
            f"{TIMES}/make_shapes/{DATASET.name}.tsv"
        priority: 100
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(60),
        params:
            root=generated_root,
            settings=DATASET.shapes.plain(),
            code=code("make_shapes", "ssenet_core.data.shapes"),
        message:
            "Drawing the dataset shapes"
        script:
            "../workflow_scripts/make_shapes.py"


# The images of a shard are checked by themselves, so that a new image costs one shard. Later stages
# take their shard's manifest: the split's would make all of them stale.
for split, shards in SHARDS.items():
    for shard, ids in shards.items():

        rule:
            name:
                shard_rule("check_images", split, shard)
            input:
                generated_files(ids),
            output:
                manifest=shard_manifest(split, shard),
            log:
                f"{LOGS}/check_images/{split}/{shard}.log",
            priority: 100
            conda:
                "../envs/ssenet.yaml"
            resources:
                mem_mb=growing(1000),
                runtime=growing(60),
            params:
                dataset=dataset_settings,
                ids=ids,
                settings=split_settings(split),
                files=digest(split, ids),
                code=code("check_images", "ssenet_core.data.check"),
            message:
                f"Checking the {split} images of shard {shard}"
            script:
                "../workflow_scripts/check_images.py"


for split, shards in SHARDS.items():

    rule:
        name:
            f"manifest_{split}"
        input:
            parts=[shard_manifest(split, shard) for shard in shards],
        output:
            manifest=f"{D}/manifest/{split}.json",
        log:
            f"{LOGS}/manifest/{split}.log",
        priority: 100
        localrule: True  # a queue would take longer than the job
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(60),
        params:
            dataset=dataset_settings,
            settings=split_settings(split),
            ids=digest_of_ids(split),
            code=code("manifest", "ssenet_core.data.check"),
        message:
            f"Writing the manifest of {split}"
        script:
            "../workflow_scripts/manifest.py"


if "pseudo_eval" in SPLITS:

    rule manifest_pseudo_eval:
        input:
            train=f"{D}/manifest/train.json",
        output:
            manifest=f"{D}/manifest/pseudo_eval.json",
        log:
            f"{LOGS}/manifest/pseudo_eval.log",
        priority: 100
        localrule: True
        conda:
            "../envs/ssenet.yaml"
        resources:
            mem_mb=growing(1000),
            runtime=growing(60),
        params:
            dataset=dataset_settings,
            settings=split_settings("pseudo_eval"),
            files=digest("pseudo_eval", IDS["pseudo_eval"]),
            code=code("manifest_pseudo_eval", "ssenet_core.data.check"),
        message:
            "Writing the manifest of pseudo_eval"
        script:
            "../workflow_scripts/manifest_pseudo_eval.py"
