"""Masks at the original photographs' sizes: snakemake masks."""

ENLARGED = {  # splits, stage and folder of the labels that become masks
    "affinity": (("train",), "random_walk", "pseudo_labels"),
    "deeplab": (("val", "test"), "predict", "predictions"),
}

for network, (splits, stage, folder) in ENLARGED.items() if plan.originals else ():
    for split in splits:
        for shard, ids in plan.shards.get(split, {}).items():

            rule:
                name:
                    shard_rule(f"{network}_masks", split, shard)
                input:
                    labels=shard_record(stage, split, shard),
                    originals=prepared(split, shard),
                output:
                    record=f"<{network}>/masks/{split}.shards/{shard}.json",
                    files=per_image(f"<{network}>/masks/{split}", ids, ".png"),
                log:
                    f"<logs>/{network}_masks/{plan.wildcards(network)}/{split}/{shard}.log",
                conda:
                    "../envs/ssenet.yaml"
                resources:
                    **LIGHT,
                params:
                    labels_dir=folder_of("labels"),
                    code=code("enlarge_masks", "ssenet_core.data.prepare"),
                message:
                    f"Enlarging the {folder} of {split}, shard {shard}"
                script:
                    "../workflow_scripts/enlarge_masks.py"


rule masks:
    input:
        targets.mask_records(plan),
    message:
        "Masks at the original photographs' sizes are made"
