"""Parquet: the rows of a file, a few at a time, guarded against decompression bombs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.base.plugin import extra
from trivium.corpus.read.unpack import SLACK, bomb

BATCH_ROWS = 64


def rows(path: Path, ratio: int, limit: int, wanted: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number from 1, row) with the `wanted` columns, or with all where the file has none of them."""
    parquet, arrow = (extra(name, f"{path}: reading .parquet") for name in ("pyarrow.parquet", "pyarrow"))
    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            columns = [name for name in wanted if name in table.schema_arrow.names] or None
            _check(path, table.metadata, columns, ratio, limit)
            names = class_names(table.schema_arrow.metadata or {})
            for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {key: _named(_present(value), names.get(key, ())) for key, value in row.items()}
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as broken:
        where = f" after row {number}" if number else ""
        raise DataError(f"{path}: cannot be read as parquet{where}: {str(broken).splitlines()[0]}") from None


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of the classes of each column of lists of class numbers, as `datasets` writes them."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    except ValueError:
        return {}
    inner = {key: one.get("feature") for key, one in features.items() if isinstance(one, dict)}
    return {key: one["names"] for key, one in inner.items() if isinstance(one, dict) and one.get("names")}


def _named(value: Any, names: Sequence[str]) -> Any:
    """Return a list of class numbers as their names; a number without a name stays."""
    if not names or not isinstance(value, list):
        return value
    return [names[one] if isinstance(one, int) and 0 <= one < len(names) else one for one in value]


def _present(value: Any) -> Any:
    """Return a value without the null keys of its structs: Arrow gives each struct every key of its column."""
    if isinstance(value, dict):
        return {key: _present(inner) for key, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value


def _check(path: Path, facts: Any, columns: Sequence[str] | None, ratio: int, limit: int) -> None:
    """Refuse a file whose metadata state that it unpacks to more than the limits."""
    total = 0
    for group in map(facts.row_group, range(facts.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            if columns is None or chunk.path_in_schema.partition(".")[0] in columns:
                size, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
                total += size
                if size > ratio * packed + SLACK or total > limit:
                    raise bomb(path, size, packed, ratio, limit)
