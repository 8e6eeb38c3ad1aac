"""Reads texts without a language model: language, visible words, HTML, quantities, abbreviations, prompt injection."""
