"""CSV that WPS and Excel open as it is meant: UTF-8 with a BOM, and no cell that computes.

A text that begins with one of `STARTS` is a formula to a spreadsheet, wherever it came from; it
gets a single quote in front, which a spreadsheet shows as the text. Numbers stay numbers.
"""

import csv
import io
from collections.abc import Iterable, Sequence

Cell = str | int | float | None
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"


def csv_text(heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table. None is an empty cell, which is not 0."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([plain(each) for each in heading])
    writer.writerows([plain(each) for each in row] for row in rows)
    return BOM + out.getvalue()


def plain(cell: Cell) -> Cell:
    """Return a cell that a spreadsheet does not compute."""
    if isinstance(cell, str) and cell.lstrip(" \u3000\0").startswith(STARTS):
        return f"'{cell}"
    return cell
