"""The recipe: everything that can change a raw result is in it, and a stage's source cannot change behind its back."""

import ast
import hashlib
import inspect
import textwrap
from dataclasses import replace
from importlib import resources

import pytest
import yaml

from shopbatch.capabilities.copywriting import coverage
from shopbatch.capabilities.copywriting import prompt as product_prompt
from shopbatch.capabilities.copywriting import rules as copy
from shopbatch.capabilities.copywriting import stage as description
from shopbatch.capabilities.sentiment import stage as sentiment
from shopbatch.core.hashing import digest
from shopbatch.engines.configs import FakeConfig
from shopbatch.grounding import brands, check
from shopbatch.inference.spec import Spec
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.text import abbreviations, quantities, spoken, units
from shopbatch.text import injection as hostile
from tests.inference import toy

# What each version of the stage computes: digest of its source without comments, docstrings and annotations.
SENTIMENT = {1: "e08ff766040bd286"}
PARTS = ("HAN_SHARE", "review_text", "detect_language", "SentimentScorer")
# of the modules that make a description's prompt, and of the patterns of what is left out of it
DESCRIPTION = {1: "6a3ec3e897702487"}
OF_DESCRIPTION = (
    (description, ("Prompt", "Drawing", "Writer", "_kept")),
    (product_prompt, ("SHOWN", "OPEN", "CLOSE", "_BLANK", "_SHOUTED", "_MARKUP", "fenced", "plain")),
    (hostile, ("_SHOUTED", "_orders", "hostile", "harmless")),
    (spoken, None),
    (abbreviations, None),
)
# what judges a description: sources and lists, by the versions of rules and of the grounding check
JUDGING = {(2, 2): "fe18fe9a85152b75"}
OF_JUDGING = (copy, coverage, check, brands, quantities, units)


class Bare(ast.NodeTransformer):
    """Takes out of a tree what cannot change an answer."""

    def visit(self, node):
        self.generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        return node


def source_digest(source, parts=PARTS):
    """Digest of the functions, classes and constants of these names in a module's source; None: of all of it."""
    if parts is None:
        return hashlib.blake2b(ast.unparse(Bare().visit(ast.parse(source))).encode(), digest_size=8).hexdigest()
    found = {}
    for node in Bare().visit(ast.parse(source)).body:
        targets = [n.id for t in getattr(node, "targets", ()) for n in ast.walk(t) if isinstance(n, ast.Name)]
        names = targets or [getattr(node, "name", "")]
        found |= {name: ast.unparse(node) for name in names if name in parts}
    assert set(found) == set(parts), f"{set(parts) - set(found)} is not there any more: mend this test"
    return hashlib.blake2b("\n".join(found[p] for p in parts).encode(), digest_size=8).hexdigest()


def test_what_a_stage_computes_does_not_change_without_its_version():
    now = source_digest(inspect.getsource(sentiment))
    assert SENTIMENT.get(sentiment.VERSION) == now, (
        f"{', '.join(PARTS)} of stages/sentiment.py are not what version {sentiment.VERSION} was.\n"
        "If an answer can differ: raise VERSION there (stored results are then computed anew) and add to SENTIMENT\n"
        f"    {sentiment.VERSION + 1}: {now!r}\n"
        f"If none can (a name, a line break): write {sentiment.VERSION}: {now!r}"
    )


def test_what_makes_a_description_does_not_change_without_its_version():
    sources = [source_digest(inspect.getsource(module), parts) for module, parts in OF_DESCRIPTION]
    orders = resources.files("shopbatch.capabilities.copywriting").joinpath("hostile.yaml").read_text("utf-8")
    now = digest([*sources, yaml.safe_load(orders)])
    assert DESCRIPTION.get(description.VERSION) == now, (
        f"what makes a description is not what version {description.VERSION} of stages/description.py was.\n"
        f"If a text can differ: raise VERSION there and add {description.VERSION + 1}: {now!r};\n"
        f"if none can: write {now!r}"
    )


def test_what_judges_a_description_does_not_change_without_a_version():
    lists = [yaml.safe_load(resources.files("shopbatch.grounding").joinpath(f"{n}.yaml").read_text("utf-8"))
             for n in ("claims", "brands")]  # fmt: skip
    now = digest([*(source_digest(inspect.getsource(m), None) for m in OF_JUDGING), *lists])
    versions = (copy.VERSION, check.VERSION)
    assert JUDGING.get(versions) == now, (
        f"what judges descriptions is not what versions {versions} of copy.py and check.py were.\n"
        f"If a verdict can differ: raise one of them; kept texts are then judged anew; else write {now!r}"
    )


def test_the_digest_sees_code_and_nothing_else():
    source = textwrap.dedent('''
        SHARE = 0.1  # of something

        def f(x: int) -> int:
            """Says what it does."""
            # and why
            return x + 1

        def g(x):
            return x
    ''')
    same = source.replace("what it does", "something else").replace("# and why", "").replace(": int) -> int", ")")
    parts = ("SHARE", "f")
    assert same != source and source_digest(same, parts) == source_digest(source, parts)
    assert source_digest(source.replace("return x\n", "return -x\n"), parts) == source_digest(source, parts)
    for old, new in (("0.1", "0.2"), ("x + 1", "x - 1")):
        assert source_digest(source.replace(old, new), parts) != source_digest(source, parts)


def test_the_recipe_names_all_that_can_change_a_result(monkeypatch):
    base = toy.spec()
    recipes = {base.recipe, toy.spec("m2").recipe, toy.spec(dim=16).recipe}
    monkeypatch.setattr(sentiment, "VERSION", sentiment.VERSION + 1)
    assert len(recipes | {base.recipe}) == 4


def test_the_recipe_names_nothing_else():
    base = toy.spec()
    faults = {"fail_on": "a", "raise_on": "b", "exit_on": "c", "hang_on": "d", "slow_ms": 5.0, "light": False}
    others = [
        replace(base.stage, engine=FakeConfig(**faults)),
        replace(base.stage, checks=7),
        replace(base.stage, max_bytes=10),
        replace(base.stage, encoder="/another/place", head="/of/the/same/models"),
    ]
    assert {replace(base, stage=stage).recipe for stage in others} == {base.recipe}


def test_a_recipe_digest_is_of_the_values_not_of_their_order():
    # the name under which memos hold results: a change here computes everything anew
    assert digest({"a": 1, "b": ["é", None, 0.5]}) == digest({"b": ["é", None, 0.5], "a": 1}) == "36a29f85e6ba6aa6"
    assert digest({"a": 1}) != digest({"a": "1"})


def test_source_and_sink_must_have_one_key_and_the_same():
    with pytest.raises(TypeError, match="same single key"):
        Spec("x", PRODUCTS, toy.spec().stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)


def test_the_source_columns_that_a_job_reads_at_all():
    assert toy.spec().columns == ("review_id", "title", "text", "product_id", "language", "created_at")
