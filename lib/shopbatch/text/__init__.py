"""What can be read from a text without a model: language, words at all, HTML, quantities, abbreviations,
prompt injection, harmful texts."""
