"""Products that the planted cases are written about: attributes as literals, and a plain name in both languages."""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS = ("title", "division", "department", "category", "product_type", "brand", "package_size")

# key|name (en)|name (zh)|title|division|department|category|product_type|brand|package_size; "-" is None
# Rows as a supermarket's catalogue has them.
_CATALOGUE = """
pickles|pickles|酸黄瓜|-|-|GROCERY|PICKLE/RELISH/PKLD VEG|PICKLES|Private|24 OZ
dogfood|dry dog food|狗粮|-|-|GROCERY|DOG FOODS|DRY DOG VALUE (PET PRIDE/KLR/G|Private|22 LB
soda|soft drinks|汽水|-|-|GROCERY|SOFT DRINKS|SFT DRNK 2 LITER BTL CARB INCL|National|2 L
wine|domestic wine|葡萄酒|-|-|GROCERY|DOMESTIC WINE|VALUE GLASS WINE|National|1.5 L
redwine|South American wine|南美葡萄酒|-|-|GROCERY|IMPORTED WINE|SOUTH AMERICAN WINES|National|750 ML
coffee|ground coffee|咖啡粉|-|-|GROCERY|COFFEE|GROUND COFFEE|Private|11.5 OZ
decaf|decaffeinated ground coffee|低因咖啡粉|-|-|GROCERY|COFFEE|GROUND DECAFFINATED|Private|39 OZ
pie|sugar free pies|无糖派|-|-|PASTRY|PIES|PIES: SUGAR FREE|National|22 OZ
carrots|organic carrots|有机胡萝卜|-|-|PRODUCE|ORGANICS FRUIT & VEGETABLES|ORGANIC CARROTS|National|1 LB
apples|organic apples|有机苹果|-|-|PRODUCE|ORGANICS FRUIT & VEGETABLES|ORGANIC APPLES|National|80-88 CT
salad|organic salad mix|有机沙拉菜|-|-|PRODUCE|ORGANICS FRUIT & VEGETABLES|ORGANIC SALAD MIX|National|5 OZ
swabs|cotton swabs|棉签|-|-|DRUG GM|BABY HBC|COTTON COTTON SWABS|Private|180 CT
napkins|paper napkins|餐巾纸|-|-|GROCERY|FACIAL TISS/DNR NAPKIN|PAPER NAPKINS|Private|250 CT
cups|plastic cups|塑料杯|-|-|GROCERY|PAPER HOUSEWARES|PLASTIC CUPS|National|16 OZ/24 CT
towels|paper towels|厨房纸|-|-|GROCERY|PAPER TOWELS|PAPER TOWELS & HOLDERS|Private|57 SQ FT
lunchbags|paper lunch bags|纸质午餐袋|-|-|GROCERY|FD WRAPS/BAGS/TRSH BG|PAPER LUNCH BAGS|Private|100 CT
foil|aluminum foil|铝箔|-|-|GROCERY|FD WRAPS/BAGS/TRSH BG|ALUMINUM FOIL|Private|50 FT
bakeware|glass bakeware|玻璃烤盘|-|-|DRUG GM|COOKWARE & BAKEWARE|GLASS BAKEWARE|National|2 QT
bulbs|compact fluorescent bulbs|荧光灯泡|-|-|DRUG GM|ELECTRICAL SUPPPLIES|COMPACT FLUORESCENT LIGHT BULB|National|2 CT
icecream|ice cream sandwiches|雪糕三明治|-|-|GROCERY|FRZN NOVELTIES/WTR ICE|ICE CREAM SANDWICHES|Private|12 CT
cookies|cookies|饼干|-|-|GROCERY|COOKIES/CONES|MULTI-PACK COOKIES|National|8 CT
candles|birthday candles|生日蜡烛|-|-|GROCERY|BAKING NEEDS|CAKE DECORS - BIRTHDAY CANDLES|National|24 CT
shrimp|frozen raw shrimp|冷冻生虾|-|-|SEAFOOD-PCKGD|SEAFOOD - FROZEN|SEAFOOD-FRZ-IQF RAW SHRIMP RW|Private|1 LB
beans|kidney and pinto beans|芸豆|-|-|GROCERY|BEANS - CANNED GLASS & MW|VARIETY BEANS - KIDNEY PINTO|Private|15.25 OZ
cereal|cereal|谷物麦片|-|-|GROCERY|COLD CEREAL|ADULT CEREAL|National|14.5 OZ
gfcereal|gluten free cereal|无麸质麦片|-|-|NUTRITION|CEREAL/BREAKFAST|GLUTEN FREE|National|17.5 OZ
bread|light bread|轻食面包|-|-|GROCERY|BAKED BREAD/BUNS/ROLLS|DIET/LIGHT BREAD|Private|16 OZ
milk|milk|牛奶|-|-|NUTRITION|REFRIGERATED|FLUID MILK|National|64 OZ
hotdogs|kosher hot dogs|犹太洁食热狗|-|-|MEAT-PCKGD|HOT DOGS|KOSHER/SPECIALTY|National|16 OZ
eggs|large eggs|大号鸡蛋|-|-|GROCERY|EGGS|EGGS - LARGE|National|1 DZ
cheese|cheese chunks|块状奶酪|-|-|GROCERY|CHEESE|NATURAL CHEESE EXACT WT CHUNKS|Private|24 OZ
vegancheese|non-dairy cheese|非乳制奶酪|-|-|NUTRITION|REFRIGERATED|NON-DAIRY CHEESE|National|12 OZ
pint|premium pints|品脱装乳品|-|-|GROCERY|FLUID MILK PRODUCTS|PREMIUM PINTS|National|PT
coats|leather and suede coats|皮衣|-|-|DRUG GM|SPRING/SUMMER SEASONAL|WOMEN LEATHER&SUADE COATS|National|-
solar|solar lights|太阳能灯|-|-|DRUG GM|LAWN AND GARDEN SHOP|SOLAR LIGHTING|National|6 PC
charcoal|charcoal|木炭|-|-|DRUG GM|CHARCOAL AND LIGHTER FLUID|CHARCOAL|Private|-
joint|joint health supplements|关节健康补充剂|-|-|DRUG GM|VITAMINS|NUT SUPP-JOINT HEALTH|Private|120 CT(3)
antacid|antacids|抗酸片|-|-|DRUG GM|ANTACIDS|ANTI-ACIDS|Private|30 CT
dvd|films on disc|影碟|-|-|DRUG GM|AUDIO/VIDEO PRODUCTS|AGE RESTRICTED SPHE $9.99|National|-
makeup|makeup|彩妆|-|-|COSMETICS|MAKEUP AND TREATMENT|MAYBELLINE|National|-
fisher|toys|玩具|-|-|DRUG GM|TOYS AND GAMES|FISHER PRICE|National|-
paperback|paperbacks|平装书|-|-|DRUG GM|BOOKSTORE|PAPERBACK BEST SELLER|National|-
jackets|jackets|外套|-|General|Jackets|Outerwear|-|-|-
sweaters|sweaters|针织衫|-|General|Tops|Sweaters|-|-|-
jeans|jeans|牛仔裤|-|General|Bottoms|Jeans|-|-|-
"""
# Rows with titles and named brands, invented.
_TITLED = """
oil|garlic olive oil|蒜香橄榄油|Aurora Garlic Olive Oil 500 ml|-|Groceries|Oils & Vinegars|Olive Oil|Aurora|500 ML
socks|crew socks|中筒袜|Hollin Cotton Crew Socks 6 Pack|-|Fashion|Socks|Crew Socks|Hollin|6 CT
cable|charging cables|充电线|Brightwell USB-C Charging Cable 2 m|-|Electronics|Cables|USB Cables|Brightwell|1 CT
ftcoffee|coffee|咖啡|Fair Trade Ground Coffee|-|Groceries|Coffee|Ground Coffee|Tamber|12 OZ
board|serving boards|餐板|Oak Serving Board|-|Home|Kitchen|Serving Boards|-|-
blocks|alphabet blocks|字母积木|Wooden Alphabet Blocks|-|Toys|Baby & Toddler|Building Blocks|Pipkin|26 CT
soup|tomato soup|番茄汤|Low Sodium Tomato Soup|-|Groceries|Soup|Canned Soup|Private|10.75 OZ
cream|hand cream|护手霜|Rosemary Hand Cream|-|Beauty|Hand Care|Hand Creams|Fenn & Lark|75 ML
rtowels|recycled paper towels|再生纸巾|Recycled Paper Towels|-|Household|Paper Goods|Paper Towels|National|8 CT
dress|summer dresses|夏季连衣裙|Linen Summer Dress|General|Dresses|Dresses|-|-|-
quinoa|quinoa|藜麦|USDA Organic White Quinoa 1 kg|-|Groceries|Grains|Quinoa|Sollem|1 KG
bottle|water bottles|水杯|Kestrel Stainless Steel Water Bottle 750 ml|-|Home|Drinkware|Water Bottles|Kestrel|750 ML
bears|teddy bears|毛绒熊|Sleepy Plush Bear|-|Toys|Soft Toys|Teddy Bears|Pipkin|-
brush|toothbrushes|牙刷|Biodegradable Bamboo Toothbrush 4 Pack|-|Beauty|Oral Care|Toothbrushes|-|4 CT
shampoo|shampoo|洗发水|Dermatologist Tested Fragrance-Free Shampoo|-|Beauty|Hair Care|Shampoo|Ondine|250 ML
tshirt|T-shirts|T恤|GOTS Certified Organic Cotton T-Shirt|-|Fashion|Tops|T-Shirts|Marlo|-
lamp|desk lamps|台灯|Brass Desk Lamp|-|Home|Lighting|Desk Lamps|-|-
tent|tents|帐篷|Two-Person Trail Tent|-|Sports|Camping|Tents|Fjellby|-
chair|dining chairs|餐椅|Solid Oak Dining Chair|-|Home|Furniture|Dining Chairs|-|-
wallet|wallets|钱包|Leather Bifold Wallet|-|Fashion|Accessories|Wallets|-|-
phones|headphones|耳机|Wireless Headphones with 30 Hour Battery|-|Electronics|Audio|Headphones|Brightwell|-
boxes|storage boxes|收纳箱|Recyclable Cardboard Storage Boxes 5 Pack|-|Home|Storage|Boxes|-|5 CT
giftcard|gift cards|礼品卡|$25 Gift Card|-|Gifts|Gift Cards|Gift Cards|-|-
kettle|kettles|电热水壶|Kestrel Electric Kettle 1.7 L, 2 Year Warranty|-|Home|Appliances|Kettles|Kestrel|1.7 L
cleaner|all-purpose cleaner|清洁剂|All-Purpose Cleaner Refill, Plastic-Free Packaging|-|Home|Cleaning|Refills|-|1 L
yogurt|plain yogurt|原味酸奶|Low Fat Plain Yogurt|-|Groceries|Dairy|Yogurt|National|500 G
biscuits|oat biscuits|燕麦饼干|High Fibre Oat Biscuits|-|Groceries|Biscuits|Oat Biscuits|Private|300 G
vitc|vitamin C tablets|维生素C片|Vitamin C Tablets, Immune Support|-|Health|Vitamins|Vitamin C|-|60 CT
detergent|laundry detergent|洗衣液|Carbon Neutral Laundry Detergent|-|Household|Laundry|Detergents|-|1.5 L
chocolate|dark chocolate|黑巧克力|Halal Certified Dark Chocolate 70% Cocoa|-|Groceries|Sweets|Chocolate|-|100 G
lipbalm|lip balm|润唇膏|Vegan Society Certified Lip Balm|-|Beauty|Lip Care|Lip Balm|Ondine|-
puzzle|jigsaw puzzles|拼图|1000 Piece Jigsaw Puzzle|-|Toys|Puzzles|Jigsaw Puzzles|Pipkin|-
scarf|scarves|围巾|Merino Wool Scarf|-|Fashion|Accessories|Scarves|Marlo|-
pillow|pillows|枕头|Bed Pillow, Buy One Get One Free|-|Home|Bedding|Pillows|-|-
wrap|gift wrap|礼品包装纸|Half Price Gift Wrap Bundle|-|Gifts|Wrapping|Gift Wrap|-|-
sofa|sofas|沙发|Corner Sofa with Free Delivery|-|Home|Furniture|Sofas|-|-
mattress|mattresses|床垫|Mattress with Money-Back Guarantee|-|Home|Bedding|Mattresses|-|-
eyecream|eye cream|眼霜|Clinically Proven Eye Cream|-|Beauty|Face|Eye Creams|Ondine|15 ML
tea|tea|龙井茶|明前龙井茶 200克|-|食品|茶叶|绿茶|青岚|200克
bathtowel|bath towels|浴巾|棉质浴巾 2条装|-|家居|毛巾|浴巾|素野|2条
millet|millet|小米|有机认证小米 1千克|-|食品|杂粮|小米|禾本堂|1千克
binbags|bin bags|垃圾袋|可降解垃圾袋 30只|-|日用|清洁|垃圾袋|-|30只
cooker|rice cookers|电饭煲|电饭煲 4升 两年质保|-|家电|厨房电器|电饭煲|灶语|4升
umbrella|umbrellas|雨伞|39元晴雨伞 包邮|-|日用|雨具|雨伞|-|-
"""


@dataclass(frozen=True)
class Product:
    """What a case is about. english and chinese: a plain name that the attributes back, to stand in a sentence."""

    english: str
    chinese: str
    attributes: dict[str, str | None]


def _read(table: str) -> dict[str, Product]:
    found: dict[str, Product] = {}
    for line in table.strip().splitlines():
        key, english, chinese, *values = line.split("|")
        if key in found or len(values) != len(COLUMNS):
            raise ValueError(f"a product's row is wrong: {line}")
        found[key] = Product(
            english, chinese, {c: None if v == "-" else v for c, v in zip(COLUMNS, values, strict=True)}
        )
    return found


PRODUCTS = _read(_CATALOGUE) | _read(_TITLED)
