"""Turn ResNet-38's published weights into .safetensors (rule convert_weights)."""

from ssenet_core.jobs import job
from ssenet_core.models.imagenet import convert_resnet38

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        convert_resnet38(
            source=snakemake.input.params,
            target=snakemake.output.weights,
        )
