"""Writes predictions as Parquet: one row a face, with the columns of the CSV and their types."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ferjax.deploy.output_rows import SIDES, Doubt, Row, affect_by_name, is_unsure, top_classes
from ferjax.scores.affect import DIMENSIONS

_ROWS = 8192  # of a group


class ParquetRows:
    """Takes rows one after the other; see `ferjax.deploy.output_rows.Writer`.

    Args:
        path: the file, which appears with the first rows and is whole after `close`.
        label_names: the K classes.
        doubt: what is said of how far an answer can be relied on.
        has_affect: it has the columns valence and arousal.
        tells_unlike: it has the column unlike.
    """

    def __init__(
        self,
        path: Path,
        label_names: Sequence[str],
        doubt: Doubt,
        has_affect: bool,
        tells_unlike: bool = False,
    ) -> None:
        self._label_names, self._doubt = label_names, doubt
        chances = [pa.field(f"p_{name}", pa.float32()) for name in label_names]
        values = [pa.field(name, pa.float32()) for name in DIMENSIONS] if has_affect else []
        self._schema = pa.schema(
            [
                pa.field("source", pa.string(), nullable=False),
                pa.field("status", pa.string(), nullable=False),
                pa.field("reason", pa.string()),
                pa.field("time", pa.float64()),
                pa.field("face", pa.int32()),
                *(pa.field(side, pa.float32()) for side in SIDES),
                pa.field("score", pa.float32()),
                pa.field("label", pa.string()),
                pa.field("probability", pa.float32()),
                *chances,
                pa.field("unsure", pa.bool_()),
                pa.field("set", pa.list_(pa.string())),
                *([pa.field("unlike", pa.bool_())] if tells_unlike else []),
                *values,
            ]
        )
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Row) -> None:
        """Keeps a row until there are enough for a group."""
        self._rows.append(self._cells(row))
        if len(self._rows) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Writes the rows that were kept and the end of the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []

    def _cells(self, row: Row) -> dict[str, Any]:
        cells: dict[str, Any] = {
            "source": row.source,
            "status": row.status,
            "reason": row.reason or None,
            "time": row.time,
            "face": row.face,
            "score": row.score,
            "unlike": row.unlike,
            **dict(zip(SIDES, row.box or (), strict=False)),
            **affect_by_name(row),
        }
        if row.probabilities is not None:
            cells |= {
                f"p_{name}": float(chance)
                for name, chance in zip(self._label_names, row.probabilities, strict=True)
            }
            ((label, chance),) = top_classes(row.probabilities, self._label_names, 1).items()
            cells |= {"label": label, "probability": chance, "set": self._doubt.classes(row.probabilities)}
            if self._doubt.below:
                cells["unsure"] = is_unsure(row.probabilities, self._doubt.below)
        return cells
