"""Checks whether a translation says what its text says: numbers, negations, names, language, length, claims."""
