"""Delta tables as other clients write them, made by hand: column mapping, deletion vectors, features, partitions."""

from __future__ import annotations

import json
import struct
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def column(name: str, kind: Any, physical: str | None = None, number: int | None = None) -> dict[str, Any]:
    """A column of a Delta schema, with its physical name and its field id."""
    mapping = {"delta.columnMapping.physicalName": physical, "delta.columnMapping.id": number}
    return {
        "name": name,
        "type": kind,
        "nullable": True,
        "metadata": {k: v for k, v in mapping.items() if v is not None},
    }


@dataclass
class DeltaTableByHand:
    """A table whose log is one commit; `write` makes it."""

    root: Path
    columns: Sequence[Mapping[str, Any]]
    features: Sequence[str] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    partition_by: Sequence[str] = ()
    adds: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        path: str,
        rows: pa.Table,
        deleted: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a file. path: as it stands in the log. deleted: its deletion vector. values: of partition columns."""
        where = self.root / unquote(path)
        where.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, where)
        stats = json.dumps({"numRecords": rows.num_rows})
        action = {"path": path, "partitionValues": dict(values or {}), "size": where.stat().st_size, "stats": stats}
        self.adds.append({**action, **({"deletionVector": dict(deleted)} if deleted else {})})

    def write(self) -> Path:
        """Write the log and return the table's folder."""
        features = list(self.features)
        schema = json.dumps({"type": "struct", "fields": list(self.columns)})
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features}
        metadata = {
            "id": str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema,
            "partitionColumns": list(self.partition_by),
            "createdTime": 0,
            "configuration": dict(self.configuration),
        }
        actions: list[dict[str, Any]] = [{"protocol": {**protocol, "writerFeatures": features}}, {"metaData": metadata}]
        actions += [{"add": {"modificationTime": 0, "dataChange": True, **add}} for add in self.adds]
        log = self.root / "_delta_log"
        log.mkdir(parents=True, exist_ok=True)
        (log / f"{0:020}.json").write_text("\n".join(map(json.dumps, actions)))
        return self.root


def bitmap(rows: Sequence[int]) -> bytes:
    """A 64-bit roaring bitmap of row numbers below 65,536 (Delta protocol, Deletion Vector Format)."""
    head = struct.pack("<IQIIIHHI", 1681511377, 1, 0, 12346, 1, 0, len(rows) - 1, 16)
    return head + struct.pack(f"<{len(rows)}H", *sorted(rows))


def vector_in_log(rows: Sequence[int]) -> dict[str, Any]:
    """A deletion vector that stands in the log itself."""
    data = bitmap(rows)
    text = z85(data + b"\0" * (-len(data) % 4))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(data), "cardinality": len(rows)}


def vector_in_file(root: Path, rows: Sequence[int], absolute: bool = False) -> dict[str, Any]:
    """A deletion vector in a file of its own, which the log names by its number or by its absolute path."""
    data, name = bitmap(rows), uuid.uuid4()
    folder = root if absolute else root / "ab"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"deletion_vector_{name}.bin"
    path.write_bytes(b"\1" + struct.pack(">I", len(data)) + data + struct.pack(">I", zlib.crc32(data)))
    where = ("p", path.absolute().as_uri()) if absolute else ("u", "ab" + z85(name.bytes))
    common = {"offset": 1, "sizeInBytes": len(data), "cardinality": len(rows)}
    return {"storageType": where[0], "pathOrInlineDv": where[1], **common}


def z85(data: bytes) -> str:
    words = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(_Z85[word // 85**k % 85] for word in words for k in (4, 3, 2, 1, 0))
