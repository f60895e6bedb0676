"""Reading and validation of a configuration, with all its faults in one message.

`load` and `validated` raise an `SSENetError` that lists each fault with the key's path, the value
found and what is allowed; `refuse_repeated_keys` one that lists keys that occur twice in a file.
`read_configuration` raises both, and one for a file that cannot be read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, Field, ValidationError

from ssenet_core.errors import SSENetError, hint, listed, shown
from ssenet_core.models.catalogue import keys_without_effect
from ssenet_core.run import WORKFLOW
from ssenet_core.settings.sections import (
    PATTERNS,
    ComputeSettings,
    DatasetSettings,
    DownloadSettings,
    EvaluationSettings,
    PaperSettings,
    RefineSettings,
    RunSettings,
    Section,
    TagSettings,
)
from ssenet_core.settings.stages import (
    SEED_MARK,
    AffinitySettings,
    AffinityTraining,
    AnySettings,
    BackboneSettings,
    CamSettings,
    DeepLabSettings,
    Variants,
    starting_variant,
)

M = TypeVar("M", bound=Section)
DEFAULTS = WORKFLOW / "config.yaml"
STAGES = ("cam", "affinity", "deeplab")  # sections with variants
# The parser in C is ten times as fast, but not part of every installation of PyYAML.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KINDS = {  # pydantic's errors that are worded in terms of Python
    "tuple_type": "input should be a list",
    "model_type": "input should be a section of keys",
    "dict_type": "input should be a section of keys",
}


class Settings(Section):
    """A whole configuration."""

    dataset: DatasetSettings
    run: RunSettings
    tags: TagSettings
    cam: Variants[CamSettings] = Field(
        description="The networks that give class activation maps, and how maps are taken from "
        "them."
    )
    refine: RefineSettings
    affinity: Variants[AffinitySettings] = Field(
        description="AffinityNet, and the random walk that turns CAMs into pseudo labels."
    )
    deeplab: Variants[DeepLabSettings] = Field(
        description="The segmentation network that is trained on the pseudo labels."
    )
    evaluation: EvaluationSettings
    paper: PaperSettings
    compute: ComputeSettings
    download: DownloadSettings

    def resolve(self, stage: str, name: str) -> AnySettings:
        """The settings of a stage's variant or variant@seed; see `Variants.resolve`."""
        found: AnySettings = getattr(self, stage).resolve(name)
        return found

    def seeded(self, stage: str, name: str, seed: int) -> str:
        """The name of a stage's variant for one of `run.seeds`.

        Without a suffix for the variant's own seed, so that further seeds keep the first one's
        files, and if `run.seeds` is [0], which leaves each variant its own seed.
        """
        plain = self.run.seeds == (0,) or seed == self.resolve(stage, name).seed
        return name if plain else f"{name}{SEED_MARK}{seed}"


def load(config: Mapping[str, Any]) -> Settings:
    """Typed settings of a merged configuration; numbers and booleans may be given as text.

    Raises:
        SSENetError: one line per fault, all of them.
    """
    complete = _with_complete_variants(config)
    try:
        settings = Settings.model_validate(complete)
    except ValidationError as error:
        faults = [*_faults(error, config, complete)]
    else:
        faults = [*dict.fromkeys(_contradictions(settings, config))]
    if faults:
        raise SSENetError("the configuration has faults:\n" + "\n".join(f"  {x}" for x in faults))
    return settings


def read_configuration(overlays: Sequence[str | Path]) -> Settings:
    """Settings of `config.yaml` with overlays, such as `recipes/voc2012.yaml`, merged in order.

    Raises:
        SSENetError: as for `load` and `refuse_repeated_keys`, or a file cannot be read.
    """
    refuse_repeated_keys([DEFAULTS, *overlays])
    config = defaults()
    for file in overlays:
        config = merged(config, _read(file))
    return load(config)


def defaults() -> dict[str, Any]:
    """What `config.yaml` holds; `SSENetError` if it cannot be read."""
    return _read(DEFAULTS)


def _read(path: str | Path) -> dict[str, Any]:
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), LOADER)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SSENetError(f"{path}: expected a YAML file, cannot read it ({error})") from error
    if not isinstance(content, dict):
        raise SSENetError(f"{path}: expected sections of a configuration, found {content!r:.80}")
    return content


def validated(kind: type[M], values: Mapping[str, Any], place: str) -> M:
    """Typed settings of one section.

    Args:
        kind: the section's class.
        values: its plain values.
        place: its key, for messages.

    Raises:
        SSENetError: one line per fault, all of them.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        lines = [
            f"{place}{'.' if fault['loc'] else ''}{_in_words(fault, values, kind)}"
            for fault in faults
        ]
        raise SSENetError("\n".join(lines)) from None


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` updated by `over`, mapping by mapping; lists and plain values are replaced."""
    result = dict(base)
    for key, value in over.items():
        inner = result.get(key)
        if isinstance(value, Mapping) and isinstance(inner, Mapping):
            value = merged(inner, value)
        result[key] = value
    return result


def _with_complete_variants(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with each variant completed by its section's defaults."""
    result = dict(config)
    for stage in STAGES:
        match config.get(stage):
            case {"defaults": Mapping() as defaults, "variants": Mapping() as variants, **others}:
                complete = {name: _completed(own, defaults) for name, own in variants.items()}
                result[stage] = {"defaults": defaults, "variants": complete, **others}
    return result


def _completed(variant: Any, defaults: Mapping[str, Any]) -> Any:
    if variant is None or variant == "null":
        return defaults
    return merged(defaults, variant) if isinstance(variant, Mapping) else variant


# Faults of single values


def _faults(
    error: ValidationError, config: Mapping[str, Any], complete: Mapping[str, Any]
) -> Iterator[str]:
    """One line per fault; faults that variants inherit are listed only for the defaults.

    Args:
        error: pydantic's, about `complete`.
        config: as the user wrote it.
        complete: the same with complete variants.
    """
    errors = error.errors(include_url=False)
    known = {(fault["loc"], fault["msg"]) for fault in errors}
    for fault in errors:
        match fault["loc"]:
            case (stage, "variants", name, *inner) if (
                (stage, "defaults", *inner),
                fault["msg"],
            ) in known and not _wrote(config[str(stage)]["variants"][name], inner):
                continue
        yield _in_words(fault, complete, Settings)


def _wrote(own: Any, path: Sequence[Any]) -> bool:
    """Whether a variant itself has the single value at a path, not only by inheritance."""
    for key in path:
        if not isinstance(own, Mapping) or key not in own:
            return isinstance(own, list)  # lists are not inherited item by item
        own = own[key]
    return not isinstance(own, Mapping)


def _in_words(fault: Any, complete: Any, kind: type[BaseModel]) -> str:
    """One fault: path, value found, and what is allowed there.

    Args:
        fault: pydantic's description.
        complete: the validated values.
        kind: the class that they were validated by.
    """
    path, message = _path(fault["loc"], complete), fault["msg"]
    if fault["type"] == "missing":
        return f"{below(path, fault['loc'][-1])}: missing"
    if fault["type"] == "extra_forbidden":
        keys = list(_section_at(kind, fault["loc"][:-1]).model_fields)
        return f"{path}: unknown key; allowed: {listed(keys)}{hint(str(fault['loc'][-1]), keys)}"
    if fault["type"] == "string_pattern_mismatch":
        message = f"allowed: {PATTERNS[fault['ctx']['pattern']]}"
    elif fault["type"] == "value_error":
        message = str(fault["ctx"]["error"])
        if isinstance(fault["input"], Mapping):  # a section's validator names the keys
            return f"{path}: {message}"
    message = KINDS.get(fault["type"], message[:1].lower() + message[1:])
    return f"{path}: found {shown(fault['input'])}, {message}"


def _path(place: Sequence[Any], value: Any) -> str:
    """Path of a fault, "run.chains[0].cam", without pydantic's marks of a union's members."""
    path = ""
    for key in place:
        inside = range(len(value)) if isinstance(value, list | tuple) else value
        if isinstance(inside, Mapping | range) and key in inside:
            path, value = below(path, key), value[key]
    return path


def below(path: str, key: Any) -> str:
    """The path of a key or index below a path: "run.seeds" and 0 give "run.seeds[0]"."""
    if isinstance(key, str) and re.fullmatch(r"[\w.-]{1,100}", key):
        return f"{path}.{key}" if path else key
    return f"{path}[{shown(key)}]"


def _section_at(section: type[BaseModel], place: Sequence[Any]) -> type[BaseModel]:
    """The section at pydantic's location of a fault, from `section`."""
    names = iter(place)
    for name in names:
        field = section.model_fields.get(str(name))
        if field is not None:
            section = next(_sections_in(field.annotation))
            if get_origin(field.annotation) is dict:
                next(names, None)  # the name of a variant or file
    return section


def _sections_in(kind: Any) -> Iterator[type[BaseModel]]:
    """The sections in an annotation such as `dict[str, Source]`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _sections_in(part)


# Faults between values of several sections


def _contradictions(settings: Settings, config: Mapping[str, Any]) -> Iterator[str]:
    """Values that are valid but incompatible, and names of variants that do not exist."""
    for stage in STAGES:
        for variant in getattr(settings, stage).variants:
            yield from _variant_faults(settings, config, stage, variant)
    yield from [*_dangling_names(settings)] or _unlike_chains(settings)


def _variant_faults(
    settings: Settings, config: Mapping[str, Any], stage: str, variant: str
) -> Iterator[str]:
    """Why a variant cannot be trained.

    Args:
        settings: the typed configuration.
        config: as the user wrote it.
        stage: cam, affinity or deeplab.
        variant: a name.
    """
    own = config[stage]["variants"][variant]
    found = settings.resolve(stage, variant)

    def at(key: str) -> str:
        """Path at which the user wrote a key."""
        place = f"variants.{variant}" if _wrote(own, key.split(".")) else "defaults"
        return f"{stage}.{place}.{key}"

    for key in keys_without_effect(found.backbone.name):
        if _wrote(own, ["backbone", key]):
            yield f"{at(f'backbone.{key}')}: has no effect on {found.backbone.name}"
    if stage == "cam" and found.backbone.weights == "cam":
        yield f"{at('backbone.weights')}: found 'cam', which a CAM network cannot start from"
    for fault in _start_faults(settings, found.backbone):
        yield f"{at('backbone.weights')}: {fault}"
    uses = isinstance(found, AffinityTraining) and found.use_corrections
    if uses and settings.dataset.corrections is None:
        yield f"{at('use_corrections')}: found True, but dataset.corrections is null"
    compute = settings.compute
    processes = compute.train_gpus * compute.train_nodes
    if compute.gpus != 0 and found.batch_size % processes:
        yield (
            f"{at('batch_size')}: found {found.batch_size}, must be a multiple of "
            f"compute.train_gpus x compute.train_nodes, {processes}, which share each batch"
        )


def _start_faults(settings: Settings, backbone: BackboneSettings) -> Iterator[str]:
    """Why a variant cannot start from the CAM variant that its weights name."""
    source, seen = backbone.weights, list[str]()
    while (start := starting_variant(source, "")) is not None:
        if start in seen:
            yield f"the variants {', '.join(seen)} start from each other"
            return
        seen.append(start)
        try:
            giver = settings.cam.resolve(start).backbone
        except SSENetError as error:
            yield str(error)
            return
        if len(seen) == 1 and giver.described() != backbone.described():
            yield _foreign_weights(backbone, start, giver)
        source = giver.weights


def _foreign_weights(taker: BackboneSettings, cam: str, giver: BackboneSettings) -> str:
    return f"{taker.described()} cannot take the weights of cam variant {cam}, {giver.described()}"


def _dangling_names(settings: Settings) -> Iterator[str]:
    """Variants named by `run` or `paper` that do not exist, or with a seed where none belongs."""
    run, paper = settings.run, settings.paper
    named = [("run.cams", "cam", name) for name in run.cams]
    for number, chain in enumerate(run.chains):
        named += [(f"run.chains[{number}].{stage}", stage, name) for stage, name in chain]
    for key in ("table1", "table2", "compared"):
        named += [(f"paper.{key}", "cam", name) for name in getattr(paper, key)]
    named += [("paper.affinity", "affinity", paper.affinity)]
    named += [("paper.deeplab", "deeplab", paper.deeplab)]
    for where, stage, name in dict.fromkeys(named):
        try:
            settings.resolve(stage, name)
        except SSENetError as error:
            yield f"{where}: {error}"
            continue
        averaged = run.seeds != (0,) or where in ("paper.table1", "paper.table2")
        if SEED_MARK in name and averaged:
            yield f"{where}: {name}: run.seeds says which seeds; leave out {SEED_MARK}"


def _unlike_chains(settings: Settings) -> Iterator[str]:
    """Chains in which a network starts from a CAM network with another backbone."""
    for number, chain in enumerate(settings.run.chains):
        giver = settings.cam.resolve(chain.cam).backbone
        for stage, name in (("affinity", chain.affinity), ("deeplab", chain.deeplab)):
            taker = settings.resolve(stage, name).backbone
            if taker.weights == "cam" and taker.described() != giver.described():
                yield f"run.chains[{number}].{stage}: {_foreign_weights(taker, chain.cam, giver)}"


# Repeated keys, which a loaded configuration no longer shows


def refuse_repeated_keys(paths: Iterable[str | Path]) -> None:
    """Check that no key occurs twice in a section of a file; YAML's reader keeps the last one.

    Files that are missing, or no YAML, are ignored here.

    Raises:
        SSENetError: one line per repeated key, all of them.
    """
    faults = [fault for path in dict.fromkeys(paths) for fault in _repeated_keys(path)]
    if faults:
        raise SSENetError(
            "the configuration has repeated keys; keep one of each:\n"
            + "\n".join(f"  {fault}" for fault in faults)
        )


def _repeated_keys(path: str | Path) -> list[str]:
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=LOADER)
        return [f"{path}: {fault}" for fault in _repeats(root, "", set())]
    except (OSError, ValueError, yaml.YAMLError):
        return []


def _repeats(node: Any, place: str, seen: set[int]) -> Iterator[str]:
    """Keys that occur twice in a YAML node or in the nodes below it.

    Args:
        place: path of the node.
        seen: nodes already visited, to which references (*name) lead again.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeats(item, below(place, number), seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            where = below(place, name)
            if name in lines and name != "<<":
                yield f"line {line}: {where} is in line {lines[name]} too"
            lines.setdefault(name, line)
            yield from _repeats(value, where, seen)
