"""The shop's promises in English, last part: paying, accounts, offers and the shop itself. Data only."""

from shopbatch.sample.policies import Case, Intent

SHOP: dict[str, Intent] = {
    "payment_methods": Intent("shop", (
        Case(
            ask=(
                "[Which|What] payment methods do you [accept|offer|take]?",
                "Can I pay [by bank transfer|by card|with a credit card|by PayPal]?",
                "[How can I|How do I] pay [for my order|in your shop]?",
            ),
            fact=(
                "We accept credit cards, PayPal and bank transfer; a transfer has to arrive within {transfer_days} "
                "days.",
                "You can pay by card, with PayPal or by bank transfer, for which we wait {transfer_days} days.",
            ),
            step=(
                "[Choose|Select] what you like at checkout; [you can change it|it can be changed] until you press "
                "'Pay'.",
                "[Save|You can save] a payment method in your account [to be quicker next time|for later orders].",
            ),
            more=("[Cash on delivery|Payment by cheque] is not [offered|possible].",),
        ),
    )),
    "payment_failed": Intent("order", (
        Case(
            ask=(
                "My payment [failed|was declined|did not go through]. [What now|What can I do]?",
                "[I cannot pay|Paying does not work], there is always an error [at checkout|].",
                "My card was [charged|debited] but the order says unpaid. [Why is that|Please check]!",
            ),
            fact=(
                "Nothing is lost: [we keep an unpaid order|an unpaid order is kept] for {pay_hours} hours.",
                "The order [stays open|is reserved for you] for {pay_hours} hours, so you can [simply try again|pay "
                "again].",
            ),
            step=(
                "[Open|Go to] 'My orders', press 'Pay now' and try [another card|another payment method].",
                "Please check the card's limit and [its expiry date|the code], then press 'Pay now' under 'My "
                "orders'.",
            ),
            more=("An amount that was only blocked is [released|freed] by your bank [by itself|automatically].",),
        ),
    )),
    "installments": Intent("product", (
        Case(
            ask=(
                "Can I pay [in instalments|in parts|monthly]?",
                "The {item} is [expensive|a lot of money] for me. [Do you offer instalments|Can I pay it off]?",
                "[How does|Is there] payment in parts [work|possible]?",
            ),
            fact=(
                "[From|For orders from] ${part_min} on you can pay in {parts} monthly parts without interest.",
                "We [split|divide] orders of at least ${part_min} into {parts} equal monthly payments, free of "
                "interest.",
            ),
            step=(
                "[Choose|Select] 'Pay in parts' at checkout; [the check takes a minute|you get an answer at once].",
                "At checkout, tick 'Pay in parts' and [confirm|look through] the plan [that is shown|].",
            ),
            more=("You may pay the rest early [at any time|whenever you like].",),
        ),
    )),
    "invoice": Intent("order", (
        Case(
            ask=(
                "[Where do I find|How do I get|Can you send me] [the|an] invoice?",
                "I need an invoice [for my company|for taxes|with the tax number] [for the {item}|].",
                "[Can I|Is it possible to] get a receipt for my order?",
            ),
            fact=(
                "Invoices [are kept|stay] in your account for {invoice_months} months.",
                "You can download [every|the] invoice for {invoice_months} months after the order.",
            ),
            step=(
                "[Open|Go to] the order under 'My orders' and [press|choose] 'Invoice (PDF)'.",
                "Under 'My orders' press 'Invoice (PDF)'; [add|enter] a company and tax number there [if you need "
                "them|before you save it].",
            ),
            more=("A paper invoice is not [sent|enclosed], [to save paper|for the sake of the trees].",),
        ),
    )),
    "account_locked": Intent("shop", (
        Case(
            ask=(
                "My account is [locked|blocked]. [Why|What now|Please unlock it]?",
                "I [cannot log in|can't sign in] any more, it says too many [attempts|tries].",
                "[How long|For how long] is my account [locked|blocked]?",
            ),
            fact=(
                "After {lock_tries} wrong passwords an account is locked for {lock_minutes} minutes, [for your "
                "safety|to protect you].",
                "The lock [opens by itself|ends] after {lock_minutes} minutes; it [starts|comes] after {lock_tries} "
                "failed logins.",
            ),
            step=(
                "[Wait|Please wait] until then and [log in|sign in] again, or [choose|press] 'Forgot password'.",
                "[Then try again|Try again then], and if you are not sure of the password, [use|press] 'Forgot "
                "password' first.",
            ),
            more=("If the attempts were not yours, please [change|choose a new] password.",),
        ),
    )),
    "password_reset": Intent("shop", (
        Case(
            ask=(
                "I forgot my password. [What do I do|How can I reset it|Help]?",
                "How do I [change|reset] my password?",
                "The link [to reset my password|in the password mail] [does not work|has expired].",
            ),
            fact=(
                "A reset link is valid for {link_minutes} minutes; after that you [need|have to ask for] a new one.",
                "We [mail|send] you a link with which you can set a new password for {link_minutes} minutes.",
            ),
            step=(
                "[Press|Choose] 'Forgot password' on the login page, open the newest mail and [enter|set] a new "
                "password.",
                "[Ask for|Request] a link under 'Forgot password' and [also look|look] into your spam folder.",
            ),
            more=("We never ask for your password, [neither by mail nor by phone|not even here].",),
        ),
    )),
    "gift_card": Intent("shop", (
        Case(
            ask=(
                "[Do you sell|Are there] gift cards?",
                "[How long|For how long] is a gift card valid?",
                "How do I [use|redeem] a gift card?",
                "[What amounts|Which values] can a gift card have?",
            ),
            fact=(
                "Gift cards [from|of] ${gift_min} to ${gift_max} are valid for {gift_months} months.",
                "[A gift card|Each card] holds between ${gift_min} and ${gift_max} and [can be used|is good] for "
                "{gift_months} months.",
            ),
            step=(
                "Enter the code at checkout, [under|in the field] 'Gift card'; [what is left|the rest] stays on the "
                "card.",
                "You [find|get] them under 'Gift cards'; the code [comes by mail|is mailed to you] and is entered at "
                "checkout.",
            ),
            more=("They cannot be [exchanged for cash|paid out].",),
        ),
    )),
    "gift_wrap": Intent("product", (
        Case(
            ask=(
                "Can you [wrap the {item} as a gift|gift-wrap my order]?",
                "[Do you offer|Is there] gift wrapping?",
                "The {item} is a present. Can you [add a card|wrap it] [and leave out the invoice|]?",
            ),
            fact=(
                "[Yes, gift|Gift] wrapping costs ${wrap_cost} an item and [includes|comes with] a small card.",
                "We [gladly|happily] wrap presents for ${wrap_cost} an item, [with|including] a card of your words.",
            ),
            step=(
                "[Tick|Choose] 'This is a gift' in the cart and [write|type] your message there.",
                "In the cart, press 'Wrap as a gift'; [prices are left out|no price lies in the parcel].",
            ),
            more=("[Very large|Bulky] items cannot be wrapped.",),
        ),
    )),
    "coupon": Intent("shop", (
        Case(
            ask=(
                "My coupon [does not work|is not accepted|is refused]. [Why|What is wrong]?",
                "Can I use [two coupons|several coupons|more than one code] [at once|]?",
                "[How do I|Where can I] [use|enter] a coupon code?",
                "Is there a minimum [order|amount] for [coupons|a coupon code]?",
            ),
            fact=(
                "Coupons [work|are valid] from ${coupon_min} on, and only {coupons} can be used in an order.",
                "[Each order takes|You can use] {coupons} coupon [per order|], [if it comes to|for orders of] at "
                "least ${coupon_min}.",
            ),
            step=(
                "[Enter|Type] the code in the cart under 'Coupon' and press 'Apply', [without spaces|exactly as "
                "printed].",
                "Please [check|look at] the date [on the coupon|under 'My coupons'] and [enter|paste] the code in the "
                "cart again.",
            ),
            more=("[Gift cards|Items on sale] are [excluded|left out].",),
        ),
    )),
    "loyalty_points": Intent("shop", (
        Case(
            ask=(
                "How do [loyalty|bonus|your] points work?",
                "What are my [points|bonus points] worth?",
                "[When do|Do] my points [expire|run out]?",
                "[How can I|Where do I] [use|spend] my points?",
            ),
            fact=(
                "{points} points are worth ${points_value}, and they [are valid|last] for {points_months} months.",
                "You get a point for every dollar; {points} points [give|are] ${points_value} and expire after "
                "{points_months} months.",
            ),
            step=(
                "[Tick|Choose] 'Use points' at checkout; your balance is shown [in your account|under 'My points'].",
                "You see [them|the balance] under 'My points' and [can spend them|use them] at checkout.",
            ),
            more=("Points are [added|booked] when the time for returns has passed.",),
        ),
    )),
    "stock_alert": Intent("product", (
        Case(
            ask=(
                "When will the {item} be [back in stock|available again]?",
                "The {item} is sold out. [Will it come back|Do you get more]?",
                "[Can you tell me|Do you know] when you [restock|get new stock of] the {item}?",
            ),
            fact=(
                "Sold-out items are [usually|normally] back within {restock_days} days.",
                "New stock [arrives|comes in] about every {restock_days} days.",
            ),
            step=(
                "[Press|Choose] 'Tell me' on the product page and we [mail you|write] as soon as it is back.",
                "[Set|You can set] an alert on the product page; those on the list [hear first|get a "
                "mail at once].",
            ),
            more=("We cannot reserve items [in advance|before they arrive].",),
        ),
    )),
    "size_advice": Intent("product", goods="worn", cases=(
        Case(
            ask=(
                "Which size of the {item} should I [take|order|choose]?",
                "Does the {item} [run small|run large|fit true to size]?",
                "I am between two sizes. [What do you recommend|Which one should I take]?",
                "[Is there|Where is] a size [chart|table]?",
            ),
            fact=(
                "[Every|Each] product page has a size chart that is exact to {size_cm} cm.",
                "The measures in our size chart are exact to {size_cm} cm.",
            ),
            step=(
                "[Measure|Please measure] something that fits you well and [compare it with|look it up in] the chart; "
                "between two sizes, take the larger.",
                "Compare your measures with the chart, and [between two|if you are between two] sizes [choose|take] "
                "the larger one.",
            ),
            more=("An exchange is free for {exchange_days} days [should it not fit|if it does not fit].",),
        ),
    )),
    "opening_hours": Intent("shop", (
        Case(
            ask=(
                "[What are|Can you tell me] your opening hours?",
                "When [can I reach you|is your hotline open|is customer service available]?",
                "[Are you|Is anybody] there [on Saturdays|in the evening|on Sundays]?",
                "How [fast|quickly] do you answer [messages|mails]?",
            ),
            fact=(
                "We are here from {open_from} a.m. to {open_to} p.m., Monday to Saturday.",
                "Our team answers from Monday to Saturday, {open_from} a.m. to {open_to} p.m. each day.",
            ),
            step=(
                "[Messages|Mails] are answered within {answer_hours} hours [of that time|in those hours].",
                "[Outside these hours|On Sundays], write [to us|us a message] and we answer within {answer_hours} "
                "hours [of opening|once we open].",
            ),
            more=("The help pages are open [day and night|at any hour].",),
        ),
    )),
    "data_deletion": Intent("shop", (
        Case(
            ask=(
                "[Please delete|I want to delete|I would like to close] my account [and all my data|].",
                "[How can I|Can you] [erase|delete] my personal data?",
                "I [no longer want|do not want] you to keep my data. [What do I do|Please remove it].",
            ),
            fact=(
                "We delete an account and its data within {delete_days} days [of the request|after you ask for it].",
                "Your data is [erased|deleted] {delete_days} days after the request [at the latest|].",
            ),
            step=(
                "[Choose|Press] 'Delete account' under 'Privacy' in your account and confirm the mail [that "
                "follows|we send].",
                "Under 'Privacy', press 'Delete account'; [open orders|orders under way] are finished first.",
            ),
            more=("[Invoices|Invoices alone] must be kept as long as the law says.",),
        ),
    )),
    "data_export": Intent("shop", (
        Case(
            ask=(
                "[Which|What] data do you [store|keep|have] about me?",
                "[Can I get|Do you send] a copy of my data?",
                "Do you [share|sell] my data [with others|to advertisers]?",
            ),
            fact=(
                "You get a copy of all your data within {export_days} days, and we never sell [any of it|it].",
                "We do not sell data; a full copy of yours is [ready|sent] within {export_days} days.",
            ),
            step=(
                "[Press|Choose] 'Get my data' under 'Privacy' in your account; [a mail tells you|we write] when it is "
                "ready.",
                "Ask for it under 'Privacy', 'Get my data', [and download|then download] the file [from there|].",
            ),
            more=("You can also [limit|choose] there what we may use.",),
        ),
    )),
    "newsletter": Intent("shop", (
        Case(
            ask=(
                "How do I [unsubscribe from|stop|cancel] [the newsletter|your mails]?",
                "[Please stop|Stop] sending me [advertising|newsletters|offers]!",
                "I [get|receive] too many mails from you. [How do I stop them|Can that be less]?",
            ),
            fact=(
                "[Once you unsubscribe|After you unsubscribe], the mails stop within {mail_hours} hours.",
                "We take you off the list within {mail_hours} hours [after you unsubscribe|].",
            ),
            step=(
                "[Press|Use] 'Unsubscribe' at the end of any mail, or [untick|turn off] the newsletter in 'My mails'.",
                "Under 'My mails' in your account you [choose|decide] which mails you get, [or none|even none].",
            ),
            more=("Mails about [your orders|orders under way] still come.",),
        ),
    )),
    "bulk_order": Intent("product", (
        Case(
            ask=(
                "Is there a discount [for large orders|for companies|if I buy many]?",
                "We need [many|a lot] of the {item} for our [office|team|school]. [Is there a discount|What about the "
                "price]?",
                "[Do you|Can you] make an offer for a bulk order?",
            ),
            fact=(
                "From {bulk_items} pieces on you get {bulk_percent} % off.",
                "An order of {bulk_items} or more of an item [gets|is given] a discount of {bulk_percent} %.",
            ),
            step=(
                "[Put them|Place them] into the cart: the [discount|lower price] shows at once.",
                "[Use|Fill in] the form 'Large orders' and we [send|make] an offer within {answer_hours} hours.",
            ),
            more=("Delivery [dates|days] can be agreed [on|] for large orders.",),
        ),
    )),
}  # fmt: skip
