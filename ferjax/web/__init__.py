"""A static page that runs a trained network in a browser, from a folder and without a network."""
