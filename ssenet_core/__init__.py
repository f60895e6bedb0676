"""Scale-equivariant class activation maps: the method, and `Segmenter`, which uses its result.

`DENSE_CRF` has the settings of the CRF that the workflow's own predictions get.
"""

from importlib import import_module
from typing import Any

__all__ = ["DENSE_CRF", "Segmenter"]


def __getattr__(name: str) -> Any:
    # Imported when asked for, as it brings torch; and by its name as a text, as all modules would
    # have it in their fingerprints otherwise.
    if name in __all__:
        return getattr(import_module("ssenet_core.segmenter"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
