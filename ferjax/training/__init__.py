"""Training: the loop, its steps and state, what they are built from, and what they report."""
