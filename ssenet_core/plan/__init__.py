"""What a run makes, from which settings and images, under which paths; without Snakemake.

The workflow builds one `Plan` while it is read, so nothing here opens an image or imports torch.
The other modules have what single rules ask of a plan.
"""

from ssenet_core.plan.base import Plan, per_image, shard_rule

__all__ = ["Plan", "per_image", "shard_rule"]
