"""Aspect analysis of reviews: the jobs analyse_reviews, train_aspects and summarise_reviews.

An aspect is a topic of reviews, such as size, material or service. The jobs find which aspects a review mentions and
whether it speaks of them positively or negatively.
"""
