"""What every other package uses: configuration, errors, hashing, privacy, progress, sessions, crash points."""
