"""The shop's promises in English, second part: orders, returns and warranty. Data only."""

from shopbatch.sample.policies import Case, Intent

_RETURN_STEPS = (
    "[Open|Go to] 'My orders', choose '[Return an item|Start a return]' and print the label [we send|that appears].",
    "[Just start|Please start] the return under 'My orders' and [hand in|drop off] the parcel at any pickup point.",
)
_RETURN_MORE = (
    "The item should be unused and [in its box|with its tags on].",
    "[A return label costs|The label costs] ${return_cost}, which we [deduct|take] from the refund.",
)
_CANCEL_STEPS = (
    "[Open|Go to] the order in your account and [press|tap] 'Cancel order'; [the money goes back|you are refunded] "
    "the same way you paid.",
    "Choose 'Cancel order' [in your account|on the order page] and [confirm|tell us the reason]; a mail confirms it.",
)
_WARRANTY_STEPS = (
    "Please open 'My orders', choose 'Warranty claim' and [describe|tell us] what [happens|goes wrong].",
    "[Send us|Reply with] a short description and [a photo or a video|a photo] of the [fault|problem] and we "
    "[arrange a repair|take it from there].",
)
_MATCH_STEPS = (
    "[Send us|Reply with] a link to the [lower|cheaper] price and we [check|verify] it [the same day|right away].",
    "Please use the form 'Price match' on the order page and [paste|add] the link to the [lower|other] price.",
)

ORDERS: dict[str, Intent] = {
    "return_window": Intent("order", (
        Case(
            ask=(
                "[How long|For how many days] can I return [something|an item|the {item}]?",
                "What is your return [policy|period]?",
                "The {item} [is not what I expected|does not suit me]. Can I [send it back|return it]?",
                "[Can I|Is it possible to] return [a thing|an item] that I [do not like|no longer want]?",
            ),
            fact=(
                "You can [return|send back] items within {return_days} days [after delivery|of receiving them].",
                "Our return period is {return_days} days, [counted from|starting on] the day of delivery.",
            ),
            step=_RETURN_STEPS,
            more=_RETURN_MORE,
        ),
        Case(
            ask=(
                "I [got|received] the {item} {n} days ago. Can I [still return it|still send it back]?",
                "[Is it too late to|Can I still] return something that [arrived|came] {n} days ago?",
                "My parcel [was delivered|came] {n} days ago and I [changed my mind|do not like it]. Is a return "
                "possible?",
            ),
            fact=(
                "Yes, after {n} days you are [well|still] within our {return_days} days for returns.",
                "[That is no problem|You are in time]: returns are possible for {return_days} days and only {n} have "
                "passed.",
            ),
            step=_RETURN_STEPS,
            more=_RETURN_MORE,
            limit="return_days",
        ),
        Case(
            ask=(
                "I [got|received] the {item} {n} days ago. Can I [still return it|still send it back]?",
                "[Is it too late to|Can I still] return something that [arrived|came] {n} days ago?",
                "My parcel [was delivered|came] {n} days ago and I [changed my mind|do not like it]. Is a return "
                "possible?",
            ),
            fact=(
                "[Unfortunately|I am afraid] {n} days are more than the {return_days} days in which we take returns.",
                "Returns are possible for {return_days} days, so after {n} days we [can no longer|cannot] take the "
                "item back.",
            ),
            step=(
                "If the item is [faulty|defective], please [choose|use] 'Warranty claim' under 'My orders': that is "
                "possible for {warranty_months} months.",
                "Should there be a [defect|fault], the warranty of {warranty_months} months [still helps|applies]: "
                "choose 'Warranty claim' [under|in] 'My orders'.",
            ),
            limit="return_days",
            beyond=True,
        ),
    )),
    "return_shipping": Intent("order", (
        Case(
            ask=(
                "Who pays for [return shipping|sending it back|the return label]?",
                "[Is a return|Are returns] free [of charge|]?",
                "How [do|can] I get a return label for the {item}?",
                "I [have no|do not have a] printer. How do I [send the {item} back|return something]?",
            ),
            fact=(
                "A return label costs ${return_cost}; [it is deducted|we deduct it] from the refund.",
                "[Returning an item|A return] costs ${return_cost}, but it is free if [the item is faulty|we made a "
                "mistake].",
            ),
            step=(
                "You [get|find] the label under 'My orders', 'Return an item'; [a pickup point can print it for you|"
                "print it or show the code on your phone].",
                "Choose 'Return an item' under 'My orders' and [show the code|print the label] at a pickup point.",
            ),
            more=("Please keep the receipt until the refund [has arrived|is there].",),
        ),
    )),
    "refund_time": Intent("order", (
        Case(
            ask=(
                "[When do I get|When will I get|How long until I get] my [money back|refund]?",
                "I [sent back|returned] the {item}. Where is my [refund|money]?",
                "How long does a refund take?",
                "[Still no|I have not seen my] refund [on my account|]. How long [do you need|does that take]?",
            ),
            fact=(
                "Refunds are [paid|made] within {refund_days} days after [we receive the return|the return reaches "
                "us].",
                "[Once|As soon as] the return is in our warehouse, the money is [with you|back] within {refund_days} "
                "days.",
            ),
            step=(
                "The money goes back [the way you paid|to the card or account that you used]; [you need not do "
                "anything|a mail tells you when].",
                "You can follow [it|the refund] under 'My orders', 'Returns'; [a mail is sent|we write to you] when "
                "it is paid.",
            ),
            more=("Some banks need [a little|a bit] longer to [show|book] it.",),
        ),
    )),
    "exchange": Intent("order", goods="worn", cases=(
        Case(
            ask=(
                "Can I [exchange|swap] the {item} for [another colour|another size|a larger one|a smaller one]?",
                "How does an exchange [work|go]?",
                "The {item} [does not fit|is the wrong colour for me]. [Is an exchange possible|Could I swap it]?",
            ),
            fact=(
                "[You can exchange|We exchange] items within {exchange_days} days after delivery, free of charge.",
                "Exchanges are free and possible for {exchange_days} days [after delivery|from the day it arrives].",
            ),
            step=(
                "Choose 'Exchange' under 'My orders' and [pick|select] the [size or colour|version] you want; we send "
                "it [as soon as|when] yours is on its way back.",
                "[Start|Please start] the exchange under 'My orders', [pack the item|put it in its box] and use the "
                "free label.",
            ),
            more=("If the other version is sold out, we refund the [price|full amount].",),
        ),
    )),
    "order_cancel": Intent("order", (
        Case(
            ask=(
                "[How can I|Can I|Is it possible to] cancel my order[|, how does that work]?",
                "I [ordered|bought] the {item} by mistake. Can I cancel?",
                "[Until when|How long] can I cancel an order?",
            ),
            fact=(
                "Orders can be cancelled for {cancel_minutes} minutes after [they are placed|ordering].",
                "You have {cancel_minutes} minutes [after ordering|from the moment you order] to cancel free of "
                "charge.",
            ),
            step=_CANCEL_STEPS,
            more=("[Later on|After that], you can [refuse the parcel|return it] within {return_days} days.",),
        ),
        Case(
            ask=(
                "I placed an order {n} minutes ago. Can I [still cancel it|cancel that]?",
                "[Please cancel|Can you cancel] my order, it is [just|] {n} minutes old.",
            ),
            fact=(
                "Yes, {n} minutes are [less than|within] the {cancel_minutes} minutes in which you can cancel.",
                "[That works|You are in time]: cancelling is possible for {cancel_minutes} minutes, and it has been "
                "{n}.",
            ),
            step=_CANCEL_STEPS,
            limit="cancel_minutes",
        ),
        Case(
            ask=(
                "I placed an order {n} minutes ago. Can I [still cancel it|cancel that]?",
                "[Please cancel|Can you cancel] my order, it is [about|] {n} minutes old.",
            ),
            fact=(
                "[I am afraid|Unfortunately] {n} minutes are past the {cancel_minutes} minutes for cancelling.",
                "Cancelling is possible for {cancel_minutes} minutes only, so after {n} the order is [being packed|"
                "already on its way to packing].",
            ),
            step=(
                "[You can refuse|Please refuse] the parcel at the door or return it within {return_days} days.",
                "[Simply return it|You can send it back] within {return_days} days [after delivery|of delivery] and "
                "we refund the price.",
            ),
            limit="cancel_minutes",
            beyond=True,
        ),
    )),
    "order_change": Intent("order", (
        Case(
            ask=(
                "Can I [add something to|change|edit] my order?",
                "I [would like|want] to add the {item} to [an order|my order]. Is that possible?",
                "I [chose|picked] the wrong [size|colour|quantity] of the {item}. Can you change it [in the order|]?",
            ),
            fact=(
                "[An order|Your order] can be changed for {change_hours} hours [after it is placed|after ordering].",
                "Size, colour and quantity can be [changed|edited] within {change_hours} hours after ordering.",
            ),
            step=(
                "[Open|Go to] the order in your account, [press|choose] 'Edit order' and save; a mail "
                "[confirms|shows] the new total.",
                "Use 'Edit order' [on the order page|under 'My orders']; [you pay or get back|we settle] only the "
                "difference.",
            ),
            more=("[Afterwards|Later], please place a second order; [both can be sent together|we try to join them].",),
        ),
    )),
    "warranty": Intent("order", goods="device", cases=(
        Case(
            ask=(
                "[How long|For how long] is the warranty [on the {item}|on your products]?",
                "The {item} [stopped working|broke|does not switch on any more]. Is there a warranty?",
                "Do your products [come with|have] a [warranty|guarantee]?",
            ),
            fact=(
                "[Everything we sell|Every product] has a warranty of {warranty_months} months.",
                "The warranty [lasts|runs for] {warranty_months} months [from|after] the day of delivery.",
            ),
            step=_WARRANTY_STEPS,
            more=("[Wear and tear|Damage by water or a fall] is not [covered|included].",),
        ),
        Case(
            ask=(
                "I bought the {item} {n} months ago and it [broke|stopped working]. Is that [a warranty "
                "case|covered]?",
                "My {item} is {n} months old and [has a fault|is broken]. Do I still have a warranty?",
            ),
            fact=(
                "Yes, after {n} months the warranty of {warranty_months} months [still covers it|still holds].",
                "[It is covered|You are covered]: the warranty runs for {warranty_months} months and yours is at {n}.",
            ),
            step=_WARRANTY_STEPS,
            limit="warranty_months",
        ),
        Case(
            ask=(
                "I bought the {item} {n} months ago and it [broke|stopped working]. Is that [a warranty "
                "case|covered]?",
                "My {item} is {n} months old and [has a fault|is broken]. Do I still have a warranty?",
            ),
            fact=(
                "[I am afraid|Unfortunately] the warranty ends after {warranty_months} months, and {n} have passed.",
                "Our warranty covers {warranty_months} months, so [a case|an item] of {n} months is no longer "
                "included.",
            ),
            step=(
                "We can [give you a quote for|offer] a paid repair: choose 'Repair' under 'My orders' and [describe "
                "the fault|add a photo].",
                "[Spare parts|Many spare parts] are still [sold|available]; look under 'Repair and parts' on the "
                "product page.",
            ),
            limit="warranty_months",
            beyond=True,
        ),
    )),
    "price_match": Intent("order", (
        Case(
            ask=(
                "Do you [match prices|have a price match|have a price guarantee]?",
                "The {item} is cheaper [elsewhere|in another shop]. [Do you match that|Can I get the difference]?",
                "The price of the {item} [dropped|went down] after I bought it. [Can I get something back|That is "
                "unfair]!",
            ),
            fact=(
                "[If the price drops|If you find it cheaper] within {match_days} days after buying, we pay back the "
                "difference.",
                "Our price match [holds|is valid] for {match_days} days after the purchase.",
            ),
            step=_MATCH_STEPS,
            more=("It must be the same [item|model], new and in stock.",),
        ),
        Case(
            ask=(
                "I bought the {item} {n} days ago and now it is cheaper. Do I get the difference [back|]?",
                "[You lowered|Another shop lowered] the price of the {item} that I bought {n} days ago. Can you match "
                "it?",
            ),
            fact=(
                "Yes: {n} days are within the {match_days} days of our price match, so we pay [back|] the difference.",
                "[You are in time|That works]: price match lasts {match_days} days and you bought it {n} days ago.",
            ),
            step=_MATCH_STEPS,
            limit="match_days",
        ),
        Case(
            ask=(
                "I bought the {item} {n} days ago and now it is cheaper. Do I get the difference [back|]?",
                "[You lowered|Another shop lowered] the price of the {item} that I bought {n} days ago. Can you match "
                "it?",
            ),
            fact=(
                "[I am sorry|Unfortunately], price match ends {match_days} days after buying, and it has been {n} "
                "days.",
                "We match prices for {match_days} days, so [a purchase|an order] of {n} days ago [is too old|no "
                "longer counts].",
            ),
            step=(
                "For next time: [set|you can set] a price alert on the product page and we [write to you|mail you] "
                "when it gets cheaper.",
                "[Coupons|Our coupons] may help with your next order; you find them [in your account|under 'My "
                "coupons'].",
            ),
            limit="match_days",
            beyond=True,
        ),
    )),
}  # fmt: skip
