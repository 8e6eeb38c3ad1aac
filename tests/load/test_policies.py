"""`shopbatch load policies FOLDER`: rows and their places, everything that is refused, and what a second load does."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.load import load_file, load_policies
from shopbatch.load.policy_file import cut, read_policy
from shopbatch.warehouse.store import Store

RETURNS = """---
id: returns
language: en
market: US
intents: [return_window]
valid_from: 2024-01-01
valid_to: 2025-12-31
values:
  return_days: 30 days
sections:
  What it costs:
    intents: [return_shipping, exchange]
    values:
      return_cost: $3.50
---
# Returns

You can return items within 30
days after delivery, unless they were made for you.

## What it costs ##
Returning costs $3.50. Only 4.50 kg fit into the bag.

### A heading of the third level is text
```
# and so is this
```
##
The end.
"""


def put(folder: Path, **files: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.md").write_bytes(data)
    return folder


def policy(name: str = "p", text: str = "We answer within 6 hours.", **keys: str) -> str:
    keys = {"language": "en", "intents": "[opening_hours]", **keys}
    lines = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return f"---\nid: {name}\n{lines}---\n{text}\n"


def rows(store: Store) -> list[dict[str, Any]]:
    return store.snapshot("policies").read().to_pylist()


@pytest.mark.parametrize("form", ["plain", "crlf", "bom"])
def test_a_section_is_a_row_and_every_place_is_exact(store: Store, tmp_path: Path, form: str) -> None:
    text = {"plain": RETURNS, "crlf": RETURNS.replace("\n", "\r\n"), "bom": "\ufeff" + RETURNS}[form]
    folder = put(tmp_path / "policies", returns=text)
    (folder / "deeper").mkdir()
    (folder / "deeper" / "zh.md").write_text(
        "---\nid: 退货\nlanguage: Chinese\nintents: return_window\nvalues: {days: 3天}\n---\n13天不行，3天可以。"
    )
    (folder / "notes.txt").write_text("no Markdown")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.md").write_text("no policy")
    report = load_policies(store, folder)
    assert (report.policies, report.sections, report.others) == (2, 4, 1)
    chinese, *english = rows(store)
    assert [(r["section"], r["title"], r["intents"]) for r in english] == [
        (0, "Returns", ["return_window"]),
        (1, "What it costs", ["return_shipping", "exchange"]),
        (2, None, ["return_window"]),
    ]
    assert english[1]["text"].endswith("# and so is this" + ("\r\n```" if form == "crlf" else "\n```"))
    assert (chinese["policy_id"], chinese["language"], chinese["market"]) == ("退货", "zh", None)
    assert (chinese["source_file"], chinese["values"][0]["start"]) == ("deeper/zh.md", 6)  # not the 3 of 13
    for row in rows(store):
        whole = (folder / row["source_file"]).read_bytes().decode()
        assert whole[row["start"] : row["end"]] == row["text"] == row["text"].strip()
        for value in row["values"]:
            assert row["text"][value["start"] : value["end"]] == value["text"]
    stated = {v["role"]: " ".join(v["text"].split()) for r in english for v in r["values"]}
    assert stated == {"return_days": "30 days", "return_cost": "$3.50"}
    assert {(r["market"], r["valid_from"], r["valid_to"]) for r in english} == {
        ("US", dt.date(2024, 1, 1), dt.date(2025, 12, 31))
    }


TITLES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
LINES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=20)
MARKDOWN = st.one_of(
    st.builds(lambda marks, title: f"{marks} {title}", st.sampled_from(["#", "##", "###", " #", "    #"]), TITLES),
    st.sampled_from(["```", "~~~", "````", "", "  ", "#", "##", "#x", "---"]),
    LINES,
)


@settings(deadline=None)
@given(st.lists(st.tuples(MARKDOWN, st.sampled_from(["\n", "\r\n", "\r"]))), st.booleans())
def test_places_of_random_documents_are_exact_and_no_word_is_lost(lines: list[tuple[str, str]], bom: bool) -> None:
    head = ("\ufeff" if bom else "") + "---\nid: p\nlanguage: en\nintents: [a]\n---\n"
    text = head + "".join(line + end for line, end in lines)
    sections = list(cut(text, len(head)))
    assert [text[s.start : s.end] for s in sections] == [s.text for s in sections]
    left = text[len(head) :]
    for section in reversed(sections):  # what is in no section is blank, or a heading
        start, end = section.start - len(head), section.end - len(head)
        left = left[:start] + left[end:]
    ends = left.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert all(not line.strip() or line.lstrip(" ").startswith("#") for line in ends)
    if sections:
        assert [s.text for s in read_policy(text, "p.md").sections] == [s.text for s in sections]
    else:
        with pytest.raises(UserError, match="no text"):
            read_policy(text, "p.md")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.sampled_from([" days", "天", "%", " days.", ",5", ".5"])), min_size=1),
    st.integers(0, 120),
)
def test_a_value_is_found_where_it_stands_as_a_number_of_its_own(parts: list[tuple[int, str]], wanted: int) -> None:
    text = " or ".join(f"{number}{rest}" for number, rest in parts)
    alone = [number == wanted and rest not in (",5", ".5") for number, rest in parts]
    whole = f"---\nid: p\nlanguage: en\nintents: [a]\nvalues: {{n: {wanted}}}\n---\n{text}"
    if sum(alone) == 1:
        (value,) = read_policy(whole, "p.md").sections[0].values
        before = " or ".join(f"{number}{rest}" for number, rest in parts[: alone.index(True)])
        assert value.start == len(before) + (4 if before else 0)
    else:
        with pytest.raises(UserError, match="stands" if sum(alone) else "does not stand"):
            read_policy(whole, "p.md")


WRONG = {
    "no_front_matter": ("Hello\n", "no front matter"),
    "front_matter_that_does_not_end": ("---\nid: p\n", "no front matter"),
    "no_yaml": ("---\nid: [\n---\nHello\n", "the front matter is no YAML: line 3"),
    "a_list": ("---\n- id\n---\nHello\n", "holds no keys"),
    "nothing": ("---\n---\nHello\n", "holds no keys"),
    "long": (policy(market="a" * 50_000), "the front matter is longer than 50,000 characters"),
    "deep": ("---\nid: " + "[" * 49_000 + "\n---\nHello\n", "no YAML"),
    "references": (
        "---\nid: p\nvalues: &a {x: y}\nsections: {b: *a, c: *a}\n---\nHello\n",
        r"references \(\*name\) are not",
    ),
    "a_key_twice": (policy(id="q"), "'id' stands there twice"),
    "no_id": ("---\nlanguage: en\nintents: [a]\n---\nHello\n", "id: is missing"),
    "an_id_with_blanks": (policy("my policy"), "id: 'my policy' is no name"),
    "no_language": (policy(language=""), "language: is missing"),
    "an_unknown_language": (policy(language="englsh"), "language: 'englsh' is no language"),
    "an_unknown_key": (policy(valid_form="2024-01-01"), "unknown key 'valid_form': did you mean 'valid_from'"),
    "an_unknown_key_of_a_section": (
        policy(text="# Hours\nWe answer.", sections="{Hours: {value: {}}}"),
        "unknown key 'value' in sections > Hours: did you mean 'values'",
    ),
    "no_intents": (policy(intents=""), "the section without a heading has no intents"),
    "no_intents_of_a_section": (
        policy(text="# A\nx\n# B\ny", intents="", sections="{A: {intents: []}}"),
        "the section 'B' has no intents",
    ),
    "intents_in_one_text": (policy(intents="a, b"), "intents: 'a, b' is no name"),
    "a_nested_intent": (policy(intents="[[a]]"), "intents: 'a list or mapping' is no name"),
    "no_date": (policy(valid_from="2024-02-30"), "valid_from: '2024-02-30' is no date"),
    "a_date_of_another_form": (policy(valid_to="01/02/2024"), "valid_to: '01/02/2024' is no date"),
    "reversed_dates": (
        policy(valid_from="2024-02-02", valid_to="2024-02-01"),
        "valid_to 2024-02-01 is before valid_from 2024-02-02",
    ),
    "a_value_that_is_not_there": (policy(values="{hours: 60 hours}"), "hours: '60 hours' does not stand in the text"),
    "a_value_inside_a_number": (policy(text="16 hours", values="{hours: 6 hours}"), "does not stand in the text"),
    "a_value_twice": (policy(text="6 hours or\n6 hours", values="{hours: 6 hours}"), "stands 2 times .* say which"),
    "a_third_place_of_two": (
        policy(text="6 or 6", values="{hours: {text: 6, occurrence: 3}}"),
        r"occurrence 3: it stands 2 time\(s\)",
    ),
    "an_empty_value": (policy(values="{hours: {text: ''}}"), "values > hours > text: is missing"),
    "a_value_of_blanks": (policy(values="{hours: ' '}"), "write the words of the text"),
    "a_role_with_blanks": (policy(values="{answer hours: 6 hours}"), "'answer hours' is no role"),
    "a_value_stated_twice": (
        policy(text="# A\n6 hours", values="{h: 6 hours}", sections="{A: {values: {h: 6 hours}}}"),
        "h is stated for the file and for the section 'A'",
    ),
    "an_unknown_heading": (
        policy(text="# Hours\nWe answer.", sections="{Hour: {}}"),
        "'Hour': no section has that heading: did you mean 'Hours'",
    ),
    "a_heading_twice": (policy(text="# A\nx\n# A\ny", sections="{A: {}}"), "2 sections have that heading"),
    "no_text": (policy(text="# A\n## B"), "no text"),
    "other_encoding": (policy(text="Größe").encode("latin-1"), "it is no UTF-8"),
    "too_large": (policy(text="a" * 1_000_000), "larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_named_in_one_line_and_nothing_is_loaded(store: Store, tmp_path: Path, name: str) -> None:
    text, problem = WRONG[name]
    folder = put(tmp_path / "policies", a_right_one=policy("right"))
    load_policies(store, folder)
    put(folder, **{name: text, "another": policy("another")})
    with pytest.raises(UserError, match=problem) as refused:
        load_policies(store, folder)
    message = str(refused.value)
    assert message.startswith(f"{folder / name}.md: ") and "\n" not in message and len(message) < 500
    assert [row["policy_id"] for row in rows(store)] == ["right"]


RIGHT = ["id: a", "language: no", "intents: [a]"]
HEAD = st.sampled_from(
    [
        *("id: [", "market: NO", "intents: {", "values: {h: 6}", "values:", "- a", "  h: 6 hours", "a: b: c", "1: 2"),
        *("  h: {text: 6, occurrence: x}", "sections: {A: {values: {h: 6}}}", "valid_to: 2024-01-01", "\t", "? [a]"),
        *("!!python/object:os.system x", "&a [*a]", "---", "<<: {id: b}", "'", "\x00", "valid_from: 2024-01-02"),
    ]
)


@settings(deadline=None)
@given(st.lists(HEAD, max_size=3), st.sets(st.sampled_from(RIGHT)), st.booleans())
def test_whatever_the_front_matter_is_it_is_read_or_refused(wrong: list[str], left_out: set[str], ends: bool) -> None:
    right = [line for line in RIGHT if line not in left_out]
    text = "\n".join(["---", *right, *wrong, *(["---"] if ends else []), "# A", "6 hours"])
    try:
        read = read_policy(text, "p.md")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert (
            (ends or "---" in wrong)
            and not left_out
            and (read.id, read.language) == ("a", "no")
            and read.market in (None, "NO")
        )


def test_values_of_the_front_matter_are_the_words_that_stand_there() -> None:
    said = "language: no\nmarket: NO\nintents: [yes, 1.0]\nvalid_from: ~\nvalues: {cost: 4.90}"
    read = read_policy(f"---\nid: 007\n{said}\n---\nIt is 4.90.", "p.md")
    assert (read.id, read.language, read.market, read.valid_from) == ("007", "no", "NO", None)
    assert read.sections[0].intents == ("yes", "1.0") and read.sections[0].values[0].text == "4.90"


def test_which_of_several_places_is_meant_can_be_said(tmp_path: Path) -> None:
    text = "# A\n6 hours or 6 hours\n# B\n6 hours"
    said = "{first: {text: 6 hours, occurrence: 2}, second: {text: 6 hours, occurrence: 3}}"
    a, b = read_policy(policy(text=text, values=said), "p.md").sections
    assert [(v.role, v.start) for s in (a, b) for v in s.values] == [("first", 11), ("second", 0)]
    (c, d) = read_policy(policy(text=text, sections="{B: {values: {h: 6 hours}}}"), "p.md").sections
    assert not c.values and [v.role for v in d.values] == ["h"]


def hours(name: str, words: str, **keys: str) -> str:
    return policy(name, f"We answer within {words}.", values=f"{{answer_hours: {words}}}", **keys)


@pytest.mark.parametrize(
    ("other", "contradicts"),
    [
        (hours("b", "9 hours"), True),
        (hours("b", "six hours"), False),  # the same number
        (hours("b", "6 days"), True),  # the same number of something else
        (hours("b", "9 hours", intents="[invoice]"), False),
        (hours("b", "9 hours", intents="[invoice, opening_hours]"), True),
        (hours("b", "9 hours", language="de"), False),
        (hours("b", "9 hours", market="US"), True),  # the other one holds in every market
        (hours("b", "9 hours", valid_to="2023-12-31"), False),
        (hours("b", "9 hours", valid_to="2024-01-01"), True),  # on one day
        (hours("b", "9 hours", valid_from="2030-01-01"), True),
        (policy("b", "We answer soon.", values="{answer_hours: soon}"), True),
        (policy("b", "We answer within 9 hours."), False),  # no role is stated
        (policy("b", "We reply within 9 hours.", values="{reply_hours: 9 hours}"), False),
    ],
)
def test_two_policies_that_hold_at_one_time_and_state_different_values_are_refused(
    store: Store, tmp_path: Path, other: str, contradicts: bool
) -> None:
    folder = put(tmp_path / "policies", a=hours("a", "6 hours", valid_from="2024-01-01"), b=other)
    if not contradicts:
        assert load_policies(store, folder).policies == 2
        return
    with pytest.raises(UserError, match=r"b\.md: answer_hours is .* but '6 hours' in a\.md") as refused:
        load_policies(store, folder)
    assert "opening_hours" in str(refused.value) and not store.exists("policies")


def test_policies_of_other_markets_and_two_sections_of_one_file(store: Store, tmp_path: Path) -> None:
    both = {"a": hours("a", "6 hours", market="US"), "b": hours("b", "9 hours", market="CN")}
    assert load_policies(store, put(tmp_path / "policies", **both)).policies == 2
    said = "{A: {values: {h: 6 hours}}, B: {values: {h: 9 hours}}}"
    put(tmp_path / "policies", c=policy("c", "# A\n6 hours\n# B\n9 hours", sections=said))
    with pytest.raises(UserError, match=r"c\.md: h is '9 hours' .* '6 hours' in c\.md"):
        load_policies(store, tmp_path / "policies")


def test_an_id_that_two_files_have_and_what_lies_outside(store: Store, tmp_path: Path) -> None:
    folder = put(tmp_path / "policies", a=policy("same"), b=policy("same"))
    with pytest.raises(UserError, match=r"b\.md: id 'same' is that of a\.md"):
        load_policies(store, folder)
    (folder / "b.md").unlink()
    put(tmp_path / "elsewhere", secret=policy("secret"))
    (folder / "b.md").symlink_to(tmp_path / "elsewhere" / "secret.md")
    with pytest.raises(UserError, match=r"b\.md: it leads out of the folder"):
        load_policies(store, folder)
    (folder / "b.md").unlink()
    (folder / "c").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"policies/c: it leads out of the folder"):
        load_policies(store, folder)
    (folder / "c").unlink()
    os.mkfifo(folder / "d.md")
    with pytest.raises(UserError, match=r"d\.md: it is no plain file"):
        load_policies(store, folder)
    (folder / "d.md").unlink()
    (folder / "..data").mkdir()  # as Kubernetes mounts a ConfigMap
    put(folder / "..data", e=policy("e"))
    (folder / "e.md").symlink_to(Path("..data") / "e.md")
    assert load_policies(store, folder).policies == 2


def test_no_folder(store: Store, tmp_path: Path) -> None:
    for place, problem in (
        (tmp_path / "none", "does not exist"),
        (put(tmp_path / "empty"), r"no Markdown file \(.md\) with front matter"),
    ):
        with pytest.raises(UserError, match=problem):
            load_policies(store, place)
    with pytest.raises(UserError, match="is a file: policies are loaded from a folder"):
        load_policies(store, put(tmp_path / "p", a=policy()) / "a.md")
    with pytest.raises(UserError, match="shopbatch load policies FOLDER"):
        load_file(store, "policies", tmp_path / "p")


def test_the_table_holds_what_the_folder_holds(store: Store, tmp_path: Path) -> None:
    folder = put(tmp_path / "policies", a=policy("a"), b=policy("b"), c=policy("c"))
    first = load_policies(store, folder)
    assert (first.new, first.changed, first.gone) == (("a", "b", "c"), (), ())
    again = load_policies(store, folder)
    assert again.already and again.version == first.version == store.snapshot("policies").version
    versions = {row["policy_id"]: row["version"] for row in rows(store)}
    (folder / "a.md").unlink()
    put(folder, b=policy("b", valid_to="2030-01-01"), d=policy("d"))
    assert load_policies(store, folder, dry_run=True).gone == ("a",)
    assert store.snapshot("policies").version == first.version
    second = load_policies(store, folder)
    assert (second.new, second.changed, second.gone) == (("d",), ("b",), ("a",))
    assert second.version == first.version + 1 and "1 no longer in the folder: a" in second.lines()
    now = {row["policy_id"]: row["version"] for row in rows(store)}
    assert now.keys() == {"b", "c", "d"} and now["c"] == versions["c"] and now["b"] != versions["b"]
    put(folder, a=policy("a"), b=policy("b"))
    (folder / "d.md").unlink()
    assert load_policies(store, folder).version == second.version + 1  # what was there once is loaded anew
    assert {row["policy_id"]: row["version"] for row in rows(store)} == versions


def test_what_describes_the_folder_is_no_policy_and_other_files_are_named(store: Store, tmp_path: Path) -> None:
    folder = put(tmp_path / "policies", a=policy("a"), README="# Our policies\nAsk Anna.\n")
    put(folder / "zh", **{"readme.zh": "# 政策", "b": policy("b")})
    report = load_policies(store, folder)
    assert (report.new, report.readmes) == (("a", "b"), ("README.md", "zh/readme.zh.md"))
    assert "left out: README.md has no front matter and is no policy" in report.lines()
    put(folder, README=policy("c"))
    assert load_policies(store, folder).new == ("c",), "with front matter it is one"
    put(folder, READMORE="# Shipping\nWe ship.\n")
    with pytest.raises(UserError, match=r"policies/READMORE\.md: no front matter"):
        load_policies(store, folder)


def test_the_command(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(project / "policies", a=policy("a"))
    assert cli.main(["load", "policies", str(folder)]) == 0
    assert "policies: 1 file with 1 section of" in capsys.readouterr().out
    assert cli.main(["load", "policies", str(folder), "--map", "id=name"]) == 2
    put(folder, b=policy("b", language="x"))
    capsys.readouterr()
    assert cli.main(["load", "policies", str(folder)]) == 2
    told = capsys.readouterr()
    assert "b.md: language: 'x' is no language" in told.err and told.err.count("\n") == 1 and not told.out
