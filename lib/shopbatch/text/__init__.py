"""What can be read off a text without a model: language, quantities, units, abbreviations, prompt injection."""
