"""Units of sizes: English and Chinese names, abbreviations of packages, dimension and factor to its base unit.

Factors are those of the international yard and pound and of the US customary system (NIST Handbook 44, appendix C).
"""

from __future__ import annotations

import re

# dimension, factor to the base unit (g, ml, mm, mm2, s, W, V, mAh, GB, %, degree), English names, Chinese names
_TABLE = (
    ("count", 1.0, "count, counts, ct, pack, packs, pk, piece, pieces, pc, pcs, unit, units", ""),
    ("count", 12.0, "dz, doz, dozen, dozens", ""),
    ("volume", 29.5735295625, "fl oz, fluid ounce, fluid ounces", "液体盎司, 液盎司"),
    ("volume", 1.0, "ml, mls, milliliter, milliliters, millilitre, millilitres, cc", "毫升"),
    ("volume", 10.0, "cl, centiliter, centiliters, centilitre, centilitres", "厘升"),
    ("volume", 1000.0, "l, lt, ltr, ltrs, liter, liters, litre, litres", "公升, 升"),
    ("volume", 3785.411784, "gal, gals, ga, gallon, gallons", "加仑"),
    ("volume", 946.352946, "qt, qts, quart, quarts", "夸脱"),
    ("volume", 473.176473, "pt, pts, pint, pints", "品脱"),
    ("mass", 453.59237, "lb, lbs, pound, pounds", "磅"),
    ("mass", 1000.0, "kg, kgs, kilo, kilos, kilogram, kilograms, kilogramme, kilogrammes", "公斤, 千克, kg, KG"),
    ("mass", 0.001, "mg, milligram, milligrams", "毫克"),
    ("mass", 1.0, "g, gr, gm, gms, gram, grams, gramme, grammes", "克"),
    ("mass", 500.0, "jin", "市斤, 斤"),
    ("mass", 50.0, "liang", "两"),
    ("area", 92903.04, "sq ft, sq feet, square foot, square feet, ft²", "平方英尺"),
    ("area", 1e6, "sq m, square meter, square meters, square metre, square metres, m²", "平方米, 平米"),
    ("area", 645.16, "sq in, square inch, square inches", "平方英寸"),
    ("length", 25.4, "in, ins, inch, inches, ″", "英寸, 吋, 寸"),
    ("length", 304.8, "ft, foot, feet", "英尺"),
    ("length", 914.4, "yd, yds, yard, yards", "码"),
    ("length", 1.0, "mm, millimeter, millimeters, millimetre, millimetres", "毫米"),
    ("length", 10.0, "cm, centimeter, centimeters, centimetre, centimetres", "厘米, 公分"),
    ("length", 1000.0, "m, meter, meters, metre, metres", "米"),
    ("length", 1e6, "km, kilometer, kilometers, kilometre, kilometres", "公里, 千米"),
    ("length", 1609344.0, "mile, miles", "英里"),
    ("time", 60.0, "min, mins, minute, minutes", "分钟"),
    ("time", 3600.0, "h, hr, hrs, hour, hours", "个小时, 小时"),
    ("time", 86400.0, "day, days", "天, 日"),
    ("time", 604800.0, "week, weeks", "周, 个星期, 星期"),
    ("time", 2629746.0, "month, months", "个月"),
    ("time", 31556952.0, "year, years, yr, yrs", "年"),
    ("power", 1.0, "w, watt, watts", "瓦"),
    ("power", 1000.0, "kw, kilowatt, kilowatts", "千瓦"),
    ("voltage", 1.0, "v, volt, volts", "伏"),
    ("charge", 1.0, "mah, milliamp hour, milliamp hours", "毫安时, 毫安"),
    ("memory", 1.0, "gb, gigabyte, gigabytes", "GB"),
    ("memory", 1024.0, "tb, terabyte, terabytes", "TB"),
    ("share", 1.0, "%, percent, per cent", "%, 成"),
    ("degrees", 1.0, "°, °c, degree, degrees", "℃, 摄氏度, 度"),
)
_OUNCE = (("mass", 28.349523125), ("volume", 29.5735295625))  # an American label says OZ for both
_OUNCES = ("oz", "ounce", "ounces")
MEASURES_ZH = (
    "打(?![开造包算扮磨发动翻理破碎扫底])|个|件|包|袋|瓶|罐|盒|支|枝|条|片|张|颗|粒|只|对(?![于着比照])|双|层|根|顿|杯|块(?!钱)|份"
    "|枚|种|款|次|位|人|口袋|把|台|套|卷|串|碗|勺|倍|盏|抽|联|格|档|键|头|孔|轮|座|听|桶|箱|捆|束|朵|扎|元素|成分|麦克风|声道|扬声器|核|驱动"
)
# size words that say "one" after an article; "a foot", "a yard" and "a cup" seldom do
BARE_EN = r"pound|kilo|kilogram|lit(?:er|re)|gallon|quart|pint|ounce"


def _listed(names: str) -> list[str]:
    return [n for n in names.split(", ") if n]


def _english() -> str:
    """All English names as one regex, the longest first; two words with a space, a hyphen or nothing between them."""
    names = sorted({n for row in _TABLE for n in _listed(row[2])} | set(_OUNCES), key=len, reverse=True)
    return "|".join(rf"{re.escape(n)}\.?".replace(r"\ ", r"\.?[\s-]?") for n in names if n.isascii() or len(n) < 4)


def _chinese() -> str:
    names = {n for row in _TABLE for n in _listed(row[3])} | {"盎司"}
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


def _by_name() -> dict[str, tuple[tuple[str, float], ...]]:
    """{name in small letters, without dots, hyphens and spaces: ((dimension, factor), ...)}."""
    known = {
        name.lower().replace(" ", ""): ((dimension, factor),)
        for dimension, factor, english, chinese in _TABLE
        for name in (*_listed(english), *_listed(chinese))
    }
    return known | dict.fromkeys((*_OUNCES, "盎司"), _OUNCE)


EN_NAMES, ZH_NAMES, BY_NAME = _english(), _chinese(), _by_name()
