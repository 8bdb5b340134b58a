"""How decoded networks train and are scored."""
