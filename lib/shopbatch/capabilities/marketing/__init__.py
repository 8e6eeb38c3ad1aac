"""Marketing: whom to address with what, and what it really brought."""
