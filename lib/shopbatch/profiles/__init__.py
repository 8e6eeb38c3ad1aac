"""The machinery of `build_user_profiles`: tiles kept up to date, profiles computed, gated, published. `run` is its door."""
