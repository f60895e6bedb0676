"""Configuration: checked against the closed schema, and one variant's settings out of a section.

In: the merged configuration of a run. Out: plain dictionaries. `SSENetError` lists every fault with
the key's path and what is allowed there.
"""

from ssenet_core.config.compute import gpus_a_job, inference_needs, training_devices
from ssenet_core.config.faults import STAGES
from ssenet_core.config.overlays import read_configuration
from ssenet_core.config.repeated import refuse_repeated_keys
from ssenet_core.config.texts import read_text_values
from ssenet_core.config.validation import validate
from ssenet_core.config.variants import (
    merged,
    resolve,
    seeded,
    starting_variant,
    used_in_training,
    without,
)

__all__ = [
    "STAGES",
    "gpus_a_job",
    "inference_needs",
    "merged",
    "read_configuration",
    "read_text_values",
    "refuse_repeated_keys",
    "resolve",
    "seeded",
    "starting_variant",
    "training_devices",
    "used_in_training",
    "validate",
    "without",
]
