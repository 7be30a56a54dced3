"""A tokenizer rebuilt from a package's metadata, as an app would, and compared with the model's."""
