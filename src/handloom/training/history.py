"""History: what a training measured, one row an epoch, in memory and in metrics.jsonl."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from handloom._files import append, parse_json, read_file, write_atomic
from handloom._kept import ROW, check_kept
from handloom._reasons import cause
from handloom.errors import RunError, StateError

Row = dict[str, Any]


class History:
    """Rows of epochs, and of evaluations in the middle of one (`mid_epoch`: true).

    With a path, every row is on disk when `append` returns. A number that is not finite is written
    as null, since JSON has no word for it.
    """

    def __init__(self, path: Path | None = None, rows: list[Row] | None = None) -> None:
        self.path = path
        self.rows = rows or []

    @classmethod
    def read(cls, path: Path) -> History:
        """The rows in `path`; none without a file; a last line torn by a kill is left out."""
        try:
            lines = read_file(path).split(b"\n")
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise RunError(f"cannot read {path}: {cause(error)}") from None
        rows = []
        for number, line in enumerate(lines[:-1], start=1):  # what follows the last \n is torn
            try:
                row = parse_json(line)
            except ValueError:
                row = None
            if not isinstance(row, dict) or "step" not in row:
                raise RunError(f"{path}, line {number}: not a row of metrics")
            check_kept(f"{path}, line {number},", row, ROW)
            rows.append(row)
        return cls(path, rows)

    @property
    def epochs(self) -> list[Row]:
        """The rows of whole epochs."""
        return [row for row in self.rows if not row.get("mid_epoch")]

    def last(self, name: str) -> float:
        """The newest epoch's value of a metric; NaN where it was not finite."""
        if not self.epochs:
            raise StateError(f"no epoch has finished yet, so there is no {name}")
        row = self.epochs[-1]
        if name not in row:
            raise StateError(f"no metric {name!r}; this training measures {', '.join(row)}")
        return math.nan if row[name] is None else float(row[name])

    def append(self, row: Row) -> None:
        """Add a row; raises RunError where it cannot be written."""
        row = {name: _json_number(value) for name, value in row.items()}
        self.rows.append(row)
        if self.path is None:
            return
        append(self.path, json.dumps(row).encode() + b"\n")

    def keep_until(self, step: int) -> None:
        """Drop rows measured after `step`: a resumed training measures them again."""
        self.rows = [row for row in self.rows if row["step"] <= step]
        if self.path is not None:
            write_atomic(self.path, b"".join(json.dumps(row).encode() + b"\n" for row in self.rows))


def _json_number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
