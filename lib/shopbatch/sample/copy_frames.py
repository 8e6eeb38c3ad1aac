"""How headlines and sentences of copy are built, around places for what is known. Data only, read by `copy_writing`.

Of the product: {name}, {this} (with "this" or "these"), {they}, {them}, {is}, {has}, {s} (a verb's ending).
Facts: {kind}, {category}, {department}, {division}; {by} and {brandish} (the brand, as a noun and before one);
{size} (after a colon), {amount} (a noun), {sized} (before a noun). Ideas: {moment}, {place}.
"""

from __future__ import annotations

HEADLINES = (
    "{name}",
    "{name} {moment}",
    "{name} {place}",
    "{sized} {name}",
    "{brandish} {name}",
    "{brandish} {name}, {sized} [size|format|version]",
    "{sized} {name} {moment}",
    "{sized} {name} {place}",
    "{brandish} {name} {moment}",
    "{brandish} {name} {place}",
    "{name} [by|from] {by}",
    "{name} from {by}, {sized} [size|format]",
    "{name} in [the|our] {sized} [size|format]",
    "{name}: {size}",
    "{name}, {size}",
    "{name} - {size}, {by}",
    "[Meet|See|Browse|Consider|Discover] {this}",
    "[Meet|See|Consider|Try|Picture] {this} {place}",
    "[Looking for|Thinking of|In the mood for|On the lookout for] {name}?",
    "[Make room for|Say hello to|Take a look at|Have a look at] {this}",
    "[A place|A spot|Some room|Space] for {this}",
    "{name}, [a tasteful|a simple|an easy|a handy|a likeable] [pick|choice|idea]",
    "{name} [to browse|to consider|to look at|for the list|for the basket]",
    "[Spotted|Found|Seen|Listed|Filed] [in|under|among] {category}: {name}",
    "[From|Out of|Straight from] [the|our] {department} [department|section|range]: {name}",
    "{name} from [the|our] {category} [range|selection|section|line-up]",
    "{category}: {name}",
    "{name} - {category}",
    "[Your|The|An idea for your] {category} [pick|list|search]: {name}",
    "{moment}: {name}",
    "{place}: {name}",
    "[Picture|Imagine|Think of] {name} {place}",
    "{name}, [thought of|picked|chosen|made note of] {moment}",
    "{division} [style|picks|finds]: {name}",
    "{kind}: {name}",
    "[All about|A word on|A note on|A closer look at] {this}",
)

OPENINGS = (
    "[Meet|Say hello to|Here {is}|Take a look at|Have a look at] {this} from [the|our] {category} "
    "[range|selection|section].",
    "[If|When|Whenever] you [browse|scroll through|look through|search] {category}, [stop at|pause "
    "at|consider|notice] {this}.",
    "{this} come{s} from {by}[| and sit{s} among our {category}| and belong{s} to {category}].",
    "[Listed|Filed|Sorted|Shelved] under {category}, {this} {is} [easy to find|simple to place|a straightforward "
    "choice].",
    "{by} [puts its name to|is the brand of|is the name on] {this}.",
    "[Our|The] {department} [department|section|team|corner] [presents|shows|suggests|lists|brings you] {this}.",
    "[Looking for|Hoping for|Searching for|On the hunt for] {name}[?|? You have found the page:|? Look no further "
    "than] "
    "[this is|here is] [the|our] {sized} [size|format|version].",
    "{this} [arrive{s}|come{s}|{is} listed|{is} offered] in [the|our|a] {sized} [size|format].",
    "{this} [{is} a|make{s} a|count{s} as a|pass{es} for a] [likeable|tasteful|sensible|welcome|friendly] "
    "[addition|choice|pick] "
    "{moment}.",
    "[Think of|Consider|Picture|Imagine|Reach for] {this} {moment}.",
    "[Some things|A few things|Certain finds|Little things] [simply|just] [belong|feel at home|look right] {place}; "
    "{this} {is} "
    "[among them|just that|a case in point].",
    "[Make|Leave|Keep|Find] [room|a spot|some space|a little space] {place} for {this}.",
    "[There is|We see|You may find] [a place|a spot|room|space] {place} for {this} from {by}.",
    "{brandish} and [easy to like|simple to list|nice to know|plain to read]: {this} {is} [here|on this page|part of "
    "our {category}].",
    "[Part of|A piece of|From within|Out of] our {category} [range|selection|assortment|line-up], {this} "
    "[invite{s}|welcome{s}|"
    "await{s}|deserve{s}] a [look|closer look|glance].",
    "{moment}, [there {is}|you have|consider|we suggest|try] {this}.",
    "{place}, {this} [find{s}|take{s}|claim{s}|earn{s}] [a place of {their} own|{their} spot|{their} corner].",
    "[What we have here|What you see|What this page shows|The find of this page] [is|comes down to] {name}, "
    "[listed|filed|grouped] "
    "under {category}.",
    "[You asked for|You were after|The list says|The plan says] {name}; [this page|our {category} range|{by}] "
    "[has|offers|lists] {them}.",
    "[Plainly put|In short|Simply said|To be brief], {this} {is} [a pick|a find|an item] from {category}.",
    "[Between|Among|Amid] [the picks|the finds|everything] in {category}, {this} [stand{s} ready|catch{es} the "
    "eye|wait{s} to be noticed|come{s} "
    "to mind].",
    "[Anyone|Everyone|Somebody|People] [browsing|exploring|visiting] {department} [may|might|could] "
    "[like|enjoy|welcome] {this}.",
    "[Tasty|Handy|Lovely|Welcome|Nice] [ideas|plans|finds] start [somewhere|small|simply], [perhaps|maybe|possibly] "
    "with {this} "
    "{moment}.",
    "[Our page for|The entry for|This listing for|The card for] {name} [is short|is brief|keeps things simple]: "
    "{size}, {by}.",
    "[Bring|Take|Invite] {this} [home|along] {moment}.",
    "{this} [belong{s} to|{is} part of|{is} found in|{is} grouped in] [the|our] {category} [range|family|aisle|group].",
    "{this}, {sized} and {brandish}, [{is} here|await{s} you|make{s} a tidy pick|{is} on our list].",
    "[Count on|Plan with|Build a plan around|Start a plan with] {this} {moment}.",
    "[A|Your] {sized} [size|format] of {name} [awaits|is listed|is on this page|is shown].",
    "[At|Listed at] {amount}, {this} [fit{s}|slip{s}|drop{s}] [right|neatly|simply] into [your plans|the basket|the "
    "list].",
    "[As a|Being a|Seen as a] {kind} [pick|choice|item], {this} [suit{s}|match{es}|fit{s}] [the {category} range|your "
    "search|the page].",
    "{kind} [is the word|is the kind|sums it up]: {this} [sit{s}|rest{s}|live{s}] [in|under] {category}.",
    "[The|Our] {division} [line|range|collection] [includes|holds|shows|features] {this}.",
    "[From|Within] {division} [come{s}|we bring you|you can pick] {this}, [filed|listed|shown] under {category}.",
    "[Nothing complicated|No riddles|No mystery] here: {this} [come{s}|{is}|hail{s}] from {department}.",
    "[Straight from|Chosen from|Picked from] {department}: {this}, [shown|listed] with {by} as [brand|maker|label].",
    "{by} and {category} [meet|come together|cross paths] in {this}.",
    "Have you [thought about|considered|noticed|met] {this}?",
    "[Do you|Would you] [like|enjoy|want|fancy] {name} {moment}?",
    "[Isn't there|Is there] [room|a spot|a place|some space] {place} for {this}?",
    "[Call it|Name it|Consider it] a [nice|tasteful|sensible|pleasant] [habit|idea|thought]: {this} {place}.",
    "{department} [shoppers|fans|browsers|regulars] [may like|might look for|could enjoy] [things like|items such "
    "as|finds like] {this}.",
    "[Here come{s}|Enter|Step up to|Turn to] {this}[, filed under {category}|, our {sized} pick| from {by}].",
    "[Plain|Simple|Easy] [choice|shopping|planning]: {this}, [listed|seen|shelved] in {category}.",
    "[Shopping for|Stocking|Sorting out|Filling in] {category} [gets|becomes|turns] [simpler|tidier|easier] to "
    "[plan|list] with {this}.",
)

MIDDLES = (
    "[Think of|Picture|Imagine|See] {them} {place}, [or reach for {them}|or plan {them}|or bring {them} out] {moment}.",
    "[We like|We picture|We imagine|We can see] {them} {place}[, say,|, perhaps,|] {moment}.",
    "{They} [fit{s} in|slot{s} in|settle{s} in|look{s} at home] {place}.",
    "[Reach for|Bring out|Set out|Pick] {them} {moment}.",
    "[Keep|Put|Leave|Set] {them} {place}, [ready|set aside|waiting] {moment}.",
    "[It is|This is|That is] [a nice|a tasteful|a handy|a pleasant|a cosy] [idea|thought|option] {moment}.",
    "[Some|Many|Plenty of] [shoppers|people|households] [may|will|might] [think of|want|choose|plan] {them} {moment}.",
    "[Let|Have] {them} [join you|keep you company|come along|play a part] {moment}.",
    "{place} or [somewhere else|elsewhere|wherever you like], {they} [make{s}|add{s}|bring{s}] [a nice|a welcome|a "
    "friendly] "
    "[touch|note|detail].",
    "Our [idea|tip|suggestion|thought]: {place}, {moment}.",
    "[Where to put {them}|A spot for {them}]? {place}, [perhaps|maybe|for instance|say].",
    "[When to reach for {them}|The occasion|The right time]? [Perhaps|Maybe|Possibly] {moment}.",
    "[You decide|It is up to you|The choice is yours]: {place} or {moment}.",
    "{moment}, {they} [come{s} to mind|{is} worth a thought|make{s} sense|feel{s} right].",
    "{place} {they} [feel{s}|look{s}|seem{s}] [at home|just right|in the right spot|well placed].",
    "[Add {them} to the list|Put {them} in the trolley|Drop {them} into the basket|Pop {them} on the list] {moment}.",
    "[Note|Jot|Write] {them} down {moment}, [or simply|or just] [enjoy|use] {them} {place}.",
    "[A|Any] [place|spot] {place} will do, [and so will|as will] [a plan|an evening|a thought] {moment}.",
    "[Lovely|Nice|Handy|Pleasant] {place}, [and nice|and welcome|and handy] {moment}.",
    "[How about|What about|Why not] {place}, {moment}?",
    "Nobody minds [having|seeing|finding] {them} {place}.",
    "Who minds [having|seeing|finding] {them} {place}?",
    "[There may be|There might be|There could be] [a spot|room|space] for {them} {place}.",
    "[Try|Use|Enjoy] {them} {place}, [or save|or keep] {them} {moment}.",
    "[Good to have|Nice to have|Handy to have] {place} {moment}.",
    "{They} [wait{s}|rest{s}|stay{s}] {place} until [called upon|wanted|needed|the time comes].",
    "[Whether|Be it] {place} or {moment}, {they} [play{s}|take{s}|find{s}] {their} [part|role|place].",
    "[Share|Show|Enjoy] {them} with [friends|family|the neighbours|someone nice] {place}.",
    "[The plan|The idea|The rest] is [yours|up to you|open]: [start|begin] {place}.",
    "[If|Whenever] [a quiet moment|the mood|the occasion|a plan] [comes|arrives|calls], [have|keep|find] {them} "
    "{place}.",
    "[Good|Nice|Handy|Pleasant] to [know about|have around|keep in mind|remember] {moment}.",
    "{They} [would|could|might] [sit|rest|settle in|fit in] [nicely|happily|just fine] {place}.",
    "[Set|Lay|Stand] {them} {place} and [see what happens|enjoy|take it from there|let the day unfold].",
    "{moment}, [you may|you might|you could] [want|like|pick|choose] {them} [close by|nearby|around].",
    "[Picture this|Try this|Here is a plan]: {place}, {moment}.",
    "[Often|Sometimes|Now and then] {they} turn{s} up {place}.",
    "[Save|Keep|Reserve] [a corner|a space|a little room] {place}[, maybe|, perhaps|] {moment}.",
    "[Day to day|At the weekend|After work|On days off], {they} [join{s} in|fit{s} in|come{s} along] {place}.",
    "[Starting a list|Writing a list|Got a plan]? [Consider|Remember|Think of] {them} {moment}.",
    "[Friends|Family|Guests|Visitors] might [notice|spot|like|ask about] {them} {place}.",
    "[Easy to picture|Simple to imagine|Not hard to see] {place}, [easy to want|nice to think of] {moment}.",
    "[Some would say|We would say|You could say] {they} belong{s} {place}.",
    "[Take|Carry|Bring] {them} along {moment}, [or set|or place|or leave] {them} {place}.",
)

CLOSINGS = (
    "[Size|The size|The listed size|As for size]: {size}.",
    "[The size given is|The listing says|The page says]: {size}.",
    "[You get|Expect|The page lists|We list] {amount}.",
    "[The format|What you get|The amount] is {amount}.",
    "{They} come{s} in [the|a] {sized} [size|format].",
    "[It is|This is] the {sized} [size|format|version].",
    "[The brand|The name|The label] is {by}[.|, the size {sized}.]",
    "[Brand|The label]: {by}.",
    "{by} [is|appears as] the [brand|label] [here|on this page|in this listing].",
    "[Find|Look for|Spot] {them} in [the|our] {department} [department|section].",
    "[You will find|Look for|See] {them} [under|among|within] {category}.",
    "[Department|Section]: {department}.",
    "[Category|Range|Filed under]: {category}.",
    "{They} [{is} sold|{is} listed|{is} shown] in {department}, [size|with the size] {size}.",
    "[Choose|Pick|Go for] {them} in the {sized} [format|item] from {by}.",
    "[From|By|Courtesy of] {by}, [listed|filed|grouped] under {category}.",
    "{by}, {size}: [that is all|nothing more to it|simple as that|there you have it].",
    "This [item|listing] [belongs|is found|is filed] in {department}.",
    "[Look to|Turn to|Visit] {division} for [more like {them}|related picks].",
    "[Kind|Sort|Type]: {kind}.",
    "{They} count{s} as {kind}[, within {category}|, in our books|].",
    "[In our shop|Here|With us], {they} belong{s} to {department}.",
    "[Sorted|Grouped|Arranged] by [shelf|section|theme], {they} belong{s} to {category}.",
    "[Note the|Mind the|See the] [size|format]: {size}[.|, from {by}.]",
    "{division} is [the range|the line|the name of the range].",
    "[Shop|Browse|See] {category} for [company|more ideas|things alongside].",
    "[The|Our] {category} [shelf|range|group] is where {they} [live{s}|belong{s}|stay{s}].",
    "{brandish} [as listed|as shown|as the page says], [size|in size] {size}.",
    "With {by} [as brand|on the label|as the name], [you know|now you know|there you have] the [essentials|basics].",
    "[That|This] [makes|gives] {amount} in [your basket|the order|the package].",
)

# without any fact, for when all are said
PLAIN_CLOSINGS = (
    "Add {them} to [the|your] [list|basket|plan].",
    "[Enjoy|Have fun|Happy planning|Happy browsing]!",
    "[Simple|Easy|Nice] [as that|enough|and clear].",
    "[A nice|A welcome|A pleasant] [thought|find|idea], [we think|don't you think|it seems].",
    "[Take|Have] [a look|your time|another look].",
    "[The rest|Everything else] is [up to you|your call|yours to decide].",
)

# bullets of a fact, by its name
BULLETS = {
    "kind": (
        "[Type|Kind|Sort|Product type|Item type]: {kind}", "{kind}", "{kind} by [type|kind]",
        "[Listed|Filed|Classed] as {kind}",
        "[What it is|In a word]: {kind}", "Grouped with {kind}", "[Counts|Goes] as {kind}",
        "[Belongs to|Part of|Sits with] {kind}", "{kind}, [plain|plainly said|as listed]",
    ),
    "category": (
        "[Category|Range|Group|Filed under|Found under|Listed under|Shelf]: {category}",
        "[From|Part of|Within] {category}",
        "[From|Part of|In] [the|our] {category} [range|selection|section|line-up|family]",
        "{category} [range|selection|pick|find|section]",
        "[To be found|Look] [under|among] {category}", "[Sits|Belongs|Lives] [with|among] {category}",
        "[For|On] the {category} [list|shelf]", "{category}", "[Sorted|Shelved|Placed] [into|under|with] {category}",
        "[Browse|See] {them} [under|in|among] {category}",
    ),
    "department": (
        "[Department|Section|Aisle|Area|Corner of the shop]: {department}",
        "[From|In|Part of] [the|our] {department} [department|section]",
        "{department} [department|section|aisle|pick|find]", "[Sold|Shown|Found|Listed] [in|under] {department}",
        "[Look|Head|Turn] to {department}", "[Stop|Shop|Browse] in {department}",
        "Our {department} [item|listing|choice]",
        "[At home|Placed|Kept|Filed] [in|with] {department}", "[The|Our] {department} [shelf|corner|range]",
    ),
    "division": (
        "[Division|Line|Range|Collection]: {division}", "[From|Part of] [the|our] {division} [range|line|collection]",
        "{division} [range|line|collection|pick]", "[Shown|Listed|Filed] [in|under|with] {division}",
        "[Within|Under] {division}",
        "[Look|Turn] to {division}", "[The|Our] {division} [line|side|selection]", "{division}",
    ),
    "brand": (
        "[Brand|Label|Name on the label]: {by}", "[By|From] {by}",
        "{brandish} [item|pick|choice|product|listing]",
        "[Comes|Straight] from {by}", "[The brand is|The name is|The label says] {by}",
        "[Carries|Bears|Shows] the {brandish} label",
        "[Sold|Listed|Shown] as {brandish}", "{by} as [brand|the name|the label]",
        "{by} [on the label|is the brand|here]",
    ),
    "size": (
        "[Size|Pack size|Listed size|Format|Size given|Size shown]: {size}", "{amount}",
        "{amount} [in size|by size|as listed|listed]",
        "{sized} [size|format|version|option]", "[Comes|Offered|Listed] in [the|a] {sized} [size|format]",
        "[At|Listed at] {amount}",
        "[The|A|Our] {sized} [size|format|choice]", "[Size as listed|As for size|In size|Size-wise]: {size}",
        "[Shown as|Comes to|Given as] {amount}",
    ),
    "idea": (
        "[Idea|Thought|Tip|Occasion|Try it]: {moment}", "[Think of {them}|Handy|Nice|Welcome|Lovely] {moment}",
        "[Place|Spot|Setting|Corner]: {place}",
        "[At home|Nice|Handy|Good] {place}", "{moment}", "{place}", "[Perhaps|Maybe] {place}",
        "[Picture|See|Imagine] {them} {place}",
    ),
}  # fmt: skip
# two facts in a bullet, where there are many
DOUBLES = {
    ("category", "department"): (
        "{category}, [in|part of] {department}", "{department}: {category}",
        "[Find it in|Filed in|Listed in] {department}, under {category}",
        "{category} from {department}",
    ),
    ("size", "brand"): ("{size}, {by}", "[By|From] {by}, {size}", "{brandish}, {size}", "{size} [by|from] {by}"),
    ("kind", "category"): ("{kind}, [under|in] {category}", "{category}: {kind}"),
}  # fmt: skip

# words of templates that are kept to food; that are not said of medicine, bleach or tobacco
NOT_OF_THINGS = ("Tasty", "tasty")
WARM = (
    "njoy",
    "Share",
    "asty",
    "tasteful",
    "cosy",
    "company",
    "Lovely",
    "Try",
    "fun",
    "Friends",
    "treat",
    "Invite",
    "habit",
)
