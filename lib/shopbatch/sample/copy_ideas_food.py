"""When and where food and drink are thought of: nothing about what they are or do. Data only, read by `copy_writing`.

moments begin with "for", "when" or "with"; places begin with "on", "in", "at", "by" or "beside".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ideas:
    """moments: when a product is thought of. places: where. Templates, as `templates` has them."""

    moments: tuple[str, ...]
    places: tuple[str, ...]


FOOD = {
    "pantry": Ideas(
        (
            "for [busy|ordinary|slow|relaxed|hurried] [weeknights|weekdays|evenings|workdays] at [home|the stove]",
            "for [unhurried|lazy|rainy|long|sunny] [weekend|Sunday|Saturday] [cooking|lunches|suppers|brunches]",
            "when [friends|neighbours|relatives|guests] [drop by|stay for supper|join the table|come over]",
            "for [trying|cooking|rereading] [a family recipe|an old recipe|the recipe on the fridge door]",
            "when [dinner|supper|lunch] [needs a plan|is still undecided|calls for ideas]",
            "for [planning|writing|filling] the [weekly|next|coming] [menu|shopping list|meal plan]",
            "with [whatever|the other things|all that] [you are cooking|is on the menu|simmers on the stove]",
            "for [potlucks|picnics|cookouts|gatherings] and [quiet dinners|simple lunches|small suppers]",
            "when [the cupboard|your larder|the kitchen shelf] [looks bare|has a gap|wants restocking]",
            "for the [cook|host|home chef] who [likes options|plans ahead|enjoys improvising|reads recipes]",
        ),
        (
            "on the [kitchen|pantry|larder|cupboard] [shelf|rack|board]",
            "at the [family|dinner|lunch|kitchen|garden] [table|counter]",
            "in the [larder|pantry|store cupboard|kitchen drawer] [at home|back home|by the stove]",
            "by the [stove|hob|chopping board|mixing bowl|recipe book]",
            "beside [the plates|a big serving dish|a simple supper|your usual staples]",
            "in a [picnic basket|lunch bag|hamper|holiday kitchen|cabin kitchen]",
        ),
    ),
    "sweet": Ideas(
        (
            "for [afternoon|evening|mid-morning|late-night] [breaks|nibbles|treats|cravings]",
            "for [film|movie|game|quiz|card] [nights|evenings] on the [sofa|couch|rug]",
            "when [the biscuit jar|the snack drawer|a sweet tooth|the treat jar] [calls|needs filling|wants attention]",
            "for [sharing|passing round|handing out|nibbling] [with colleagues|among friends|in the office|after "
            "school]",
            "with [a cup of tea|coffee|a tall drink|a good film|a paperback]",
            "for [road trips|train rides|long drives|bus journeys] and [waiting rooms|rest stops|picnics]",
            "when [guests|cousins|classmates|workmates] [turn up|visit|arrive unannounced]",
            "for [lunch boxes|packed lunches|desk drawers|coat pockets] and [little rewards|tiny pauses|snack times]",
            "for [birthday|holiday|garden|office] [tables|buffets|parties]",
            "when [something to nibble|a small treat|a tasty pause] [sounds right|feels overdue|is on your mind]",
        ),
        (
            "in the [snack|treat|biscuit|desk] [drawer|jar|basket|bowl]",
            "on the [coffee|side|tea|picnic] table",
            "at [the desk|your workplace|the cinema at home|the ball game]",
            "in a [lunch box|backpack|glove box|handbag|tote]",
            "by the [sofa|armchair|teapot|television|reading lamp]",
            "on a [platter|dessert plate|picnic rug|party table]",
        ),
    ),
    "drinks": Ideas(
        (
            "for [breakfast|mid-morning|lunch|afternoon] [breaks|pauses|rounds|tables]",
            "when [thirst|a break|a pause|the afternoon] [calls|arrives|comes around]",
            "with [a sandwich|a simple lunch|toast|a bowl of snacks|dinner]",
            "for [pouring|serving|sharing] [at parties|on the porch|in the garden|with friends]",
            "for [coolers|picnics|barbecues|ball games] and [lazy afternoons|long evenings|days outside]",
            "when [visitors|guests|neighbours] [ask what there is to drink|pull up a chair|stay a while]",
            "for [the commute|the desk|a meeting|study hours] and [the way home|late evenings|quiet corners]",
            "for [a moment|a minute|some time] [to yourself|in good company|away from the screen]",
            "when [glasses|cups|mugs|tumblers] are [empty|set out|waiting]",
            "for [family|birthday|holiday|weekend] [meals|gatherings|tables]",
        ),
        (
            "on the [breakfast|drinks|picnic|patio] table",
            "in a [favourite cup|big mug|tall tumbler|picnic cooler|lunch bag]",
            "at [your desk|the kitchen counter|the barbecue|the game|break time]",
            "by the [armchair|keyboard|window|poolside chair|garden bench]",
            "beside [a plate of food|breakfast|the newspaper|a good book]",
            "in the [kitchen|office|garage|hallway] [cupboard|corner|pantry]",
        ),
    ),
    "alcohol": Ideas(
        (
            "for [grown-up|adult] [gatherings|evenings|dinner tables]",
            "when [dinner|the evening|the weekend] [begins|winds down|stretches out]",
            "for [toasting|celebrating|marking] [a birthday|an anniversary|a reunion|good news]",
            "with [a cheese board|a long dinner|a barbecue|small plates|good company]",
            "for [dinner|cocktail|garden|holiday] parties among adults",
            "when [friends|old friends|in-laws|neighbours] [come to dinner|gather round|stay late]",
            "for [stocking|rounding out|filling] [the home bar|a drinks trolley|the sideboard]",
            "for the [host|hostess|bartender at home] who [pours|mixes|entertains]",
            "with [music|a record|candles|conversation] in the background",
        ),
        (
            "on the [drinks trolley|bar cart|sideboard|dinner table]",
            "in [the home bar|a hostess bag|the cellar]",
            "at [the dinner table|a garden party|a grown-up picnic|the end of the week]",
            "by the [fire pit|record player|cheese board|grill]",
            "beside [a shared platter|the ice bucket|candlelight|a slow meal]",
            "on [the terrace|the balcony|the porch|the patio]",
        ),
    ),
    "produce": Ideas(
        (
            "for [salads|stews|stir-fries|soups|side dishes] and [snack plates|lunch bowls|supper trays]",
            "when [lunch|dinner|the salad bowl|a recipe] [wants colour|needs company|asks for more]",
            "for [chopping|slicing|peeling|sharing] [at the counter|with helpers|before supper]",
            "with [a simple dressing|grains|a roast|noodles|a bowl of dip]",
            "for [colourful|casual|generous] [plates|platters|bowls|suppers]",
            "when [planning|cooking|plating] [a picnic|a barbecue|a family meal|a buffet]",
            "for [packed lunches|snack breaks|brunch boards|dinner sides]",
            "for the cook who [likes to chop|plans by colour|improvises|starts with ingredients]",
            "when the [fruit bowl|vegetable basket|crisper|counter] [is empty|looks lonely|needs a refill]",
        ),
        (
            "in the [fruit bowl|salad bowl|vegetable basket|market bag]",
            "on the [chopping|serving|cutting|brunch] board",
            "at the [salad bar at home|picnic|lunch table|dinner table]",
            "beside [the main course|a roast|a simple pasta|bread and dip]",
            "on a [big platter|snack plate|lunch tray|buffet]",
            "by the [stockpot|skillet|juicer|sink]",
        ),
    ),
    "meat": Ideas(
        (
            "for [the grill|the skillet|the oven|the stockpot] and [weeknight|weekend|Sunday|family] [dinners|meals]",
            "when [dinner|supper|the cookout] [needs a centrepiece|is being planned|is up to you]",
            "for [cookouts|barbecues|roasts|stews|potlucks] with [friends|family|the neighbours]",
            "with [potatoes|rice|greens|a salad|crusty bread|your usual sides]",
            "for [carving|serving|plating|passing round] [at the table|on a platter|at a gathering]",
            "when [a recipe|the menu|a craving] [points this way|names it|asks for it]",
            "for [hearty|simple|slow|relaxed] [suppers|lunches|dinner tables]",
            "for the [cook|griller|roaster|host] who [takes time|enjoys the kitchen|feeds a crowd|has a plan]",
            "with [a marinade|herbs|a pan sauce|mustard] of your choosing",
        ),
        (
            "on the [dinner plate|grill|carving board|supper menu]",
            "in [the skillet|a casserole|the roasting pan|a sandwich|the stew pot]",
            "at [the cookout|Sunday lunch|the family table|a backyard dinner]",
            "beside [roasted vegetables|mashed potatoes|a green salad|a heap of rice]",
            "by the [grill|stove|oven|carving knife]",
            "on a [serving platter|weeknight menu|holiday table|tray of sides]",
        ),
    ),
    "dairy": Ideas(
        (
            "for [breakfast|brunch|baking|cooking|snacking] at [home|the weekend|the counter]",
            "when [a recipe|the toast|the baking bowl|breakfast] [calls for it|is waiting|needs it]",
            "with [fruit|crackers|bread|pasta|coffee|oats]",
            "for [sandwiches|sauces|toppings|platters] and [weekday|weekend|holiday] [meals|treats]",
            "for [spooning|spreading|melting|stirring|pouring], as the recipe has it",
            "when [the fridge|breakfast|the shopping list] [has a gap|is being planned|wants the basics]",
            "for [family|slow|early|shared] [mornings|breakfasts|tables]",
            "for [cheese boards|omelettes|pancakes|casseroles] and [late suppers|lazy lunches]",
            "for the baker who [measures|whisks|experiments|plans ahead]",
        ),
        (
            "on the [breakfast|brunch|kitchen|buffet] table",
            "in [the mixing bowl|a lunch bag|the sauce|your cooking]",
            "at [breakfast|snack time|the baking counter|brunch]",
            "beside [toast and jam|the coffee pot|a bowl of cereal|crackers]",
            "by the [mixing bowl|toaster|whisk|cereal]",
            "on a [board with fruit|slice of toast|baked potato|snack plate]",
        ),
    ),
    "frozen": Ideas(
        (
            "for [evenings|weeknights|days] when [cooking is not the plan|time is short|everyone is hungry]",
            "when [the freezer|your freezer drawer|the ice box] [has room|needs a refill|is nearly empty]",
            "with [a side salad|greens|a dip|your usual sides|a topping you like]",
            "for [film nights|game nights|student kitchens|late suppers] and [lazy|rainy|busy] [days|evenings]",
            "for [stocking up|planning ahead|filling the freezer] [before the weekend|on shopping day|with the menu "
            "in mind]",
            "when [unexpected|hungry|young|late] [guests|visitors] [appear|drop in|ring the bell]",
            "for [families|flatmates|housemates] with [full diaries|busy weeks|different tastes]",
            "for [dinner|dessert|lunch|snack] [time|plans|ideas] at home",
            "when a [tasty|simple|familiar] [meal|bite|treat] [sounds right|is wanted|is the plan]",
        ),
        (
            "in the [freezer|freezer drawer|chest freezer|ice box]",
            "on the [dinner|supper|lunch|garden] table",
            "at [home|the cabin|the holiday flat|the office kitchen]",
            "beside [a simple salad|peas|the ketchup|a bowl of dip]",
            "on a [tray|weeknight menu|sofa evening|big plate]",
            "by the [oven|microwave|television|serving spoon]",
        ),
    ),
    "bakery": Ideas(
        (
            "for [breakfast|brunch|tea time|coffee time|lunch] [at home|on the terrace|with guests]",
            "with [butter|jam|soup|coffee|tea|cheese|cold cuts]",
            "when [the bread box|the cake stand|the breakfast table] [is empty|wants company|needs filling]",
            "for [birthday|anniversary|office|family] [tables|gatherings|celebrations]",
            "for [slicing|sharing|dunking|toasting] [in company|on slow mornings|after lunch]",
            "when [coffee|tea|the kettle|soup] is [ready|on|nearly done]",
            "for [lunch boxes|picnics|potlucks|bake sales] and [Sunday|weekend|holiday] [breakfasts|tables]",
            "for [hosts|early risers|picnickers|coffee drinkers] with [company coming|an appetite|a plan]",
            "when something [tasty|delicious|comforting] [should stand on the table|is called for]",
        ),
        (
            "on the [breakfast table|cake stand|bread board|buffet]",
            "in the [bread box|lunch box|picnic basket|cake box]",
            "at [tea time|brunch|the coffee table|a family gathering]",
            "beside [the coffee pot|a bowl of soup|the butter dish|the jam jar]",
            "by the [toaster|teapot|bread knife|kettle]",
            "on a [doily|dessert plate|side table|picnic cloth]",
        ),
    ),
    "deli": Ideas(
        (
            "for [lunch|supper|brunch|late dinners] [between errands|after work|on the go|at the desk]",
            "when nobody [feels like cooking|wants to cook|has cooked]",
            "for [platters|picnics|buffets|party tables] and [small|casual|big] [gatherings|get-togethers]",
            "with [crackers|crusty bread|olives|a salad|a long drink]",
            "for [sandwich|snack|antipasti|brunch] [plates|boards|trays]",
            "when [guests|teammates|coworkers|relatives] [are hungry|gather|bring an appetite]",
            "for [office lunches|garden parties|game days|road trips]",
            "for [sharing|assembling|plating up|handing round] [without fuss|in good company|at home]",
            "for the host who [likes boards|keeps things simple|sets out platters]",
        ),
        (
            "on the [buffet|serving board|lunch counter|party table]",
            "in a [lunch bag|picnic hamper|sandwich|wrap]",
            "at [the office|a picnic|the deli-style table|your next gathering]",
            "beside [pickles and bread|a bowl of olives|drinks|a stack of plates]",
            "by the [bread basket|cutting board|napkins]",
            "on a [shared platter|tray for guests|lunch plate]",
        ),
    ),
}
