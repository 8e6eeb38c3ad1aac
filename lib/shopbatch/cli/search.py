"""`shopbatch search`: the products that a query finds in the published index."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from shopbatch.cli.options import environment, open_store
from shopbatch.cli.printing import note, print_rows, print_vertical
from shopbatch.core import config
from shopbatch.core.controls import escape_json
from shopbatch.core.errors import UserError

if TYPE_CHECKING:
    from shopbatch.capabilities.search.answers import Hit
    from shopbatch.capabilities.search.index import SearchIndex


@click.command("search")
@click.argument("query", help="What a shopper would type.")
@click.option(
    "--where",
    multiple=True,
    metavar="price<50",
    help="Only such products: =, !=, <, <=, >, >= or ~ (contains). Repeatable; = with no value means null.",
)
@click.option("-k", "count", type=click.IntRange(1, 1000), default=10, help="Most products (default: 10).")
@click.option("--language", metavar="CODE", help="Language of the query (default: as its script shows).")
@click.option("--literal", is_flag=True, help="Take the query as words: nothing that it says is a condition.")
@click.option("--explain", is_flag=True, help="Also the parts of each score, and what the query was taken for.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per product.")
@environment()
def search(query: str, where: Sequence[str], count: int, env: str, **options: Any) -> None:
    """Find products in the index that embed_products published."""
    from shopbatch.capabilities.search.answers import answers
    from shopbatch.capabilities.search.config import EmbedProductsConfig
    from shopbatch.capabilities.search.encoder import encoder_of
    from shopbatch.capabilities.search.live import check_encoder, live_index
    from shopbatch.capabilities.search.plan import Asked
    from shopbatch.capabilities.search.query_check import refusal

    store = open_store(env)
    live = live_index(store)
    settings = config.load(EmbedProductsConfig, "embed_products", env, [])
    check_encoder(live, settings.encoder, settings.engine.identity())
    if (reason := refusal(query)) is not None:
        raise UserError(f"this query cannot be answered: {reason}")
    index, encoder = live.open(), encoder_of(live.manifest.encoder, store.root)
    asked = Asked(query, options["language"], tuple(where), options["literal"])
    answer = answers(index, [asked], encoder.embed_queries([query]), [count])[0]
    rows = [_row(index, hit, place, options["explain"]) for place, hit in enumerate(answer.hits, 1)]
    if options["as_json"]:
        for row in rows:
            print(escape_json(json.dumps(row, ensure_ascii=False, default=str)))
        return
    demands = ", ".join(map(str, answer.plan.constraints))
    if not rows:
        print("no product meets these conditions" if where or demands else "no products")
    if demands:
        note(f"the query demands {demands} (--literal: take it as words)")
    for constraint in answer.plan.unknown:
        note(f"the catalogue does not state any {constraint.kind}: {constraint} could not be checked")
    if answer.plan.synonyms:
        note(f"also looked up: {', '.join(answer.plan.synonyms)} (table synonyms)")
    if not rows:
        return
    if options["explain"]:
        print_vertical(rows)
        fusion = live.manifest.fusion
        size = f"{live.manifest.products:,} products"
        note(f"index {live.manifest.key} of product_embeddings version {live.version}: {size}")
        note(f"scores are fused by {fusion.method}" + (f", dense {fusion.dense}" if fusion.method == "convex" else ""))
    else:
        print_rows(rows, "title")


def _row(index: SearchIndex, hit: Hit, place: int, explain: bool) -> dict[str, Any]:
    """What is shown of a product."""
    product = index.products.slice(hit.number, 1).to_pylist()[0]
    row = {"": place, "product_id": hit.product_id, "title": _name(product)}
    row |= {name: product[name] for name in ("brand", "price")}
    if explain:
        row |= {"score": hit.score, "lexical": hit.lexical, "dense": hit.dense}
    return {**row, "reason": hit.reason}


def _name(product: dict[str, Any]) -> str:
    """The title of a product, or else what the catalogue files it under."""
    kind = ", ".join(str(product[name]) for name in ("product_type", "category") if product[name])
    return str(product["title"] or kind)
