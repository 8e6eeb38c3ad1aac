"""What every room uses: configuration, errors, hashing, privacy, progress, sessions, crash points."""
