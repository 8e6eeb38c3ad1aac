"""What the products of the boutique state, by code of its own: plain look-ups in their attributes, title and text."""

from __future__ import annotations

import re
from typing import Any

VALUES = {
    "colour": "black 黑色|white 白色|grey 灰色|red 红色|blue blue navy 蓝色 藏青色|green 绿色|beige 米色|brown 棕色|"
    "pink 粉色|yellow 黄色|purple 紫色",
    "material": "cotton 纯棉|wool 羊毛|silk 真丝|linen 亚麻|leather 真皮|polyester 聚酯纤维|nylon 尼龙|cashmere 羊绒|"
    "denim 牛仔布|bamboo 竹制|wood 实木|glass 玻璃|stainless_steel 不锈钢|plastic 塑料|ceramic 陶瓷",
    "season": "spring 春季 all_seasons 四季|summer 夏季 all_seasons 四季|autumn 秋季 all_seasons 四季|"
    "winter 冬季 all_seasons 四季",
    "gender": "women women 女士 unisex 男女通用|men men 男士 unisex 男女通用",
    "age": "adult 成人|kids 儿童|baby 婴儿",
}
NAMES = {
    "colour": ("colour", "颜色"),
    "material": ("material", "材质"),
    "season": ("season", "适用季节"),
    "gender": ("gender", "性别"),
    "age": ("age group", "适用年龄"),
    "size": ("size", "尺码"),
}
_NO = re.compile(r"(?:without|\bno(?: added)?|无添加|不含|无)\s*$")


def written(kind: str, value: str) -> set[str]:
    """How the boutique writes a value."""
    for group in VALUES[kind].split("|"):
        names = [name.replace("_", " ") for name in group.split()]
        if names[0] == value:
            return set(names)
    return set()


def attribute(row: dict[str, Any], kind: str) -> str | None:
    pairs = dict(row["attributes"] or ())
    return next((pairs[name] for name in NAMES[kind] if name in pairs), None)


def meets(row: dict[str, Any], kind: str, op: str, value: Any, currency: str | None) -> bool:
    """Whether a product of the boutique meets a constraint."""
    if kind == "price":
        price = row["sale_price"] if row["sale_price"] is not None else row["price"]
        right = currency in (None, row["currency"])
        return right and (float(price) <= value if op == "<=" else float(price) >= value)
    if kind == "amount":
        return _amount(row, op, value)
    if kind == "contains":
        return _says(row, value) == (op == "=")
    if kind == "brand":
        return (row["brand"].lower() == value.lower()) == (op == "=")
    if kind == "size":
        return value in re.split(r", ", attribute(row, "size") or "")
    if kind == "type":
        return (value in row["product_type"] or row["product_type"] == value) == (op == "=")
    stated = attribute(row, kind)
    if (kind, value, op) == ("material", "down", "="):
        pairs = dict(row["attributes"] or ())
        return "filling" in pairs or "填充物" in pairs  # the boutique fills with down alone
    if op == "!=":
        text = f"{row['title']} {row['description']} {' '.join(v for _, v in row['attributes'])}".lower()
        places = (m for w in written(kind, value) for m in re.finditer(rf"\b{w}\b" if w.isascii() else w, text))
        return all(_NO.search(text[: m.start()]) for m in places)  # "packed without plastic" does not state plastic
    if stated is not None:
        return stated in written(kind, value)
    return kind in ("material", "gender") and _in_title(row["title"], kind, value)


def _in_title(title: str, kind: str, value: str) -> bool:
    names = written(kind, value) | ({"women's", "girls'", "女"} if value == "women" else set())
    names |= {"men's", "boys'", "男"} if value == "men" else set()
    return any(re.search(rf"(?<![a-z]){re.escape(n)}" if n.isascii() else n, title.lower()) for n in names)


def _amount(row: dict[str, Any], op: str, value: str) -> bool:
    number, unit = value.split(" ")
    chinese = {"ml": "毫升", "cm": "厘米", "g": "克"}[unit]
    stated = [float(v.split(" ")[0]) for _, v in row["attributes"] if v.split(" ")[-1] in (unit, chinese)]
    if op == "=":
        return any(abs(s - float(number)) <= 0.005 * float(number) for s in stated)
    return bool(stated) and all(s <= float(number) if op == "<=" else s >= float(number) for s in stated)


def _says(row: dict[str, Any], phrase: str) -> bool:
    """Whether title, description or attributes name something without denying it."""
    for text in (row["title"], row["description"], row["product_type"], *(v for _, v in row["attributes"])):
        small = text.lower()
        for m in re.finditer(re.escape(phrase.removesuffix("s") if phrase.isascii() else phrase), small):
            if not _NO.search(small[: m.start()]):
                return True
    return False
