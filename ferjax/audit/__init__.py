"""Looks for what is wrong with a built data set: copies, leaks, bad images, odd counts."""
