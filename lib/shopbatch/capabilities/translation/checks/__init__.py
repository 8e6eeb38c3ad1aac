"""Whether a translation says what its text says: numbers, denials, names, languages, completeness."""
