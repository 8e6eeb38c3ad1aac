"""The shop's promises in English, first part: delivery and what goes wrong with it. Data only."""

from shopbatch.sample.policies import Case, Intent

DELIVERY: dict[str, Intent] = {
    "shipping_time": Intent("order", (
        Case(
            ask=(
                "[How long does|How many days does] [delivery|shipping|standard delivery] [take|usually take]?",
                "When [will|should] my [order|parcel|package] [arrive|get here|be delivered]?",
                "[Can you tell me|Do you know] when the {item} will [arrive|be here|reach me]?",
                "I [need|would like] the {item} [by the weekend|soon|for a birthday]. [How fast do you deliver|How "
                "long is delivery]?",
                "What is your [usual|normal] delivery time?",
            ),
            fact=(
                "[Standard delivery|Normal shipping] takes {ship_from} to {ship_to} business days.",
                "[Parcels usually arrive|You can expect delivery] {ship_from} to {ship_to} business days after the "
                "order.",
                "We [hand parcels to the carrier|ship] within {dispatch_hours} hours, and [delivery|the way to you] "
                "takes {ship_from} to {ship_to} business days.",
            ),
            step=(
                "[As soon as|Once] the parcel [leaves|has left] our warehouse, you get a mail with [a tracking "
                "link|the tracking number].",
                "You can [see|check] the [expected day|planned delivery day] under 'My orders' at any time.",
            ),
            more=(
                "[Saturdays do not count|Weekends and holidays do not count] as business days.",
                "If you are in a hurry, express delivery takes {express_days} business days.",
            ),
        ),
    )),
    "shipping_cost": Intent("product", (
        Case(
            ask=(
                "How much [is|do you charge for] [shipping|delivery|postage]?",
                "[What are|Could you tell me] your [shipping costs|delivery fees|postage costs]?",
                "[Is there|Do you have] free [shipping|delivery]?",
                "From [what amount|which order value] is [shipping|delivery] free?",
            ),
            fact=(
                "[Standard shipping|Standard delivery] costs ${ship_cost}, and [it is free|you pay nothing] from "
                "${free_over} on.",
                "Orders of ${free_over} or more [ship|are delivered] free; below that [shipping|delivery] is "
                "${ship_cost}.",
            ),
            step=(
                "[The cart|Your cart] shows the [exact|final] costs before you pay, so there are no surprises.",
                "The discount [is applied|applies] by itself; [no code is needed|you do not need a code].",
            ),
            more=(
                "Express delivery is ${express_cost}, whatever the [amount|order value].",
                "Gift cards [do not count|are not counted] towards that amount.",
            ),
        ),
        Case(
            ask=(
                "My cart [is|comes to] ${n}. [Do I pay for shipping|Is delivery free for me]?",
                "I [want to|am going to] order [something|things] for ${n}. What [is|will be] the [shipping cost|"
                "delivery fee]?",
                "[Is free delivery included|Do I get free delivery] with an order of ${n}?",
            ),
            fact=(
                "With ${n} you are [still|a little] below ${free_over}, so [shipping|delivery] costs ${ship_cost}.",
                "[Shipping|Delivery] is free from ${free_over} on; an order of ${n} pays ${ship_cost}.",
            ),
            step=(
                "[Add|If you add] one more [small item|thing] to reach ${free_over}, [and the fee|the fee] disappears "
                "from the cart.",
                "The cart [shows|tells you] how much is missing for free [shipping|delivery].",
            ),
            limit="free_over",
        ),
        Case(
            ask=(
                "My cart [is|comes to] ${n}. [Do I pay for shipping|Is delivery free for me]?",
                "I [want to|am going to] order [something|things] for ${n}. What [is|will be] the [shipping cost|"
                "delivery fee]?",
                "[Is free delivery included|Do I get free delivery] with an order of ${n}?",
            ),
            fact=(
                "[Good news:|Yes:] ${n} is above ${free_over}, so [standard shipping|standard delivery] is free.",
                "Orders from ${free_over} on [ship|are delivered] free, and with ${n} you are [well above|past] that.",
            ),
            step=(
                "There is nothing to [do|enter]: the cart [sets|puts] the fee to zero [by itself|automatically].",
                "[Simply check out|Just place the order] as usual and choose standard delivery.",
            ),
            limit="free_over",
            beyond=True,
        ),
    )),
    "express_shipping": Intent("product", (
        Case(
            ask=(
                "Do you [offer|have] [express|faster|fast] [shipping|delivery]?",
                "I need the {item} [urgently|very soon|as fast as possible]. [Is there|Do you have] an express "
                "option?",
                "How [much|fast] is express [delivery|shipping]?",
            ),
            fact=(
                "Yes, express delivery takes {express_days} business days and costs ${express_cost}.",
                "[With express|If you choose express], the parcel is with you in {express_days} business days, for "
                "${express_cost}.",
            ),
            step=(
                "[Choose|Select|Pick] 'Express' [at checkout|when you pay], [under|in the list of] delivery options.",
                "[Order|Place the order] before noon and [choose|tick] 'Express' at checkout; it [leaves|ships] the "
                "same day.",
            ),
            more=("Express is [not available|not offered] for [furniture|very large items].",),
        ),
    )),
    "international_shipping": Intent("product", (
        Case(
            ask=(
                "Do you [ship|deliver] [abroad|to other countries|internationally]?",
                "I [live|am] [abroad|overseas]. Can I [order|buy] the {item} from you?",
                "What does [international shipping|delivery to another country] cost and how long does it take?",
            ),
            fact=(
                "We [ship|deliver] to {countries} countries; it takes {abroad_from} to {abroad_to} business days and "
                "costs ${abroad_cost}.",
                "Delivery abroad costs ${abroad_cost} and takes {abroad_from} to {abroad_to} business days, to "
                "{countries} countries.",
            ),
            step=(
                "[Choose|Enter] your country at checkout to see [whether it is on the list|if we deliver there].",
                "[The list of countries|The full list] is [at the foot of every page|in the help pages] under "
                "'Delivery abroad'.",
            ),
            more=("Customs duties, [if any|where they apply], are [paid by the recipient|not included].",),
        ),
    )),
    "order_tracking": Intent("order", (
        Case(
            ask=(
                "[Where is|Where's] my [order|parcel|package]?",
                "How can I [track|follow] my [order|parcel|package]?",
                "The [tracking link|tracking number] [does not work|shows nothing|says unknown]. [What now|Why is "
                "that]?",
                "I [have not received|did not get] a tracking [number|link] for the {item}. [Can you help|Where is "
                "it]?",
            ),
            fact=(
                "The tracking link [starts to work|becomes active] up to {track_hours} hours after [dispatch|the "
                "parcel has left us].",
                "[It can take|The carrier needs] up to {track_hours} hours after dispatch until tracking [shows "
                "anything|is updated].",
            ),
            step=(
                "[Open|Go to] 'My orders' and [press|tap] 'Track parcel' to see [where it is|its latest stop].",
                "You find the link in the [dispatch mail|shipping confirmation] and under 'My orders'; [please look "
                "into the spam folder too|it is the same link].",
            ),
            more=("Delivery as a whole takes {ship_from} to {ship_to} business days.",),
        ),
    )),
    "address_change": Intent("order", (
        Case(
            ask=(
                "Can I [change|correct] the [delivery address|shipping address|address] of my order?",
                "I [entered|typed|gave] the wrong address. [What can I do|Can you change it]?",
                "I [am moving|have moved], and my order goes to the old address. [Help|Can that be changed]?",
            ),
            fact=(
                "The address can be changed for {address_hours} hours after [ordering|the order is placed].",
                "[Within|In the first] {address_hours} hours after the order you can [change|correct] the address "
                "yourself.",
            ),
            step=(
                "[Open|Go to] 'My orders', choose '[Change address|Edit address]' and save.",
                "After that, please [ask the carrier|use the carrier's tracking page] to [redirect the parcel|send it "
                "to a pickup point].",
            ),
            more=("Please [also update|update] the address in your account for [next time|later orders].",),
        ),
    )),
    "damaged_item": Intent("order", (
        Case(
            ask=(
                "The {item} [arrived|came] [broken|damaged|with a crack|with scratches]. [What do I do|What now]?",
                "My parcel was [crushed|damaged|torn open] and the {item} [is broken|has a dent].",
                "I [received|got] a damaged [item|product]. [I want a replacement|Can I get a new one]?",
            ),
            fact=(
                "Please report damage within {damage_days} days [after delivery|of delivery]; [a new one|a "
                "replacement] is free.",
                "We replace damaged items free of charge if [you tell us|they are reported] within {damage_days} "
                "days.",
            ),
            step=(
                "[Send|Upload] [two photos|photos] of the [item and the box|damage] under 'My orders', 'Report a "
                "problem'.",
                "[Choose|Use] 'Report a problem' under 'My orders', add [a photo|photos] and [choose|say whether you "
                "want] a new one or your money.",
            ),
            more=("You need not [send back|return] the damaged [one|item] [before we ask for it|at first].",),
        ),
    )),
    "wrong_item": Intent("order", (
        Case(
            ask=(
                "I [got|received] the wrong [item|product|thing]. I had ordered the {item}.",
                "[You sent me|I was sent] [something else|another colour|the wrong size] instead of the {item}.",
                "There is [something in the parcel that I did not order|a wrong item in my parcel]. [What now|Help]?",
            ),
            fact=(
                "[That is our mistake|That should not happen]: tell us within {wrong_days} days and we send the right "
                "item free of charge.",
                "We [correct|put right] wrong deliveries for free when they are reported within {wrong_days} days.",
            ),
            step=(
                "[Please choose|Choose] 'Wrong item' under 'My orders' and [add a photo of|photograph] the label on "
                "the [bag|box].",
                "[Send us|Reply with] a photo of [what you got|the item]; the label for [sending it back|the return] "
                "is free.",
            ),
        ),
    )),
    "missing_parcel": Intent("order", (
        Case(
            ask=(
                "My parcel [has not arrived|never came|is lost]. [What now|What can you do]?",
                "Tracking says delivered but I [got nothing|have not received anything|cannot find it].",
                "I am still waiting for the {item}. [Is it lost|Has it got lost]?",
            ),
            fact=(
                "A parcel counts as lost {missing_days} business days after dispatch; we then [send a new one|replace "
                "it] or refund you.",
                "[If nothing has come|When it is not there] {missing_days} business days after dispatch, we replace "
                "it or pay the money back.",
            ),
            step=(
                "[First please ask|Please first ask] your neighbours, then choose 'Parcel missing' under 'My orders'; "
                "the search takes {search_days} days.",
                "[Choose|Press] 'Parcel missing' under 'My orders': the carrier [searches|looks for it] for up to "
                "{search_days} days and we [keep you posted|write to you].",
            ),
        ),
    )),
    "pickup_point": Intent("order", (
        Case(
            ask=(
                "Can I [collect|pick up] my parcel [at a shop|at a pickup point|somewhere]?",
                "How long is [my parcel|a parcel] kept at the pickup point?",
                "I [was not|am not] at home. Where [is|can I get] my parcel?",
            ),
            fact=(
                "A pickup point keeps [the parcel|your parcel] for {pickup_days} days.",
                "[Parcels wait|Your parcel waits] for you at the pickup point for {pickup_days} days.",
            ),
            step=(
                "[Bring|Please bring] the code from the [mail|text message] and [an identity card|something with your "
                "name on it].",
                "[The mail tells|The tracking page shows] you which point it is; [show|bring] the pickup code there.",
            ),
            more=(
                "After that it comes back to us and [is refunded|we refund it].",
                "Collecting there costs nothing extra.",
            ),
        ),
    )),
}  # fmt: skip
