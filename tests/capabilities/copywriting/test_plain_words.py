"""Planned copy that a shop would print: titles are no nouns of its sentences, labels of a catalogue are read, and
attributes are said as people say them."""

import pytest

from shopbatch.capabilities.copywriting.config import Rules
from shopbatch.capabilities.copywriting.copy_format import parse
from shopbatch.capabilities.copywriting.coverage import names_product
from shopbatch.capabilities.copywriting.facts import content_of, known_facts
from shopbatch.capabilities.copywriting.plan import plan
from shopbatch.capabilities.copywriting.product import understand
from shopbatch.capabilities.copywriting.rules import Judge
from shopbatch.grounding.check import Facts

COLUMNS = ("title", "department", "category", "product_type", "brand", "package_size", "description")


def copy_of(attributes, language="en"):
    """The copy of a product, which passes all rules and names it."""
    row = {name if name in COLUMNS else f"attributes.{name}": value for name, value in attributes.items()}
    known = known_facts(content_of([row]))[0]
    text = plan(known, language)
    verdict = Judge(Rules(), language, "")(text, "stop", Facts(known))
    assert (verdict.reason, verdict.findings) == (None, ()), text
    assert names_product(known, verdict.copy.text)
    return parse(text)


TITLES = [
    # what stands behind the goods comes before them, and numbers stay in the headline
    (
        {"title": "Rabbit Hutch Foldable 90cm", "product_type": "Rabbit hutch", "brand": "Burro", "Width": "90 cm"},
        "foldable rabbit hutch by Burro",
    ),
    (
        {"title": "Desk Fan Silent 30cm White", "product_type": "Desk fan", "brand": "Breva", "Power": "25 W"},
        "silent white desk fan",
    ),
    (
        {"title": "Cross Trainers Women's Waterproof", "product_type": "Trainers", "brand": "Oro", "Weight": "300 g"},
        "women's waterproof cross trainers by Oro",
    ),
    # a part that names another thing is left out: the frame is round, and not the sunglasses
    (
        {"title": "Sunglasses Round Frame", "product_type": "Sunglasses", "brand": "Oro", "Case": "Yes"},
        "sunglasses by Oro",
    ),
    ({"title": "Banjo Tenor Maple", "product_type": "Banjo", "brand": "Pluck", "Strings": "4"}, "banjo by Pluck"),
    # what follows with a preposition
    (
        {"title": "Rye Crackers with Caraway 200g", "product_type": "Crackers", "brand": "Knak", "Origin": "Norway"},
        "rye crackers with caraway by Knak",
    ),
    (
        {"title": "Toy Chest with Lid 60 L", "product_type": "Toy chest", "brand": "Hemma", "Material": "Pine"},
        "with a lid",
    ),
    # a title that names other goods than the product type is said as a name
    (
        {"title": "Velvet Storm 75cl 13%", "product_type": "Red wine", "brand": "Rosso", "Country": "Italy"},
        "Velvet Storm by Rosso is a red wine from Italy",
    ),
    # the type of a shop may be short
    ({"title": "Polo Shirt Slim", "product_type": "Polo", "brand": "Oro", "Colour": "Navy"}, "navy polo shirt"),
    ({"title": "Bottle Sleeve 1 Litre Felt Grey", "brand": "Oro", "Closure": "Zip"}, "grey felt bottle sleeve"),
    # of a set there are several
    (
        {"title": "Cutting Board Set of 3", "product_type": "Cutting boards", "brand": "Oro",
         "package_size": "Set of 3", "Material": "Bamboo"},
        "bamboo cutting boards",
    ),
    (
        {"title": "Garden Lights Set 4 Pack", "product_type": "Garden lights set", "package_size": "Set of 4",
         "Height": "40 cm"},
        "garden lights come in a set of 4",
    ),
    # a place by its adjective is no second origin, and keeps its capital
    (
        {"title": "Bolivian Quinoa Tricolour 500g", "product_type": "Quinoa", "brand": "Andino",
         "package_size": "500 g", "Origin": "Bolivia"},
        "tricolour Bolivian quinoa",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "said"), TITLES)
def test_a_title_is_taken_apart_in_sentences_and_kept_as_headline(attributes, said):
    copy = copy_of(attributes)
    description = copy.description.lower()
    goods, _, brand = said.lower().partition(" by ")
    assert said.lower() in description or f"{brand} {goods}" in description, description
    assert not ("Bolivian" in said or said[0].isupper()) or said in copy.description
    assert all(word in copy.headline for word in attributes["title"].split() if word.isalpha() and word != "Grey")
    title = attributes["title"].lower()
    assert title not in description and " from bolivia" not in description


def test_what_nothing_is_known_of_is_no_noun():
    copy = copy_of({"title": "Turntable Belt Drive", "product_type": "Turntable", "brand": "Rille"})
    assert copy.description.startswith("Turntable by Rille.") and "belt" not in copy.description.lower()


SAYINGS = [
    ({"Max load": "120 kg"}, "takes up to 120 kg"),
    ({"Weight limit": "90 kg"}, "takes up to 90 kg"),
    ({"Cable length": "1.5 m"}, "a 1.5 m cable"),
    ({"Frame material": "Acetate"}, "an acetate frame"),
    ({"Closure": "Velcro"}, "a Velcro closure"),
    ({"Colours": "24"}, "in 24 colours"),
    ({"Output": "65 W"}, "an output of 65 W"),
    ({"Warranty": "2 years"}, "a 2-year warranty"),
    ({"Waterproof": "IPX7"}, "is waterproof to IPX7"),
    ({"Run time": "40 min"}, "runs for 40 min"),
    ({"Voltage": "18 V"}, "runs on 18 V"),
    ({"Battery": "2 x AAA"}, "runs on 2 AAA batteries"),
    ({"Compatible with": "Windows, macOS"}, "works with Windows and macOS"),
    ({"Range": "3 km"}, "a range of 3 km"),
    ({"Diameter": "30 cm"}, "is 30 cm in diameter"),
    ({"Max torque": "55 Nm"}, "a torque of up to 55 Nm"),
    ({"Pieces": "150"}, "150-piece gadget"),
]


@pytest.mark.parametrize(("attributes", "said"), SAYINGS)
def test_attributes_are_said_as_people_say_them(attributes, said):
    copy = copy_of({"title": "Gadget", "product_type": "Gadget", "brand": "Oro"} | attributes)
    assert said in copy.description


@pytest.mark.parametrize(
    "attributes", [{"Max load": "16 A"}, {"Compatible with": "See list (page 4)"}, {"Pieces": "Many"}]
)
def test_values_of_another_kind_are_shown_and_not_said(attributes):
    ((name, value),) = attributes.items()
    copy = copy_of({"title": "Smart Plug", "product_type": "Smart plug", "brand": "Oro"} | attributes)
    assert f"{name}: {value}" in copy.bullets
    assert "takes up to" not in copy.description and "works with" not in copy.description


def test_a_count_of_parts_is_said_though_the_name_holds_the_part():
    copy = copy_of({"title": "Marble Run", "product_type": "Marble run", "brand": "Oro", "Marbles": "30"})
    assert "30 marbles" in copy.description


def test_what_a_product_has_is_no_bare_word():
    copy = copy_of({"title": "SUP Board", "product_type": "SUP board", "Pump": "Yes", "App": "Yes", "Caffeine": "No"})
    assert {"With a pump", "With an app", "Caffeine: No"} <= set(copy.bullets)


LABELS = [
    # product type, category, size, headline, description
    ("PITA/TORTILLAS", "BAKED BREAD/BUNS/ROLLS", "14.5 OZ", "Pita or Tortillas, 14.5 oz",
     "A 14.5 oz pack from our pita and tortillas range."),
    ("MOLASSES & SYRUPS", "MOLASSES/SYRUP/PANCAKE MIXS", "24 OZ", "Molasses and Syrups, 24 oz",
     "A 24 oz pack from our molasses and syrups range."),
    ("HAND AND BODY LOTIONS", "HAND/BODY/FACIAL PRODUCTS", "16 OZ", "Hand and Body Lotion, 16 oz",
     "Hand and body lotion in a 16 oz pack."),
    ("DRESSINGS", "PROCESSED", "24 OZ", "Dressing, 24 oz", "Dressing in a 24 oz pack."),
    ("POTATO CHIPS", "BAG SNACKS", "8 OZ", "Potato Chips, 8 oz", "Potato chips in an 8 oz pack."),
    ("SAUCE MIXES GRAVY MIXES DRY", "DRY SAUCES/GRAVY", "1.5 OZ", "Dry Sauce or Gravy Mix, 1.5 oz",
     "Dry sauce or gravy mix in a 1.5 oz pack."),
    ("ANTIPERSPIRANTS ONLY (ALL OTHE", "DEODORANTS", "1.6 OZ", "Antiperspirant, 1.6 oz",
     "Antiperspirant in a 1.6 oz pack."),
    ("PREMIUM", "ICE CREAM/MILK/SHERBTS", "48 OZ", "Premium Ice Cream, 48 oz", "Premium ice cream in a 48 oz pack."),
    ("SEASONAL MISCELLANEOUS", "CANDY - PACKAGED", "17 OZ", "Seasonal Candy, 17 oz",
     "Seasonal candy in a 17 oz pack."),
    ("FABRIC SOFTENER LIQUID", "LAUNDRY ADDITIVES", "52 LD", "Liquid Fabric Softener, 52-load",
     "Liquid fabric softener in a 52-load pack."),
    ("MISC. LAWN & GARDEN", "GARDEN CENTER", None, "Lawn and Garden Product",
     "A product from our lawn and garden range."),
    ("REVLON", "HALLOWEEN", None, "Revlon Product", "Revlon product from our Halloween range."),
    ("CHEESE:SPECIALTY BULK", "CHEESES", "5 LB", "Specialty Cheese, 5 lb", "Specialty cheese in a 5 lb pack."),
    ("MEAT:HAM BULK", "DELI MEATS", "7-11 LB RW", "Ham, 7-11 lb", "Ham in a 7-11 lb pack."),
    ("CONTINUITY", "DOMESTIC GOODS", "8 OZ", "Domestic Goods, 8 oz", "An 8 oz pack from our domestic goods range."),
]  # fmt: skip


@pytest.mark.parametrize(("label", "category", "size", "headline", "description"), LABELS)
def test_labels_of_a_catalogue_are_read(label, category, size, headline, description):
    row = {"product_type": label, "category": category, "department": "GROCERY", "brand": "National"}
    copy = copy_of(row | ({"package_size": size} if size else {}))
    assert (copy.headline, copy.description) == (headline, description)
    assert "Processed" not in copy.text


@pytest.mark.parametrize(
    ("label", "category", "says"),
    [("KITS", "CRAFT SUPPLIES", "salad"), ("BLENDS", "TEA", "salad"), ("MIXERS", "KITCHEN APPLIANCES", "drink")],
)
def test_what_a_label_means_in_one_catalogue_is_not_said_of_another(label, category, says):
    known = known_facts(content_of([{"product_type": label, "category": category}]))[0]
    assert says not in plan(known, "en").lower()


@pytest.mark.parametrize("name", ["Players", "Persons", "Colours"])
def test_one_is_not_said_as_several(name):
    known = known_facts(content_of([{"title": "Solo", "product_type": "Card game", f"attributes.{name}": "1"}]))[0]
    assert f"1 {name.lower()}" not in plan(known, "en").lower()


def test_a_thermos_is_of_no_range_of_coffee_filters_and_a_code_is_no_size():
    row = {"product_type": "THERMOS", "category": "COFFEE FILTERS", "department": "DRUG GM", "package_size": "SCAN KPC"}
    copy = copy_of(row)
    assert "range" not in copy.description and "kpc" not in copy.text.lower()


CHINESE = [
    ({"title": "连衣裙", "product_type": "女童连衣裙", "年龄": "儿童", "颜色": "粉色"}, "女童", "适用年龄"),
    (
        {"title": "速冻毛豆", "product_type": "毛豆", "brand": "京都", "产地": "泰国", "净含量": "400g"},
        "泰国",
        "来自京都",
    ),
    ({"title": "煮蛋器", "product_type": "煮蛋器", "自动断电": "是", "功率": "350W"}, "自动断电", "：是"),
]


@pytest.mark.parametrize(("attributes", "said", "unsaid"), CHINESE)
def test_chinese_copy_reads_as_people_write(attributes, said, unsaid):
    copy = copy_of(attributes, "zh")
    assert said in copy.text and unsaid not in copy.text


@pytest.mark.parametrize(
    ("title", "product_type", "measure"),
    [("丝绒发圈 5只装", "发圈", "款"), ("丝绒发圈", "发圈", "个"), ("点阵笔记本 A5", "笔记本", "款")],
)
def test_of_several_goods_there_is_no_single_one(title, product_type, measure):
    known = known_facts(content_of([{"title": title, "product_type": product_type}]))[0]
    assert understand(known, "zh").measure == measure


BULLETS_ONLY = [
    # a value of another thing, of units or of a limit is in no sentence, and words cut from a title are no goods
    (
        {"title": "Desk Arm 17-32in", "product_type": "Monitor arm", "Screen size": "17-32 in", "Max load": "9 kg"},
        "17-32",
    ),
    ({"title": "Digital Kitchen Scale", "product_type": "Kitchen scale", "Units": "g, oz, lb"}, "piece"),
    ({"title": "Sweet Pea Seeds", "product_type": "Flower seeds", "Height": "180 cm"}, "180"),
    ({"title": "Power Bank", "product_type": "Power bank", "Output": "22.5 W max", "Ports": "3"}, "22.5"),
    ({"title": "Plush Sloth 35 cm Soft Toy", "product_type": "Soft toy", "Height": "35 cm"}, "cm soft"),
    ({"title": "Tides - Novel - Paperback", "category": "Books", "author": "A. Fenn", "pages": "90"}, " - "),
]


@pytest.mark.parametrize(("attributes", "unsaid"), BULLETS_ONLY)
def test_what_has_no_known_shape_is_not_said(attributes, unsaid):
    copy = copy_of(attributes)
    assert unsaid not in copy.description
    shown = {v for k, v in attributes.items() if k[0].isupper()} | {"90"} & set(attributes.values())
    assert all(v.removesuffix(" in") in " ".join((*copy.bullets, copy.description)) for v in shown)


def test_a_pack_of_counted_goods_is_said_by_its_number():
    copy = copy_of({"title": "Eco Nappies Size 4", "product_type": "Nappies", "package_size": "88 nappies"})
    assert "pack of 88" in copy.description and "88 nappies pack" not in copy.description


UNTYPED = [
    # goods that are known, in the number that the title has; no material, container or words behind them
    ({"title": "Wood Screws Torx 5 x 60 yellow zinc tub of 200", "category": "Fixings", "package_size": "200 pcs"},
     "These wood screws by Oro come in a pack of 200 pieces.", "zinc"),
    ({"title": "Shoe Insoles Arch Support Gel Heel - UK 6-11", "category": "Shoe care", "Washable": "By hand"},
     "hoe insoles", "arch"),
    ({"title": "Crisps Salt & Cider Vinegar Hand Cooked 150g sharing bag", "category": "Snacks",
      "package_size": "150 g"}, "risps", "bag"),
    ({"title": "Trench Coat Double Breasted Belted", "category": "Coats", "Material": "Cotton"}, "trench coat", "belt"),
    # what is not known is of a range, and nothing is said of a pack that is of what is in it
    ({"title": "Zorblat Xenu 500", "category": "Fixings", "package_size": "200 pcs", "Length": "60 mm"},
     "A pack of 200 pieces from our fixings range by Oro.", "60 mm"),
    ({"title": "Shoe Storage Bench Oak 90cm", "category": "Hallway furniture", "Width": "90 cm"},
     "from our hallway furniture range", "shoe"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "said", "unsaid"), UNTYPED)
def test_a_title_without_a_type_names_known_goods_or_a_range(attributes, said, unsaid):
    copy = copy_of(attributes | {"brand": "Oro"})
    assert said in copy.description and unsaid not in copy.description.lower(), copy.description


SPELT = [
    ({"title": "Parasol 3m", "product_type": "Parasol", "Fabric": "Polyester 180 g/m²"}, "Polyester 180 g/m²", "g and"),
    ({"title": "Earbuds", "product_type": "Earbuds", "ip_rating": "IPX7"}, "IP rating: IPX7", "Ip "),
    ({"title": "Rose Feed", "product_type": "Fertiliser", "npk": "6-5-11"}, "NPK: 6-5-11", "Npk"),
    ({"title": "Muslin Cloths", "product_type": "Muslin cloths", "Certificate": "GOTS"}, "GOTS", "ots"),
    ({"title": "Fountain Quiet w/ 3 Filters", "product_type": "Pet fountain"}, "with 3 Filters", "/"),
    ({"title": "earbuds black/red sport", "product_type": "Earbuds"}, "Black/Red", "/red"),
    ({"title": "Cloths", "product_type": "Muslin cloths", "package_size": "5 pcs"}, "5 pieces", "5 pc"),
    ({"title": "Espadrilles Wedge Natural / Coral", "product_type": "Espadrilles", "Upper": "Canvas"},
     "atural and coral espadrilles", "hese coral"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "shown", "unshown"), SPELT)
def test_units_acronyms_and_pairs_stay_whole(attributes, shown, unshown):
    text = copy_of(attributes | {"brand": "Oro", "Warranty": "2 years"}).text
    assert shown in text and unshown not in text, text


MISREAD = [
    ({"title": "Masonry Paint 5 L", "product_type": "Exterior paint", "Coats": "2"}, "2 coats"),
    ({"title": "Dinner Set", "product_type": "Dinner set", "Plate diameter": "27 cm"}, "27 cm"),
    ({"title": "Oilcloth", "product_type": "Tablecloth", "Seats": "8"}, "seats"),
    ({"title": "Trench Coat", "product_type": "Trench coat", "Closure": "Buttons and belt"}, "a buttons"),
    ({"title": "Loafers", "product_type": "Loafers", "Sole": "Leather with rubber heel"}, "heel"),
    ({"title": "Trunks", "product_type": "Trunks", "Leg Length": "Short"}, "short"),
    ({"title": "Network Cable", "product_type": "Network cable", "package_size": "1"}, "pack of 1"),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "unsaid"), MISREAD)
def test_what_a_sentence_would_misread_stays_a_bullet(attributes, unsaid):
    copy = copy_of(attributes | {"brand": "Oro", "Warranty": "2 years"})
    assert unsaid not in copy.description.lower()
    value = list(attributes.values())[-1]
    assert any(value in bullet for bullet in copy.bullets)


@pytest.mark.parametrize(
    "sentence",
    [
        "Cut to size with scissors, the edge does not fray",
        "Please check both lengths against your old blades before ordering",
        "Ask your doctor first if you are pregnant or on medication",
    ],
)
def test_warnings_and_instructions_are_bullets_word_for_word(sentence):
    parts = {f"Fact {name}": f"Value {name}" for name in "bcdefghi"}  # more than there is room for
    copy = copy_of({"title": "Gadget", "product_type": "Gadget", "brand": "Oro", "description": f"{sentence}."} | parts)
    assert sentence in copy.bullets and sentence.lower() not in copy.description.lower()


def test_a_description_without_facts_has_no_filler():
    row = {"title": "Diamond Painting", "product_type": "Diamond painting", "department": "Hobby & Craft"}
    assert copy_of(row | {"Frame": "No"}).description == "A diamond painting from our hobby and craft range."
