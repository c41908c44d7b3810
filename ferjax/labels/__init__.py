"""Estimates how many labels of a set are wrong, and finds the images that have them."""
