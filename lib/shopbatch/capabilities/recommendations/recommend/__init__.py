"""Make each user's lists with the live recommender and the shop's rules. The entry point is `run.recommend`."""
