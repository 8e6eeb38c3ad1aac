"""What reviews say about which aspect: the jobs analyse_reviews, train_aspects and summarise_reviews."""
