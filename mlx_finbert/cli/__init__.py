"""Code that all commands share: flags, output streams and exit status."""
