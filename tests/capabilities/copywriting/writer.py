"""A shop of products, and a copywriter behind an OpenAI-compatible server that does wrong what a title tells it to."""

import json
import re

import pyarrow as pa

from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.capabilities.copywriting.template import template
from shopbatch.grounding.facts import DESCRIPTION, ENTRY
from shopbatch.runs.report import new_run_id
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse import files

COLUMNS = {shown: column for column, shown in SHOWN.items()} | {DESCRIPTION: DESCRIPTION}


def product(number, **values):
    """A product whose attributes no other has."""
    row = {"product_id": f"p{number}", "department": "GROCERY", "category": "PICKLES", "brand": "Private"}
    row |= {"product_type": f"PICKLES KIND {number}", "package_size": f"{number + 2} OZ", "source": "test"}
    return row | values


def put(store, rows, table=PRODUCTS):
    """Replace the products. table: the declaration, which another version of shopbatch may have had otherwise."""
    run = new_run_id()
    columns = {c.name: pa.array([r.get(c.name) for r in rows], c.type) for c in table.columns}
    path = f"{run}/part-00000.parquet"
    files.write(f"{store.uri(table.name)}/{path}", pa.table(columns, table.schema()))
    described = files.describe(store.uri(table.name), path, table.file_schema())
    return store.commit(table, [described], "replace", run)


# claims that no product of this shop backs, one a kind
LIES = (
    "It comes in bright red.", "It is for women.", "It is made of solid oak.", "It holds 3 liters.",
    "It relieves back pain.", "It is our best seller.", "It is half price this week.", "It has a five-year warranty.",
    "It ships for free.", "It comes with a spare lid.", "It is made in Italy.", "It has a built-in timer.",
)  # fmt: skip


def attributes(body):
    """What the last message with a fence holds."""
    fenced = [m["content"] for m in body["messages"] if m["role"] == "user" and "<product>" in m["content"]]
    lines = re.findall(r"^([^:\n]+): (.*)$", fenced[-1], re.M)
    return {COLUMNS.get(name) or f"{ENTRY}{name}": value for name, value in lines}


def write(body):
    """(text, finish_reason, tokens of prompt and answer) as the server gives them."""
    known = attributes(body)
    title = known.get("title", "")
    first = not body.get("temperature")
    system = body["messages"][0]["content"]
    text = template(known)
    if re.search(r"[\u4e00-\u9fff]", system):
        text = json.dumps({
            "headline": "厨房常备好物",
            "description": "这是我们为您介绍的商品，适合日常使用，也适合和家人分享。",
            "bullets": ["日常使用很方便", "适合和家人分享"],
        }, ensure_ascii=False)  # fmt: skip
    if "never json" in title or ("json later" in title and first):
        text = "Here is your copy! It is great."
    if lie := re.search(r"that lies (\d+)( once)?", title):
        asked_again = body["messages"][-1]["content"].startswith("Nothing in the product's facts")
        if not (lie[2] and asked_again):
            copy = json.loads(text)
            text = json.dumps(copy | {"description": f"{copy['description']} {LIES[int(lie[1])]}"})
    if "cut off" in title:
        return text[: len(text) // 2], "length", 100, 40
    if "claims" in title:
        text = text.replace("Everything", "It is USDA organic. Everything")
    if "leaks" in title:
        text = json.dumps(json.loads(text) | {"description": system[:200]})
    if "rude" in title:
        text = text.replace("Everything", "What the fuck. Everything")
    if "french" in title:
        text = json.dumps({
            "headline": "Un produit pour la maison",
            "description": "Voici un produit que vous pouvez utiliser dans la cuisine avec votre famille.",
            "bullets": ["Pour la cuisine", "Pour la famille"],
        })  # fmt: skip
    return text, "stop", 100, 40
