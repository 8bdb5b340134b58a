"""Canaries of other packages' private or overridden symbols; `test_private_symbols.py` runs them."""
