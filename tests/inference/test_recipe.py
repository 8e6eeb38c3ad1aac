"""The recipe: everything that can change a raw result is in it, and a stage's source cannot change behind its back."""

import ast
import hashlib
import inspect
import textwrap
from dataclasses import replace
from importlib import resources

import yaml

from shopbatch.capabilities.copywriting import (
    apt,
    bullets,
    called,
    chinese,
    copy_format,
    coverage,
    english,
    fact,
    goods,
    headed,
    labels,
    parts,
    patterns,
    plan,
    product,
    product_en,
    rules,
    same,
    sayings,
    speaker,
    spelling,
    titles,
    values,
    wording,
    words,
    writer,
)
from shopbatch.capabilities.copywriting import facts as product_facts
from shopbatch.capabilities.copywriting import prompt as product_prompt
from shopbatch.capabilities.copywriting import stage as description
from shopbatch.capabilities.images import stage as images
from shopbatch.capabilities.recommendations.recommend import candidates, histories
from shopbatch.capabilities.recommendations.recommend import stage as recommend
from shopbatch.capabilities.search import product_text
from shopbatch.capabilities.search import stage as search
from shopbatch.capabilities.sentiment import stage as sentiment
from shopbatch.core.hashing import digest
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.images import base as image_engines
from shopbatch.engines.images import lite0
from shopbatch.grounding import allowed, brands, check, facts, lexicon, standing
from shopbatch.inference.stage import BaseStage
from shopbatch.pictures import pixels
from shopbatch.text import expand, fibres, injection, language, markup, numerals, quantities, units, visible, vocabulary
from shopbatch.text.moderation import closing, details, find, folding, generated
from shopbatch.text.moderation import lexicon as moderation_lexicon
from shopbatch.vectors import dense
from tests.inference import toy

# What each version computes: the digest of its sources (without comments, docstrings and annotations) and of its word
# lists. None stands for all of a module.
SENTIMENT = {2: "e97f27050160022b"}
OF_SENTIMENT = (
    (sentiment, ("review_text", "SentimentScorer")),
    (
        language,
        ("HAN_SHARE", "detect_language", "GUESSED", "SURE", "_READ", "guess_language", "_guess", "load_classifier"),
    ),
)
# of what makes a description's prompt and draws its text
DESCRIPTION = {3: "d0d9c638eb79013d"}
OF_DESCRIPTION = (
    (writer, None),
    (
        product_prompt,
        ("SHOWN", "OPEN", "CLOSE", "_BLANK", "_SHOUTED", "_MARKUP", "fenced", "_entry_name", "clean_value", "one_line"),
    ),
    *((module, None) for module in (product_facts, markup, visible)),
    (injection, ("_CLAUSE", "_SCRIPTS", "_orders", "is_injection", "without_injections")),
    (expand, None),
)
DESCRIPTION_LISTS = tuple(("text", name) for name in ("injection", "abbreviations", "markup", "visible"))
# of what counts as a word: a row without one is rejected, which a stage's `checks` has to say
WORDED = {1: "4ed493d0836494d0"}
OF_WORDED = ((visible, None), (markup, None))
WORDED_LISTS = (("text", "visible"), ("text", "markup"))
# of what judges a description, by the versions of rules and of the grounding check
JUDGING = {(9, 7): "40aeb257f8ae2f4d"}
OF_JUDGING = (
    *((module, None) for module in (rules, copy_format, words, coverage)),
    *((module, None) for module in (check, allowed, standing, lexicon, facts, brands)),
    *((module, None) for module in (quantities, numerals, units, fibres, generated)),
    (language, ("_ENGLISH_WORDS", "is_written_in")),
)
JUDGING_LISTS = (
    *(("grounding", name) for name in ("claims", "brands", "facts", "lexicon.en", "lexicon.zh")),
    *(("text", name) for name in ("units", "numerals", "fibres")),
    ("capabilities.copywriting", "words"),
)
# of what is found in reviews and in copy; raise the version of rules.py with it
MODERATION = {2: "328315b9f7a3744f"}
OF_MODERATION = tuple((module, None) for module in (find, folding, closing, details, moderation_lexicon))
MODERATION_LISTS = tuple(("text.moderation", name) for name in ("en", "zh", "signs", "details"))
# of what says facts by plan, besides the patterns, whose digest is part of the stage's `checks`
PLANNING = {7: "eba27a5abd18f52d"}
OF_PLANNING = (
    *(
        (module, None)
        for module in (
            plan,
            bullets,
            apt,
            english,
            chinese,
            product,
            speaker,
            product_en,
            goods,
            headed,
            titles,
            called,
            labels,
            same,
            fact,
            sayings,
            coverage,
            values,
            parts,
            spelling,
            wording,
            patterns,
        )
    ),
    (product_prompt, ("_MARKUP", "one_line")),
    (vocabulary, ("_LEAST", "_LEAST_OF_TWO", "_endings", "_lines", "_english", "is_english", "_inflected")),
)

# of what makes the vectors of products and queries, by the versions of stage.py and product_text.py
SEARCH = {(1, 1): "a0c3e1d561bce196"}
OF_SEARCH = (
    (search, ("Embedder", "query_text")),
    (dense, ("normalised",)),
    (product_text, ("CONTENT", "encoder_text", "_joined")),
)


# of what turns a kept picture into a vector
IMAGES = {1: "aa9f282cbe1fbef7"}
OF_IMAGES = (
    (images, ("Embedder",)),
    (image_engines, ("decoded",)),
    (lite0, None),
    (pixels, ("_FILTERS", "pixels", "_square")),
    (dense, ("normalised",)),
)
# of what turns a history into candidates, besides the model
CANDIDATES = {1: "e498d6f0b3b7bec8"}
OF_CANDIDATES = ((candidates, None), (histories, None))


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


def source_digest(source, parts):
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


def digest_of(sources, lists=()):
    """Digest of parts of modules and of YAML files, (package, name) each."""
    files = [resources.files(f"shopbatch.{package}").joinpath(f"{name}.yaml") for package, name in lists]
    return digest(
        [
            *(source_digest(inspect.getsource(module), parts) for module, parts in sources),
            *(yaml.load(file.read_text("utf-8"), yaml.CSafeLoader) for file in files),
        ]
    )


def test_what_a_stage_computes_does_not_change_without_its_version():
    now = digest_of(OF_SENTIMENT)
    assert SENTIMENT.get(sentiment.VERSION) == now, (
        f"what scores a review is not what version {sentiment.VERSION} of sentiment/stage.py was.\n"
        "If an answer can differ: raise VERSION there (stored results are then computed again) and add to SENTIMENT\n"
        f"    {sentiment.VERSION + 1}: {now!r}\n"
        f"If none can (a name, a line break): write {sentiment.VERSION}: {now!r}"
    )


def test_what_makes_a_description_does_not_change_without_its_version():
    now = digest_of(OF_DESCRIPTION, DESCRIPTION_LISTS)
    assert DESCRIPTION.get(description.VERSION) == now, (
        f"what makes a description is not what version {description.VERSION} of copywriting/stage.py was.\n"
        f"If a text can differ: raise VERSION there and add {description.VERSION + 1}: {now!r};\n"
        f"if none can: write {now!r}"
    )


def test_what_embeds_pictures_does_not_change_without_its_version():
    now = digest_of(OF_IMAGES)
    assert IMAGES.get(images.VERSION) == now, (
        f"what embeds a picture is not what version {images.VERSION} of images/stage.py was.\n"
        f"If a vector can differ: raise VERSION there and add {images.VERSION + 1}: {now!r};\n"
        f"if none can: write {now!r}"
    )


def test_what_recommends_does_not_change_without_its_version():
    now = digest_of(OF_CANDIDATES)
    assert CANDIDATES.get(recommend.VERSION) == now, (
        f"what makes candidates is not what version {recommend.VERSION} of recommend/stage.py was.\n"
        f"If a candidate can differ: raise VERSION there and add {recommend.VERSION + 1}: {now!r};\n"
        f"if none can: write {now!r}"
    )


def test_what_counts_as_a_word_does_not_change_without_its_version():
    now = digest_of(OF_WORDED, WORDED_LISTS)
    assert WORDED.get(visible.VERSION) == now, (
        f"what counts as a word is not what version {visible.VERSION} of text/visible.py was.\n"
        f"If a row can be rejected otherwise: raise VERSION there and add {visible.VERSION + 1}: {now!r};\n"
        f"if none can: write {now!r}"
    )
    stage = toy.spec().stage
    assert stage.checks == 2 + visible.VERSION and BaseStage().checks == 1 + visible.VERSION


def test_what_judges_a_description_does_not_change_without_a_version():
    now = digest_of(OF_JUDGING, JUDGING_LISTS)
    versions = (rules.VERSION, check.VERSION)
    assert JUDGING.get(versions) == now, (
        f"what judges descriptions is not what versions {versions} of rules.py and check.py were.\n"
        f"If a verdict can differ: raise one of them; kept texts are then judged again; else write {now!r}"
    )


def test_what_is_harmful_does_not_change_without_a_version():
    now = digest_of(OF_MODERATION, MODERATION_LISTS)
    assert MODERATION.get(find.VERSION) == now, (
        f"what finds harmful texts is not what version {find.VERSION} of text/moderation/find.py was.\n"
        f"If a finding can differ: raise it and that of copywriting/rules.py, and add {find.VERSION + 1}: {now!r};\n"
        f"if none can: write {now!r}"
    )


def test_what_is_planned_does_not_change_without_a_version():
    now = digest_of(OF_PLANNING)
    assert PLANNING.get(plan.VERSION) == now, (
        f"what plans copy is not what version {plan.VERSION} of copywriting/plan.py was.\n"
        f"If a text can differ: raise VERSION there and add {plan.VERSION + 1}: {now!r}; if none can: write {now!r}"
    )


def test_what_makes_a_vector_does_not_change_without_a_version():
    now, versions = digest_of(OF_SEARCH), (search.VERSION, product_text.VERSION)
    assert SEARCH.get(versions) == now, (
        f"what makes vectors is not what versions {versions} of search/stage.py and product_text.py were.\n"
        f"If a vector can differ: raise one of them and add it with {now!r}; if none can: write {now!r}"
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
