"""train_uplift: whom a campaign moves, learnt from experiments."""
