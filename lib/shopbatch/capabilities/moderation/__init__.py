"""Moderation of reviews: finds insults, threats, contact details, adverts and the like (job moderate_reviews)."""
