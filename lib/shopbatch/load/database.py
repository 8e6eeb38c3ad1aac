"""Reads the result of a query from a database over ADBC (Arrow Database Connectivity), for `shopbatch load --query`.

The query runs once, in a transaction that is never committed (with PostgreSQL it is read only). Its rows are streamed
into a temporary file without a name, because a load reads its input twice; the file disappears when the load, or the
process, ends. No message contains the password of the connection; reports name only host and database.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import tempfile
import warnings
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from shopbatch.core.errors import Stopped, UserError, one_line
from shopbatch.core.hashing import former_hash128
from shopbatch.load.database_uri import Address, parse_uri
from shopbatch.load.raw import Input, RawBatch
from shopbatch.warehouse import files

_BATCH_ROWS = 65_536
_PACKAGES = ("adbc-driver-bigquery", "adbc-driver-flightsql", "adbc-driver-snowflake", "adbc-driver-sqlite")
# Types of PostgreSQL that arrive as the same values in Arrow, also in arrays. All others are read as the text that
# PostgreSQL writes for them: numeric stays exact, and no value arrives in the server's binary form.
_NATIVE = {"bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bytea"}
_NATIVE |= {"date", "timestamp", "timestamptz"}
_HIDDEN_VALUE = "[value hidden]"


def open_query(uri: str, query: str) -> Input:
    """Run a query, store its rows in a temporary file, and return them as an input that can be loaded.

    The digest of the input identifies the rows, their columns and types, but not the order of the rows, which the
    database chooses unless the query states it.

    Args:
        uri: `postgresql://host/database` with user and password, `sqlite:///path`, the URI of another ADBC driver, or
            `env:NAME` for the URI in that environment variable.
        query: One SQL query that returns rows.

    Raises:
        UserError: The URI is not understood, its driver is not installed, the database does not answer or refuses the
            user, or the query is wrong. The message never contains the password.
        Stopped: The disk is full.
    """
    address = parse_uri(uri)
    query = query.strip().rstrip(";").rstrip()
    if not query:
        raise UserError(f"{address.label}: the query is empty")
    label = f"{address.label} query {hashlib.blake2b(query.encode(), digest_size=4).hexdigest()}"
    dbapi = _driver(address)
    connection = None
    try:
        connection = _connect(dbapi, address)
        with connection.cursor() as cursor:
            if address.is_postgres:
                cursor.execute("SET TRANSACTION READ ONLY")
                query = _with_text(cursor, address, query)
            cursor.execute(query)
            rows = _Rows(label, cursor.fetch_record_batch())
    except (dbapi.Error, pa.ArrowException) as error:
        raise UserError(f"{address.label}: {_explain(error, address)}") from None
    except OSError as error:
        if error.errno is not None and files.is_full(error):  # an error from the server has no errno
            raise Stopped(f"{tempfile.gettempdir()}: {one_line(error)}; nothing was loaded") from None
        raise UserError(f"{address.label}: {_explain(error, address)}") from None
    finally:
        if connection is not None:
            connection.close()  # ends the transaction without a commit
    return Input(Path(label), "query", rows.names, rows.digest, rows.batches, lambda: True, label=label)


def _driver(address: Address) -> Any:
    """Return the `dbapi` module of the ADBC driver for an address. UserError if the driver is not installed."""
    package = f"adbc_driver_{address.driver}"
    if importlib.util.find_spec(package) is None:
        name = package.replace("_", "-")
        advice = f"pip install {name}" if name in _PACKAGES else "export the rows as CSV or Parquet and load that"
        raise UserError(f"{address.label}: no ADBC driver for {address.scheme!r} is installed ({package}): {advice}")
    return importlib.import_module(f"{package}.dbapi")


def _connect(dbapi: Any, address: Address) -> Any:
    """Connect to the database; suppress the warnings of drivers that have no transactions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # drivers without transactions say so in a warning
        return dbapi.connect(address.target)


def _with_text(cursor: Any, address: Address, query: str) -> str:
    """Wrap a PostgreSQL query so that columns of types which Arrow lacks (numeric, uuid, ...) are returned as text.

    The database only describes the query here; it does not run it yet.
    """
    schema = cursor.adbc_execute_schema(query)
    if not len(schema):
        raise UserError(f"{address.label}: the query returns no columns; it must be a SELECT")
    _refuse_repeated(schema.names, address.label)
    columns = [_column(field) for field in schema]
    if all(column == _quoted(field.name) for column, field in zip(columns, schema, strict=True)):
        return query
    return f"SELECT {', '.join(columns)} FROM (\n{query}\n) AS shopbatch_query"


def _column(field: pa.Field) -> str:
    """Return the SQL that selects a column of the query, as it is or cast to text."""
    name = _quoted(field.name)
    kind = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    element = kind.removeprefix("_")
    if element in _NATIVE:
        return name
    if element == "money":  # its text depends on the server's locale
        return f"{name}::numeric{'[]' * (kind != element)}::text{'[]' * (kind != element)} AS {name}"
    return f"{name}::text{'[]' * (kind != element)} AS {name}"


def _quoted(name: str) -> str:
    """Return a column name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _refuse_repeated(names: Sequence[str], label: str) -> None:
    """Raise UserError if two columns of the query have the same name."""
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise UserError(f"{label}: the query returns {repeated[0]!r} more than once; name the columns with AS")


class _Rows:
    """The rows of a query's result, stored in a temporary file as a compressed Arrow stream.

    Attributes:
        names: The columns.
        digest: 32 hex digits that identify the rows, whatever their order.
    """

    def __init__(self, label: str, reader: Iterable[pa.RecordBatch]) -> None:
        self._label = label
        schema = pa.schema([pa.field(f.name, _storage(f, label)) for f in reader.schema])  # type: ignore[attr-defined]
        _refuse_repeated(schema.names, label)
        self.names = tuple(schema.names)
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # type: ignore[assignment]
        weakref.finalize(self, self._file.close)
        count, sums = 0, np.zeros(2, np.uint64)
        with pa.ipc.new_stream(self._file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            for received in reader:
                columns = [_without_extension(column) for column in received.columns]
                batch = pa.RecordBatch.from_arrays(columns, schema=schema)
                writer.write_batch(batch)
                count += batch.num_rows
                # not security: only identifies the load. Another hash would load known results a second time
                sums += np.array([words.sum(dtype=np.uint64) for words in former_hash128(batch.columns)], np.uint64)
        self._file.flush()
        content = f"{[(f.name, str(f.type)) for f in schema]}/{count}/{sums.tolist()}"
        self.digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def batches(self, wanted: Sequence[str]) -> Iterator[RawBatch]:
        """Read the wanted columns of all rows in batches; it can be called several times."""
        included = [i for i, name in enumerate(self.names) if name in set(wanted)]
        number = 0
        # opened again, so that each reader has its own file position
        with open(f"/proc/self/fd/{self._file.fileno()}", "rb") as file:
            options = pa.ipc.IpcReadOptions(included_fields=included or [0])
            for whole in pa.ipc.open_stream(file, options=options):
                for start in range(0, whole.num_rows, _BATCH_ROWS):
                    batch = whole.slice(start, _BATCH_ROWS)
                    values = dict(zip(batch.schema.names, batch.columns, strict=True))
                    rows = np.arange(number + 1, number + 1 + batch.num_rows)
                    number += batch.num_rows
                    yield RawBatch(self._label, rows, self.names, _Getter(values, batch.num_rows))


class _Getter:
    """Returns a column of one batch by its name; nulls if the column was not read."""

    def __init__(self, values: dict[str, pa.Array], rows: int) -> None:
        self._values, self._rows = values, rows

    def __call__(self, name: str) -> pa.Array:
        return self._values[name] if name in self._values else pa.nulls(self._rows)


def _storage(field: pa.Field, label: str) -> pa.DataType:
    """Return the Arrow type in which a column is stored; an extension type becomes its storage type.

    Raises:
        UserError: The column is an interval, which no column of a table takes.
    """
    kind: pa.DataType = field.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_interval(kind):
        raise UserError(f"{label}: column {field.name!r} is an interval; cast it to text in the query")
    return kind


def _without_extension(column: pa.Array) -> pa.Array:
    """Return a column in its storage type."""
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _explain(error: Exception, address: Address) -> str:
    """Return a database's error message as one line, without secrets, without the query, and without values of rows."""
    text = re.split(r"\n?Query was:|\n(?:LINE \d+|DETAIL|CONTEXT|QUERY|WHERE):", address.scrub(str(error)))[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    refused = [line for line in lines if "FATAL:" in line]  # several addresses were tried; this one answered
    hints = [line for line in lines[1:] if line.startswith("HINT:")]
    said = re.sub(r"^.*?(?:Failed to|could not begin) [^:\n]*: (?=\S)", "", (refused or lines)[0])
    said = re.sub(r"^.*?(?:ERROR|FATAL): +", "", said)
    code = getattr(error, "sqlstate", None)
    from_rows = code.startswith("22") if code else isinstance(error, OSError | pa.ArrowException)
    if from_rows and '"' in said:  # a data exception or an error while reading rows may quote a value
        said = said[: said.index('"')] + _HIDDEN_VALUE
    return one_line(" ".join([said, *hints]), 400) + (f" (SQLSTATE {code})" if code else "")
