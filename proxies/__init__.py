"""How a candidate is judged cheaply."""
