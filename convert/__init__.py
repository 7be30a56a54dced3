"""Commands that convert between model formats; the library itself does not import them."""
