"""Modules inside other operators."""
