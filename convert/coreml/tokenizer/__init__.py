"""The tokenizer that an app would write: rebuilt from a package's metadata, held to the model's."""
