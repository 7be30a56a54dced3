"""Models on disk or on the hub: files, formats, tokenizer and adapters."""
