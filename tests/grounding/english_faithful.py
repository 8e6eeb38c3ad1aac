"""English sentences that are backed, or claim nothing: `product | sentence`, by the kind that they resemble."""

from __future__ import annotations

SENTENCES = {
    "number": """
cookies|A pack of eight, so nobody has to wait.
cookies|Eight cookies come in the multi-pack.
candles|Two dozen birthday candles for the big cake.
candles|With 24 candles to a packet, the cake is soon alight.
napkins|Two hundred and fifty napkins see you through a long party season.
swabs|One box holds 180 swabs.
cups|Twenty-four plastic cups for drinks in the garden.
icecream|A dozen ice cream sandwiches for the freezer.
icecream|The 12-pack is ready to share.
eggs|That makes twelve eggs for the week's baking.
apples|Between 80 and 88 apples come in the case.
blocks|Twenty-six blocks spell out the alphabet, letter by letter.
puzzle|A thousand pieces wait in the box.
tent|There is room for two at the end of the trail.
phones|Thirty hours of battery keep the music going.
socks|They come as a set of six.
chocolate|Seventy percent cocoa gives it a deep taste.
solar|Place all six along the path.
dress|At first glance it is plain; look a second time and it grows on you.
jackets|They make Monday mornings and Friday nights feel equally easy.
cable|Kill two birds with one stone: charge the phone and tidy the desk.
pickles|One of our pantry favourites, good with any burger.
""",
    "size": """
pickles|A 24-ounce jar for the fridge door.
pickles|You get twenty-four ounces of crunch.
dogfood|The 22-pound sack keeps a hungry dog going.
dogfood|Twenty-two pounds, or roughly 10 kg, of dinner.
soda|The two-litre bottle suits a crowd.
soda|There are 2,000 ml of fizz in the bottle.
wine|At one and a half liters, the bottle goes around the table.
redwine|The bottle holds 0.75 litre, or about 25.4 fl oz.
redwine|A classic 75 cl bottle for dinner.
coffee|The bag holds 11.5 oz, about 326 g.
carrots|One pound, around 450 grams, of crunch.
foil|Tear what you need from the fifty-foot roll.
bakeware|It takes two quarts, which is half a gallon.
milk|Half a gallon for cereal and coffee.
towels|There are 57 square feet on the roll.
cable|At two metres, about 6.5 feet, it reaches the sofa.
oil|Half a litre of garlic and olives in one bottle.
cream|The tube holds 75 millilitres, roughly 2.5 fl oz.
bottle|It carries three quarters of a litre.
pint|A pint is just enough for the fridge.
quinoa|The bag weighs 1,000 grams, a little over 2.2 lb.
cheese|A pound and a half to slice, melt or grate.
""",
    "brand": """
pickles|They come from our own brand.
coffee|A store-brand staple for the morning pot.
foil|This one is our private label.
shrimp|You will find them under the shop's own label.
cookies|A national brand for the cookie jar.
cereal|It is a nationally known brand, poured into your bowl.
oil|Aurora brings garlic and olives together.
socks|Plain and comfortable, they are made by Hollin.
cable|Brightwell keeps your desk in order.
ftcoffee|Tamber's coffee is ready for your favourite mug.
makeup|Maybelline for your make-up bag.
fisher|Fisher-Price makes playtime easy.
cream|Fenn and Lark put rosemary into a hand cream.
redwine|A wine from South America for Saturday night.
apples|An apple a day? Take your pick.
beans|They tide you over until dinner.
board|It fills the gap between kitchen and table.
salad|A bounty of leaves for the dinner table.
lamp|From dawn to dusk it looks the part.
jackets|Consider them a brand-new start for the wardrobe.
chocolate|Break off a square on a walk through the galaxy of desserts.
boxes|Tidy the den, the shed or the attic. Easy.
""",
    "material": """
socks|Cotton makes them easy to wear all day.
swabs|Soft cotton tips for small jobs.
dress|Linen keeps summer days breezy.
chair|Oak gives the dining table some company.
blocks|They are made of wood, with letters to learn.
bottle|Steel from top to bottom, ready for the road.
lamp|The brass catches the evening light.
wallet|Leather that folds in half and fits your pocket.
scarf|Wrap up in merino wool.
coats|Suede and leather for cooler evenings.
bakeware|See your lasagne bubble through the glass.
foil|Aluminium foil for wrapping, lining and covering.
cups|Plastic cups mean no tears over spilt juice.
lunchbags|A paper bag for a sandwich and an apple.
bears|Plush all over, and always sleepy.
wine|Pour a glass of wine and call it an evening.
milk|A glass of milk goes with the last cookie.
sweaters|No woolly thinking here: pull one on and go.
jackets|They help you iron out a hurried morning.
bread|Toast it until golden brown.
soda|Every rainy picnic has a silver lining.
cream|Smooth it on for a silky feel.
""",
    "certification": """
ftcoffee|Fair trade coffee, ground and ready.
ftcoffee|A fair-trade cup is a good way to begin.
quinoa|This white quinoa is USDA Organic.
tshirt|The organic cotton is GOTS certified.
chocolate|Dark, rich and certified halal.
lipbalm|Certified by the Vegan Society, and small enough for any pocket.
hotdogs|These hot dogs are kosher.
hotdogs|Kosher franks for the grill.
carrots|Organic carrots, made to be snacked on.
apples|Organic apples for the fruit bowl.
salad|An organic mix of leaves.
shampoo|It has been tested by dermatologists.
shampoo|Dermatologist tested, for everyday washing.
millet|Certified organic millet for porridge.
lamp|Its gentle, organic curves suit a reading corner.
board|It certainly looks good with cheese.
dress|It has a certain charm that suits a garden party.
cookies|A cookie seals the deal after lunch.
jeans|They hit the mark with a plain shirt.
boxes|Stick on a label and find things again.
candles|Put your stamp on the party table.
coffee|Standard fare for a slow morning, in the nicest sense.
""",
    "health": """
decaf|Decaffeinated, for those who like a cup after dinner.
decaf|All the aroma, without the caffeine.
soup|It is low in sodium and full of tomato.
soup|Tomato soup with little salt.
pie|A pie made without sugar.
pie|Sugar-free, and still a proper dessert.
gfcereal|A breakfast without gluten.
gfcereal|Gluten-free cereal for the morning bowl.
bread|A light bread for sandwiches.
joint|A supplement for joint health.
vitc|Vitamin C for immune support.
yogurt|A plain yogurt that is low in fat.
biscuits|Oat biscuits that are high in fiber.
shampoo|It does without fragrance.
antacid|An antacid for the bathroom shelf.
vegancheese|Cheese without the dairy.
dogfood|Made for dogs with a healthy appetite.
puzzle|The cure for a rainy afternoon.
lamp|A sight for sore eyes on a cluttered desk.
jackets|Throw one on: light layers, free of fuss.
sofa|Sit down and take a weight off your mind.
board|It puts the heart back into Sunday lunch.
""",
    "environment": """
rtowels|Paper towels made from recycled paper.
rtowels|Recycled paper, ready for spills.
brush|A bamboo toothbrush that is biodegradable.
brush|Bamboo that will biodegrade, in a pack of four.
boxes|Cardboard boxes that you can recycle.
boxes|Recyclable storage for books and toys.
detergent|A carbon-neutral detergent for the weekly wash.
cleaner|The refill comes in packaging without plastic.
cleaner|Refill the bottle you already have.
binbags|Degradable bin bags for the kitchen.
solar|Solar lights for the garden path.
carrots|Organically grown carrots for the lunch box.
salad|Leafy greens for a quick side.
chair|The natural colour of oak suits any room.
coffee|A cup with earthy notes for slow mornings.
cable|At home in any office environment.
jeans|An evergreen classic for the weekend.
cookies|Waste no time: the pack empties fast.
puzzle|No carbon copy of last winter's evenings.
candles|They bring energy to the party.
wallet|Clean lines that slip into a pocket.
tent|Wake up to fresh air.
""",
    "price": """
dvd|A film for $9.99.
dvd|Film night for nine dollars and ninety-nine cents.
giftcard|A gift of twenty-five dollars, wrapped in an envelope.
giftcard|Give $25 and let them choose.
pillow|Buy one and get another one free.
wrap|Gift wrap at half price.
umbrella|An umbrella for 39 yuan.
dogfood|From the value end of the dog food shelf.
wine|A value wine for the weekday table.
pickles|They are worth a place in your basket.
jackets|Pull one on and feel free to linger outside.
board|An invaluable helper when guests arrive.
bears|The look on a child's face will be priceless.
cereal|Save room for a second bowl.
candles|They save the day when the cake looks bare.
soup|A wealth of tomato in every spoonful.
lamp|A penny for your thoughts, late at the desk.
cream|The scent of rosemary lingers on your hands.
tent|Rain on the roof is no big deal.
salad|Kick off dinner with a crisp salad.
oil|Rich in flavour, easy to drizzle.
dress|Dressed up to the nines or down for the beach.
""",
    "promise": """
kettle|It comes with a two-year warranty.
kettle|The warranty runs for 2 years.
sofa|Delivery is free.
sofa|A corner sofa, delivered free of charge.
mattress|It is sold with a money-back guarantee.
paperback|A best seller in paperback.
paperback|Take a bestselling paperback to the beach.
eyecream|A clinically proven cream for the eyes.
umbrella|Shipping is included.
pickles|They deliver a sharp, sour crunch.
beans|Stock up the pantry for chilli night.
soda|It is best served chilled.
coffee|Make it the first thing you reach for in the morning.
puzzle|No rush: leave it on the table until tomorrow.
bread|It makes a promising start to breakfast.
cookies|Award yourself a break.
cheese|Use it to top a burger.
board|Handy for last-minute guests.
jeans|They return to the front of the wardrobe every autumn.
wine|No special occasion is warranted.
blocks|Learning letters by trial and error is half the fun.
bears|He is always happy to be carried around.
""",
}
