"""Parses the URI of a database: which driver opens it, how reports name it, and which parts must never be shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from shopbatch.core.errors import UserError
from shopbatch.core.privacy import HIDDEN, redact_config, redact_text

_POSTGRES = ("postgresql", "postgres")
_IN_A_FILE = ("sqlite", "duckdb")
_CONNECT_SECONDS = 15
# Follows libpq: user and password are everything up to the first @ before a slash, whatever characters it has.
_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|[^\[\]:/?#@,]*)(?::\d*)?"
_URI = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9]*)(?:\+[a-z]+)?://(?:(?P<user>[^/@:]*)(?::(?P<password>[^/@]*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/(?P<path>[^?#@]*))?(?:\?(?P<options>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Address:
    """The parsed URI of a database.

    Attributes:
        scheme: As written, such as `postgresql`.
        driver: The last part of the name of the driver's package, `adbc_driver_<driver>`.
        target: The URI or path that the driver gets, with its secrets.
        label: Scheme, host and database, without secrets, for reports.
        secrets: The texts that `scrub` hides.
    """

    scheme: str
    driver: str
    target: str = field(repr=False)
    label: str
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def is_postgres(self) -> bool:
        """Whether the database is PostgreSQL, judged by the scheme."""
        return self.scheme in _POSTGRES

    def scrub(self, text: str) -> str:
        """Return a text in which the URI, the password and other secrets of the URI are hidden, for messages."""
        for secret in self.secrets:
            # a password of one or two letters is hidden only as a whole word; else every such letter would be hidden
            pattern = re.escape(secret) if len(secret) > 2 else rf"(?<!\w){re.escape(secret)}(?!\w)"
            text = re.sub(pattern, HIDDEN, text)
        return redact_text(text)


def parse_uri(uri: str) -> Address:
    """Parse the URI of a database.

    Args:
        uri: The URI, or `env:NAME` for the URI in that environment variable.

    Raises:
        UserError: The variable is not set, the URI is not understood, or the database file does not exist. The message
            does not show the URI.
    """
    source = "the URI of the database"
    if uri.startswith("env:"):
        if not uri[4:].isidentifier():
            raise UserError("expected env:NAME, the name of an environment variable that holds the URI of the database")
        source = f"environment variable {uri[4:]}"
        uri = os.environ.get(uri[4:], "").strip()
        if not uri:
            raise UserError(f"{source} is not set; it must hold the URI of the database")
    if scheme_of_file := next((s for s in _IN_A_FILE if uri.startswith(f"{s}://")), None):
        return _file_address(scheme_of_file, unquote(uri.partition("://")[2]))
    parts = _URI.fullmatch(uri)
    if parts is None or re.search(r"%(?![0-9A-Fa-f]{2})", uri) or "\0" in uri:
        raise UserError(
            f"{source} is not understood; expected scheme://host/database, with the user and the password before the "
            "host, and special characters of the password as percent codes (@ is %40, / is %2F, % is %25)"
        )
    scheme = parts["scheme"]
    options = _options(parts["options"] or "")
    first = parts["hosts"].split(",")[0]
    host = unquote(re.sub(r":\d*$", "", first)) or options.get("host", "localhost")
    database = unquote((parts["path"] or "").split("/")[0]) or options.get("dbname", "")
    driver = {"postgres": "postgresql", "grpc": "flightsql"}.get(scheme, scheme)
    target = _with_defaults(uri, options) if scheme in _POSTGRES else uri
    return Address(scheme, driver, target, f"{scheme}://{host}/{database}", _secrets(uri, target, parts))


def _file_address(scheme: str, path: str) -> Address:
    """Return the address of a database in a file: `sqlite:///folder/shop.db`, absolute or relative.

    Raises:
        UserError: There is no such file.
    """
    for file in (Path(os.path.expanduser(path)), Path(path.lstrip("/"))):
        if file.is_file():
            target = f"{file.absolute().as_uri()}?mode=ro" if scheme == "sqlite" else str(file)
            return Address(scheme, scheme, target, f"{scheme}:{file.name}", ())
    raise UserError(f"no {scheme} database {path}")


def _options(text: str) -> dict[str, str]:
    """Parse the options after the question mark of a URI into decoded name -> decoded value."""
    pairs = [pair.partition("=") for pair in text.split("&")]
    return {unquote(name): unquote(value) for name, _, value in pairs if name}


def _with_defaults(uri: str, options: dict[str, str]) -> str:
    """Return a PostgreSQL URI with two more options, unless it states them: UTF-8, and a limit of the time to connect.

    Without the limit, libpq would wait endlessly for a dead host.
    """
    defaults = {"client_encoding": "UTF8", "connect_timeout": str(_CONNECT_SECONDS)}
    added = "&".join(f"{name}={value}" for name, value in defaults.items() if name not in options)
    return uri + ("&" if "?" in uri else "?") + added if added else uri


def _secrets(uri: str, target: str, parts: re.Match[str]) -> tuple[str, ...]:
    """Return the texts that must not be shown, both as written and decoded.

    The longest comes first, since one secret may be part of another.
    """
    hidden = [parts["password"] or ""]
    for pair in (parts["options"] or "").split("&"):
        name, _, value = pair.partition("=")
        if redact_config({unquote(name): value})[unquote(name)] == HIDDEN:
            hidden.append(value)
    every = {uri, target, *hidden, *map(unquote, hidden)} - {""}
    return tuple(sorted(every, key=len, reverse=True))
