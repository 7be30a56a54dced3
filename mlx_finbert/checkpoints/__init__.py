"""A model on disk: its files, formats, tokenizer and adapters, on the hub or in a folder."""
