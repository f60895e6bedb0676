"""The file of the classes' probabilities of a split's images, which doubts about tags rest on.

Reading it raises `SSENetError` where it is missing or of something else.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssenet_core.data.manifest import Manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json

FORMAT = 1


@dataclass(frozen=True)
class TagScores:
    """Probabilities of the classes of images, as a file holds them.

    Attributes:
        classes: foreground classes, in the order of their label values.
        held_out: whether each image was unknown to the network that was asked about it; else the
            network was trained on the image and its tags, and is too sure of them.
        probabilities: one a class, by image id.
    """

    classes: list[str]
    held_out: bool
    probabilities: dict[str, list[float]]

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def load(cls, path: str | Path, split: Manifest) -> "TagScores":
        """Read the file.

        Args:
            path: JSON of `score_tags`.
            split: the images that it has to know.

        Raises:
            SSENetError: missing, something else, or of other images or classes.
        """
        content = read_json(path)
        known = isinstance(content, dict) and content.pop("format", None) == FORMAT
        found = cls(**content) if known and {*content} == {*cls.__dataclass_fields__} else None
        ids = {record.id for record in split.images}
        if found is None or (found.classes, {*found.probabilities}) != ([*split.classes], ids):
            raise SSENetError(
                f"{path}: expected probabilities of the {len(ids)} images and "
                f"{len(split.classes)} classes of split {split.split}, found something else; "
                "delete the file and run the workflow again"
            )
        return found

    @property
    def origin(self) -> str:
        """What kind of probabilities they are, in a word."""
        return "held-out" if self.held_out else "in-sample"
