"""Finds harmful passages in English and Chinese texts: insults, threats, slander, contacts, adverts, profanity.

It is rule-based, for texts of customers and of models, and also finds words that are spelled so that a plain word list
would miss them. The entry points are `find.find` and `generated.is_harmful`.
"""
