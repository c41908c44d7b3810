"""The web service of `ferjax serve`: pictures come in by HTTP, faces with their probabilities go out."""
