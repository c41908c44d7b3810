"""Searches for the best values of config fields, on validation alone."""
