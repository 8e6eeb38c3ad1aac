"""What can be read from a text without a model: language, quantities, abbreviations, prompt injection, profanity."""
