"""The lists of each user, by the live recommender and the rules of the shop. Entry point: `run.recommend`."""
