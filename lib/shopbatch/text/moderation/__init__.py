"""What a reader should not see in a text of a customer, or of a model: insults, threats, slander, contact details,
adverts and profanity, in English and Chinese, also where they are spelled so that a list of words would miss them."""
