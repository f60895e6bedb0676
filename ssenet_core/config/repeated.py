"""What a merged configuration no longer shows: keys that stand twice in one file.

In: configuration files. Out: an `SSENetError` that lists them with their lines. YAML's reader keeps
the last value of such a key and says nothing.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.config.limits import DEEPEST
from ssenet_core.config.messages import below
from ssenet_core.errors import SSENetError

# The parser in C takes a tenth of the time of the other, which is there everywhere.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def refuse_repeated_keys(paths: Iterable[str | Path]) -> None:
    """Raise an `SSENetError` if a file gives a key two values.

    Files that are not there, or are no YAML, are left to those who read them.
    """
    faults = [fault for path in dict.fromkeys(paths) for fault in _repeated_keys(path)]
    if faults:
        raise SSENetError(
            "the configuration has keys that stand twice, keep one of each:\n"
            + "\n".join(f"  {fault}" for fault in faults)
        )


def _repeated_keys(path: str | Path) -> Iterator[str]:
    try:
        root = yaml.compose(Path(path).read_text(), Loader=LOADER)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return
    # A node that references (*name) lead to again is looked at once.
    seen = set()
    level = [("", root)]
    for _ in range(DEEPEST):
        inside = []
        for place, node in level:
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                inside += [(below(place, number), item) for number, item in enumerate(node.value)]
            elif isinstance(node, yaml.MappingNode):
                lines: dict[str, int] = {}
                for key, value in node.value:
                    name = str(key.value)
                    line = key.start_mark.line + 1
                    where = below(place, name)
                    if name in lines and name != "<<":
                        yield f"{path}: line {line}: {where} stands in line {lines[name]} too"
                    lines.setdefault(name, line)
                    inside.append((where, value))
        level = inside
