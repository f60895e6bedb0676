"""Tables as GitHub Markdown."""

from collections.abc import Sequence


def markdown_table(
    header: Sequence[str], body: Sequence[Sequence[str]], text_columns: int = 1
) -> list[str]:
    """A table's lines.

    Args:
        header: a heading a column.
        body: cells, row by row.
        text_columns: how many columns, from the left, are no numbers; the others are set right.
    """
    rule = ["---" if column < text_columns else "---:" for column in range(len(header))]
    escaped = [[cell.replace("|", "\\|") for cell in cells] for cells in [header, *body]]
    return ["| " + " | ".join(cells) + " |" for cells in [escaped[0], rule, *escaped[1:]]]
