"""English sentences with one fabricated claim each, in brackets: `product | sentence`, by kind of claim."""

from __future__ import annotations

SENTENCES = {
    "number": """
pickles|Pop the lid and find [twelve spears] ready for the plate.
dogfood|Enough for about [forty bowls], says the sack.
soda|One bottle pours [ten glasses] with fizz to spare.
cookies|Inside wait [a dozen] cookies for the lunch run.
candles|Count on [36] birthday candles in every packet.
napkins|The pack opens to [three hundred] napkins for big tables.
cups|A sleeve of [50 cups] keeps the drinks table tidy.
socks|You get [five pairs] for the working week.
blocks|Each set holds [thirty-two blocks] to stack and sort.
puzzle|Spread out [1,500 pieces] and settle in for the evening.
cable|It takes more than [10,000 bends] without complaint.
oil|Blended from [two kinds] of olives and finished with garlic.
cream|Mixed with [seven botanicals] alongside the rosemary.
coffee|A single bag brews roughly [90 cups], hot and dark.
towels|Every sheet is [three-ply], ready for the messiest spills.
dress|Cut with [a pair of pockets] for keys and a phone.
tent|It sleeps [four people] at the end of a long walk.
phones|The [four-microphone] design keeps your voice in the call.
soup|Made with [eighty percent] tomato, it tastes the way soup should.
wine|A blend of [half a dozen] grapes, smooth and easy.
shrimp|Expect somewhere around [30 to 35] in the bag.
joint|Take them from a tub of [90], with water.
""",
    "size": """
pickles|A [26-ounce] jar that fits the fridge door.
dogfood|The sack weighs in at [15 kg], so a big dog eats well.
soda|The [three-litre] bottle suits a crowd.
wine|Poured from a [750 ml] bottle at the end of the day.
redwine|The handy [1-liter] bottle travels well to a dinner.
coffee|A [one-pound] bag keeps the pot going.
foil|Tear what you need from a [75-foot] roll.
bakeware|With room for [3 quarts], it takes a family lasagne.
cable|At [three metres] long, it reaches the sofa with ease.
cream|The [100mL] tube slips into any bag.
oil|A tall [25 fl oz] bottle for the stove side.
soup|The [400 g] can makes a quick lunch.
milk|There is a [full gallon] here for cereal and coffee.
carrots|Just over [half a kilo] of crunch for the lunch box.
shrimp|They come in a [2 lb] bag for the freezer.
towels|With [seventy square feet] on the roll, spills stand no chance.
joint|Each tablet delivers [500 mg], easy to swallow.
bottle|It holds [a litre] of water for the long road.
board|The [12-inch] board carries cheese, bread and fruit.
dress|Offered in [sizes 6 to 18], it falls loosely.
kettle|Fill all [2.5 L] of it and call everyone over.
lamp|Standing [40 cm tall], it lights the whole page.
""",
    "brand": """
pickles|Crisp cucumbers the way [Heinz] makes them.
dogfood|Dinner time gets easier with [Purina] in the bowl.
soda|Nothing beats an ice-cold [Coca-Cola] with pizza.
coffee|Roasted [by Nordhaus] for a mellow cup.
wine|Bottled for you at [Château Belmont].
cable|Engineered by [Anker] for desks and bags.
socks|The [Levi's] take on a wardrobe basic.
phones|Enjoy the famous [Sony] sound on the train.
blocks|Play begins with [LEGO], letter after letter.
cream|Soft hands, thanks to [L'Oréal] know-how.
kettle|You can hear the [Bosch] quality in every quiet boil.
towels|Wipe up spills with the strength of [Bounty].
dress|A light piece from the studio of [Maison Ferrand].
puzzle|Another quiet evening with [Ravensburger].
tent|Straight from the workshop of [Northpeak].
oil|Garlic and olives, brought together under the [Bertolli] label.
soup|Warm up with a bowl of [Campbell's].
foil|Wrap leftovers the [Reynolds Wrap] way.
cheese|Slice, melt or grate this chunk from [Kraft].
cookies|They come from [our own brand], baked for sharing.
beans|A [national-brand] can for chilli night.
cereal|Pour a bowl of [Kellogg's] and add milk.
""",
    "material": """
board|Carved from [solid walnut], it looks good at any party.
chair|Its [teak] frame gets better with age.
dress|Woven from [pure silk], it moves with you.
socks|A blend of cotton and [bamboo viscose] keeps them soft.
jackets|Each one is lined with [goose down] for cold mornings.
sweaters|Soft [cashmere] makes them easy to wear.
jeans|A touch of [elastane] lets them move.
bottle|The body is made of [borosilicate glass].
lamp|A [marble base] keeps it steady.
wallet|Inside, a lining of [microfibre] protects your cards.
bears|The [polyester filling] makes every hug softer.
fisher|Moulded in [sturdy ABS plastic] for small hands.
cups|Formed from [bamboo fibre] for garden drinks.
lunchbags|Folded from [waxed canvas], ready for a sandwich.
bakeware|The [cast-iron] body holds the heat.
scarf|Finished with [alpaca] for extra warmth.
solar|Housed in [brushed aluminium], they line the path nicely.
cable|The [braided nylon] sleeve keeps it from tangling.
swabs|The tips are [100% cotton] and soft.
coats|Each comes with a [faux fur] collar.
pillow|The [memory foam] core follows your head.
blocks|Turned from [beech], they feel smooth in small hands.
""",
    "certification": """
pickles|They are [kosher certified], so everyone can dig in.
coffee|The beans are [Rainforest Alliance] listed.
ftcoffee|Its beans also carry the [EU organic logo].
carrots|They were grown on [Demeter-certified] fields.
apples|Look for the [USDA Organic seal] on the box.
tshirt|It also meets [OEKO-TEX Standard 100].
dress|Sewn in a [Fair Wear approved] workshop.
cable|It is [MFi-certified], so your phone says yes.
phones|They are [CE-marked] and simple to pair.
kettle|A [UL listed] design for the kitchen.
blocks|Painted edges and [ASTM F963] compliance give you peace of mind.
bears|Soft, sleepy and [EN 71 certified].
cream|An [FDA approved] formula with rosemary.
shampoo|It proudly wears the [Leaping Bunny] logo.
lipbalm|Approved by [ECOCERT] as well.
towels|Rolled from [FSC-certified] paper.
bulbs|They are [ENERGY STAR rated] for home and office.
chair|Every leg is [PEFC-labelled].
soup|It has been [Non-GMO Project Verified].
quinoa|It is also [certified gluten-free].
shrimp|Look for the [MSC blue label] on the front.
dogfood|Made in an [ISO 9001] plant.
""",
    "health": """
pickles|They are [low in calories], so have another.
dogfood|The crunch [supports strong teeth] in dogs of any age.
coffee|A cup in the morning [boosts your metabolism].
decaf|One mug in the evening [helps you sleep].
cereal|A bowl that is [high in fibre] starts the day.
gfcereal|It is [low in cholesterol] and easy to love.
milk|Each glass helps to [build strong bones].
bread|A [heart-healthy] slice for toast or sandwiches.
soup|A warm bowl that [boosts immunity] on cold days.
oil|Naturally [rich in antioxidants], it dresses any salad.
carrots|Every bite is [good for your eyesight].
apples|Their crisp flesh gently [aids digestion].
cream|Rosemary and care that [relieves eczema].
shampoo|Used daily, it [prevents hair loss].
joint|They may also [lower blood pressure].
antacid|Chew one and [improve your gut flora].
pie|A slice is [suitable for diabetics].
cheese|It is [packed with protein] for busy days.
beans|They come with [no added sugar].
quinoa|Make it the [healthy] base of your dinner.
vitc|They also help to [fight fatigue].
pillow|It [eases neck pain] while you dream.
""",
    "environment": """
napkins|They are fully [biodegradable], so tidy up with ease.
cups|After the party they are [compostable].
coffee|Every bag is [carbon neutral].
towels|They are made from [recycled fibres] and soak up spills.
lunchbags|Once lunch is eaten they are [fully recyclable].
foil|It is rolled from [post-consumer scrap].
cable|It arrives in [plastic-free packaging].
shrimp|They are [sustainably caught] and quick to cook.
oil|The olives were [grown without pesticides].
socks|An [eco-friendly] choice for cold floors.
dress|Coloured with a [water-saving] dye process.
chair|The timber is from [responsibly managed forests].
bulbs|They come in a [zero-waste] box.
solar|They help you [cut your carbon footprint] at home.
charcoal|A [renewable] fuel for long summer evenings.
cream|The formula is [reef-safe].
shampoo|It is [free from microplastics] and kind to the drain.
brush|A brush from a [climate-positive] workshop.
detergent|The liquid is [phosphate-free] too.
jackets|They are finished [without PFCs] for rainy days.
blocks|A [planet-friendly] way to learn letters.
boxes|They are also [home compostable] when you are done.
""",
    "price": """
pickles|All that crunch for [$3.99].
dogfood|A full sack for [under twenty dollars].
soda|Grab [two for $3] on your way home.
wine|This week it is [20% off].
coffee|Fill the jar at [half price].
decaf|You will not find a [lower price] in the aisle.
candles|Light up the cake for [99 cents].
napkins|Set the table and [save two dollars].
socks|Right now, [buy one, get one free].
cable|Yours for [£9.50], ready to plug in.
phones|They are [on sale] until Sunday.
board|Such a pretty board is [a steal].
dress|This season's favourite has been [marked down].
puzzle|A whole evening of fun for [less than a tenner].
kettle|Register it and get [cash back].
cream|A [five-dollar] treat for tired hands.
bears|A cuddle at a [bargain] price.
cookies|Sharing them [costs pennies].
lamp|Take it home with [a 15 percent discount].
chair|Spread the cost with [interest-free payments].
dvd|A film night for just [$4.99].
giftcard|Slip a little [$50] surprise into the envelope.
""",
    "promise": """
pickles|They are our [number one best seller].
dogfood|It is [recommended by nine out of ten vets].
soda|You will find it [always in stock].
coffee|Every bag comes with our [money-back guarantee].
wine|An [award-winning] pour for the weekend.
cable|Backed by a [lifetime warranty].
phones|Try them at home with [free returns].
kettle|It comes with a [five-year warranty].
board|Order now and it [ships within 24 hours].
dress|Pick it today for [next-day delivery].
socks|They are [guaranteed not to shrink].
cream|It is [clinically proven] to soften hands.
shampoo|You will see [visible results in two weeks].
joint|It is a formula [scientifically proven] to work.
tent|We promise it [will never leak].
puzzle|Enjoy [free shipping] to your door.
bears|A bear [loved by millions] of children.
lamp|Not sure? There is a [30-day trial].
mattress|Sleep easy with a [ten-year guarantee].
towels|They are [the world's most absorbent] towels.
oil|[Voted best] oil by home cooks.
foil|Hurry, [only a few left].
""",
}
