"""The machinery of `build_user_profiles`: tiles kept up to date, days computed, judged, published. Door: `run`."""
