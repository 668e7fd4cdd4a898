"""Ground without business words: database, due work, events, errors, settings, HTTP, crypto, text."""
