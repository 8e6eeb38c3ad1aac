"""What a shop should not show of its reviews: the job moderate_reviews."""
