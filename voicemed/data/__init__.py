"""The lexicon and the assertion rules: data, not code."""
