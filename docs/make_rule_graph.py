"""Draw the default target's rules in README.md, one box a stage.

In: the rules that `snakemake --rulegraph` prints. Out: a Mermaid flowchart between two marks of
README.md, in which a stage's splits and shards are one box and an arrow that a longer way says
already is left out. `make docs` runs it.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN = "<!-- drawn by docs/make_rule_graph.py -->\n"
END = "<!-- end of the drawing -->\n"

Graph = dict[str, set[str]]  # a stage to the stages that take what it makes


def printed_rules() -> str:
    """What Snakemake prints of config.yaml's rules, in the language of Graphviz."""
    with tempfile.TemporaryDirectory() as folder:  # what was made already plays no part
        command = [sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--directory", folder]
        return subprocess.run(
            [*command, "--snakefile", str(ROOT / "Snakefile")],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


def stage(rule: str) -> str:
    """A rule's name without its split and its shard: infer_cam of infer_cam_train_000."""
    return re.sub(r"_(train|pseudo_eval|val|test)(_\d+)?$", "", rule)


def stages(dot: str) -> Graph:
    """The stages and what follows each, without the target that only collects them."""
    names = {number: stage(rule) for number, rule in re.findall(r'(\d+)\[label = "([^"\\]+)', dot)}
    graph: Graph = {name: set() for name in names.values()}
    for maker, taker in re.findall(r"(\d+) -> (\d+)", dot):
        if names[maker] != names[taker]:
            graph[names[maker]].add(names[taker])
    graph.pop("all", None)
    return {name: takers - {"all"} for name, takers in graph.items()}


def reachable(graph: Graph, start: str) -> set[str]:
    """All stages after `start`."""
    return set().union(*({taker} | reachable(graph, taker) for taker in graph[start]))


def reduced(graph: Graph) -> Graph:
    """The same order of stages in the fewest arrows."""
    return {
        name: takers - set().union(*(reachable(graph, taker) for taker in takers))
        for name, takers in graph.items()
    }


def flowchart(graph: Graph) -> str:
    """A Mermaid flowchart, the stages that lead to most others first."""
    ordered = sorted(graph, key=lambda name: (-len(reachable(graph, name)), name))
    arrows = [
        f"    {name} --> {' & '.join(sorted(graph[name], key=ordered.index))}\n"
        for name in ordered
        if graph[name]
    ]
    return "```mermaid\nflowchart TD\n" + "".join(arrows) + "```\n"


def drawn(readme: str, chart: str) -> str:
    """README.md with the chart between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"README.md has no lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}{chart}{END}{after}"


if __name__ == "__main__":
    chart = flowchart(reduced(stages(printed_rules())))
    README.write_text(drawn(README.read_text(), chart))
