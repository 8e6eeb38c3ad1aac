"""The command `shopbatch search`: finds products for a query in the published index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from shopbatch.cli.options import environment, open_store
from shopbatch.cli.printing import lengths_of, note, print_grid, print_vertical, screen_width, shrink
from shopbatch.core import config
from shopbatch.core.controls import one_printable_line, printable_json
from shopbatch.core.errors import UserError

if TYPE_CHECKING:
    from shopbatch.capabilities.search.answers import Hit
    from shopbatch.capabilities.search.index import SearchIndex

# the cuts for a narrow terminal, in order: first long texts that can be guessed from their beginning
_CUT = (
    *(("title", 24), ("brand", 8), ("title", 14), ("reason", 24), ("brand", 5), ("title", 10), ("reason", 16)),
    *(("product_id", 10), ("title", 6), ("reason", 8)),
)


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
    from shopbatch.capabilities.search.absent import absent_words, better_words
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
    rows = [_row(index, hit, place, where, options) for place, hit in enumerate(answer.hits, 1)]
    if answer.hits and (absent := absent_words(index, answer.plan.words)):
        better = ", ".join(better_words(index, query)) if not options["literal"] else ""
        advice = f"; did you mean {better}?" if better else ""
        asked_for = [word for word in absent if word in query.lower()] or absent  # the others are synonyms
        words = one_printable_line(", ".join(asked_for))
        click.echo(f"shopbatch: no product has {words}: these are the nearest by meaning{advice}", err=True)
    if options["as_json"]:
        for row in rows:
            print(printable_json(row))
        return
    demands = ", ".join(map(str, answer.plan.constraints))
    if not rows:
        print("no product meets these conditions" if where or demands else "no products")
    if demands:
        note(f"the query demands {demands} (--literal: take it as words)", cut=False)
    for constraint in answer.plan.unknown:
        note(f"the catalogue does not state any {constraint.kind}: {constraint} could not be checked", cut=False)
    if answer.plan.synonyms:
        note(f"also looked up: {', '.join(answer.plan.synonyms)} (table synonyms)", cut=False)
    if not rows:
        return
    if options["explain"]:
        print_vertical(rows)
        fusion = live.manifest.fusion
        size = f"{live.manifest.products:,} products"
        note(f"index {live.manifest.key} of product_embeddings version {live.version}: {size}")
        note(f"scores are fused by {fusion.method}" + (f", dense {fusion.dense}" if fusion.method == "convex" else ""))
    else:
        names = [name for name in rows[0] if name != "stock" or any(row[name] for row in rows)]
        print_grid(rows, shrink(lengths_of(rows, names), _CUT, screen_width()))


def _row(index: SearchIndex, hit: Hit, place: int, where: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are printed for a found product, by column.

    The table has one price, the one that a customer pays. JSON, `--explain` and conditions on a price show both the
    normal price and the sale price.

    Args:
        index: The search index.
        hit: The found product.
        place: Its rank, from 1.
        where: The conditions of `--where`.
        options: The other options of the command.
    """
    product = index.products.slice(hit.number, 1).to_pylist()[0]
    price, sale_price = (_money(product[name], product["currency"]) for name in ("price", "sale_price"))
    row: dict[str, Any] = {"rank": place, "product_id": hit.product_id, "title": _name(product)}
    row["brand"], stock = product["brand"], product["availability"]
    if options["as_json"] or options["explain"]:
        row |= {"price": price, "sale_price": sale_price, "currency": product["currency"], "availability": stock}
    else:
        columns = any("price" in condition for condition in where)  # a condition names one of the prices: show both
        paid = price if sale_price is None else sale_price
        row |= {"price": price, "sale_price": sale_price} if columns else {"price": paid}
        row["stock"] = "" if stock in (None, "in_stock") else stock.removesuffix("_of_stock")  # out, preorder
    if options["explain"]:
        row |= {"score": hit.score, "lexical": hit.lexical, "dense": hit.dense}
    return {**row, "reason": hit.reason}


def _money(amount: Decimal | None, currency: str | None) -> Decimal | None:
    """Round an amount to the decimals of its currency; an amount that has more decimals stays exact."""
    from shopbatch.load.words import decimals

    if amount is None:
        return None
    rounded = amount.quantize(Decimal(1).scaleb(-decimals(currency)))
    return rounded if rounded == amount else amount


def _name(product: dict[str, Any]) -> str:
    """Return the title of a product, or, if it has none, its product type and category."""
    kind = ", ".join(str(product[name]) for name in ("product_type", "category") if product[name])
    return str(product["title"] or kind)
