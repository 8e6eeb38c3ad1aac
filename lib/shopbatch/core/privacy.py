"""Removes customers' personal data and secrets from reports and logs.

Imports nothing but the standard library, `controls` and `errors`.

This is a best effort with patterns and checksums, not anonymisation. It does NOT catch:

- names and postal addresses;
- e-mail addresses that are spelled out (name at shop dot com) or have letters outside ASCII;
- phone numbers that are only digits, unless they begin with `+`, have the form of a number from mainland China, or
  follow a word such as "call";
- national numbers in groups of two (06 12 34 56 78), and numbers in words;
- card numbers with a mistyped digit;
- IPv6 addresses, passports, bank accounts and the ids of other countries than China;
- secrets of an unknown form in free text.

It also masks too much at times: an order number that looks like a Chinese mobile number, or a version such as 1.2.3.4.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from shopbatch.core.controls import escape_controls
from shopbatch.core.errors import bounded_lines

HIDDEN = "[hidden]"

# A number may touch Chinese characters but not Latin letters: `SKU13812345678` and hex digests are not phone numbers.
_START = r"(?<![A-Za-z0-9_])(?<!\d)(?<!\d\.)"
_END = r"(?![A-Za-z0-9_])(?!\d)(?!\.\d)"
_NARROW = {0xFF01 + i: 0x21 + i for i in range(94)}  # full-width forms (１３８) match as ASCII
_NARROW |= dict.fromkeys((*range(0x2010, 0x2016), 0x2212), 0x2D)  # dashes that phones and editors insert match as -
_SEP = r"[ \u00a0.-]"

_EMAIL = r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
_CHINESE_ID = rf"{_START}[1-9]\d{{5}}[ -]?\d{{8}}[ -]?\d{{3}}[\dXx]{_END}"
# Only groupings in which cards are printed: with any grouping, a list of sizes (34 36 38 40 42 44 46) would match.
_CARD = (
    rf"{_START}(?:\d{{13,19}}|\d{{4}}({_SEP}{{1,2}})\d{{4}}\1\d{{4}}\1\d{{1,4}}(?:\1\d{{1,3}})?"
    rf"|\d{{4}}{_SEP}\d{{6}}{_SEP}\d{{4,5}}|\d{{6}}{_SEP}\d{{13}}){_END}"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"(?<![A-Za-z0-9_.])(?:{_OCTET}\.){{3}}{_OCTET}(?![A-Za-z0-9_]|\.\d)"
# +86 138 1234 5678, +1 (555) 234-5678
_PHONE_PLUS = rf"(?<![A-Za-z0-9_+])\+\d(?:[ \u00a0.()/-]{{0,2}}\d){{7,14}}{_END}"
_PHONES = (
    # 0044 20 7946 0958: a separator must follow the country code; without one it is a bar code
    rf"{_START}00[1-9]\d{{0,2}}{_SEP}\(?\d(?:[ \u00a0.()/-]{{0,2}}\d){{6,11}}{_END}",
    # China: mobiles (with or without 86 or 0086), service numbers 400-123-4567
    rf"{_START}(?:(?:00)?86[ -]?)?1[3-9]\d([ -]?)\d{{4}}\1\d{{4}}{_END}",
    rf"{_START}[48]00-\d{{3,4}}-\d{{3,4}}{_END}",
    # North America: (555) 234-5678, 555.234.5678, 1-555-234-5678, 1.555.234.5678
    rf"(?:{_START}1[ .-](?=[2-9(]))?(?:\([2-9]\d\d\) ?|(?:{_START}|(?<=\b1\.))[2-9]\d\d{_SEP})"
    rf"[2-9]\d\d{_SEP}\d{{4}}{_END}",
    # elsewhere, in national notation: 010-12345678, 0151/12345678, (021) 6123 4567, 07911 123456, 06.12.34.56.78
    rf"(?:\(0\d{{2,4}}\) ?|{_START}0\d{{2,4}}[ /-])(?:\d{{6,8}}|\d{{3,4}}[ -]\d{{3,4}}){_END}",
    rf"{_START}0[1-9](?:([.-])\d\d)(?:\1\d\d){{3}}{_END}",
    # bare digits after a word that announces a phone number (`[phone]` itself is a mask, not such a word)
    r"(?<![A-Za-z\[])(?:(?:tel|phone|call|text|mobile|cell|whatsapp)(?: ?(?:me|us|no|number|nr|is|at|on)\b)*"
    r"|电话|手机|联系|微信|wechat|qq)(?:号码|号|是|为|我)*[ .:：#]{0,3}(?P<number>\d{3}-?\d{4,9})(?![\d-])",
)

_SECRET_WORDS = {"password", "passwd", "passphrase", "pwd", "secret", "secrets", "credential", "credentials"}
_SECRET_WORDS |= {"apikey", "authorization", "bearer", "sas"}
_SECRET_KEYS = {"api", "access", "private", "secret", "account", "signing", "encryption", "master"}
_LOCATION_WORDS = {"env", "file", "path"}  # `api_key_env` names where the secret is, it does not hold it
_URL_USER = re.compile(r"(?<=://)[^/\s@]+@")
_ASSIGNED = re.compile(r"(?i)((?:token|passw(?:or)?d|pwd|secret|key|credentials?|sig|signature)=)[^\s&;,]+")
_KNOWN_SECRET = re.compile(
    r"\b(?:sk-|hf_|gh[pousr]_|github_pat_|xox[abp]-|AKIA|ASIA)[A-Za-z0-9_-]{12,}|(?i:\bbearer )[A-Za-z0-9._~+/-]{8,}=*"
)

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_YAML_PAIR = re.compile(r"""\s*(?:- )?["']?([\w.-]+)["']?\s*:\s+(?!null\b|~|["']{2}|[{\[$#&*|>]|\s*$)\S""")


def mask(text: str) -> str:
    """Replace e-mail addresses, phone and card numbers, Chinese resident ids and IPv4 addresses in a text by labels.

    The labels are `[email]`, `[phone]`, `[card]`, `[id]` and `[ip]`. Everything else stays unchanged, including prices,
    sizes, years and dates. Masking a masked text changes nothing. The module's docstring lists what is not caught.
    """
    for label, pattern, confirm in _RULES:
        text = _replace(pattern, label, text, confirm)
    return text


def find_personal(text: str) -> list[tuple[str, int, int]]:
    """Find the personal data in a text that `mask` would replace, with their positions.

    Returns:
        (label, start, end) of each match, such as ("[email]", 10, 25), grouped by label. Matches do not overlap. If two
        numbers stand side by side, the positions may differ from the part that `mask` replaces.
    """
    text, places = text.translate(_NARROW), []
    for label, pattern, confirm in _RULES:
        group = "number" if "number" in pattern.groupindex else 0
        spans = [match.span(group) for match in pattern.finditer(text) if confirm(match.group())]
        places += [(label, start, end) for start, end in spans]
        text = "".join(_blank(text, spans)) if spans else text
    return places


def _blank(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Yield, in pieces, a copy of a text in which spaces replace the given spans; the length stays the same.

    Args:
        text: The text.
        spans: (start, end) of each span, in order, without overlaps.
    """
    done = 0
    for start, end in spans:
        yield text[done:start]
        yield " " * (end - start)
        done = end
    yield text[done:]


def mask_tree(tree: Any) -> Any:
    """Copy a tree of dicts and lists with `mask` applied to every string value; keys stay, tuples become lists."""
    if isinstance(tree, str):
        return mask(tree)
    if isinstance(tree, Mapping):
        return {key: mask_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [mask_tree(value) for value in tree]
    return tree


def redact_config(tree: Any) -> Any:
    """Copy a configuration with its secrets replaced by `[hidden]`.

    A value is hidden as a whole if the words of its key announce a secret: `password`, `hf_token`, `apiKey`,
    `aws_secret_access_key`, but not `max_tokens` or `tokenizer`, nor `api_key_env`, which names a variable. In strings
    under all other keys only these parts are hidden: the user and password in a URL, `token=...`, and well-known forms
    of keys. Null and empty values are shown, since they hold no secret.
    """
    if isinstance(tree, Mapping):
        return {
            key: HIDDEN if value not in (None, "") and _is_secret(str(key)) else redact_config(value)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [redact_config(value) for value in tree]
    return redact_text(tree) if isinstance(tree, str) else tree


def clean_tree(tree: Any) -> Any:
    """Copy a tree without secrets (see `redact_config`) and with personal data masked in all texts, keys included."""
    return _mask_all(redact_config(tree))


def _mask_all(tree: Any) -> Any:
    """Copy a tree of dicts and lists with personal data masked in all its texts, keys included."""
    if isinstance(tree, Mapping):
        return {clean(str(key)): _mask_all(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_mask_all(value) for value in tree]
    return mask(tree) if isinstance(tree, str) else tree


def redact_text(text: str) -> str:
    """Replace secrets of known forms in a text by `[hidden]`: users in URLs, `password=...`, `Bearer ...`, `sk-...`."""
    text = _URL_USER.sub(HIDDEN + "@", text)
    return _KNOWN_SECRET.sub(HIDDEN, _ASSIGNED.sub(rf"\1{HIDDEN}", text))


def clean(text: str) -> str:
    """Make a text safe for a log or a terminal: hide secrets, mask personal data, escape control characters."""
    return escape_controls(mask(redact_text(text)))


def guard_logs() -> None:
    """Apply `clean` to every record that any library logs in this process from now on, including tracebacks.

    Calling it again has no effect. `runs.job` calls it at the start of each run.
    """
    make = logging.getLogRecordFactory()
    if getattr(make, "cleans", False):
        return

    def cleaned(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a wrong format string: logging itself reports it
            return record
        if (safe := clean(bounded_lines(message))) != message:
            record.msg, record.args = safe, ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = clean(bounded_lines("".join(traceback.format_exception(*record.exc_info)).rstrip()))
        return record

    cleaned.cleans = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(cleaned)


def find_secrets(text: str, yaml: bool = False) -> list[tuple[int, str]]:
    """Find the lines of a file that hold secrets. `shopbatch submit` refuses to send files with secrets.

    Args:
        text: The file's text.
        yaml: Whether to look also for values under keys that announce a secret (`password: ...`). Null, empty values
            and `${VARIABLE}` are no secrets.

    Returns:
        The line number (from 1) and a description of each secret ("a private key"), never the secret itself.
    """
    secrets = []
    for number, line in enumerate(text.splitlines(), 1):
        if _PRIVATE_KEY.search(line):
            secrets.append((number, "a private key"))
        elif _KNOWN_SECRET.search(line):
            secrets.append((number, "a token of a well-known form"))
        elif re.search(r"://[^/\s:@]+:[^/\s@{$]+@", line):
            secrets.append((number, "user and password in a URL"))
        elif yaml and (pair := _YAML_PAIR.match(line)) and _is_secret(pair[1]):
            secrets.append((number, f"the value of {pair[1]}"))
    return secrets


def _replace(pattern: re.Pattern[str], label: str, text: str, confirm: Callable[[str], bool]) -> str:
    """Replace each match of a pattern in a text by a label, if `confirm` returns True for the match.

    Args:
        pattern: If it has a group named `number`, only this group is replaced, otherwise the whole match.
        label: The replacement, such as "[phone]".
        text: The text.
        confirm: Checks a match, for example its check digit.
    """
    parts, done = [], 0
    for match in pattern.finditer(text.translate(_NARROW)):
        start, end = match.span("number" if "number" in pattern.groupindex else 0)
        if confirm(match.group()):
            parts += [text[done:start], label]
            done = end
    return "".join([*parts, text[done:]])


def _is_card(number: str) -> bool:
    """Return True if a number has the form of a payment card number (ISO/IEC 7812).

    It must have 13 to 19 digits (13 only if the first is 4), the prefix of a payment network, and a valid Luhn check
    digit.
    """
    digits = [int(c) for c in number if c.isdigit()]
    if not 13 <= len(digits) <= 19 or (
        len(digits) == 13 and digits[0] != 4
    ):  # other numbers of 13 digits are bar codes
        return False
    if digits[0] in (0, 1, 7) or digits[:2] == [2, 0]:  # no network uses these; 20.. starts years and order numbers
        return False
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_chinese_id(number: str) -> bool:
    """Return True if a number is a Chinese resident id.

    It must have a date of birth in its place (GB 11643) and a valid check character (ISO 7064 MOD 11-2).
    """
    number = "".join(c for c in number if c not in " -")
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if not (1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    total = sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(number[:17]))
    check = "10X98765432"[total % 11]
    return number[17].upper() == check


def _is_secret(key: str) -> bool:
    """Return True if the words of a key announce a secret value: `hf_token` and `apiKey`, but not `api_key_env`."""
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", key)]
    if not words or words[-1] in _LOCATION_WORDS:
        return False
    return (
        not _SECRET_WORDS.isdisjoint(words)
        or words[-1] in ("token", "auth")
        or any(second == "key" and first in _SECRET_KEYS for first, second in pairwise(words))
    )


def _always(_: str) -> bool:
    """Confirm every match: the check of the patterns that need no further check."""
    return True


# The order matters: +86 with a mobile number has 13 digits, as a card may have, and so has a part of a resident id.
_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (label, re.compile(pattern, re.ASCII | re.IGNORECASE), confirm)
    for label, pattern, confirm in (
        ("[email]", _EMAIL, _always),
        ("[id]", _CHINESE_ID, _is_chinese_id),
        ("[phone]", _PHONE_PLUS, _always),
        ("[card]", _CARD, _is_card),
        *(("[phone]", phone, _always) for phone in _PHONES),
        ("[ip]", _IPV4, _always),
    )
)
