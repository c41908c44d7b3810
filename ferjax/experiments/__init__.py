"""Many runs, one table: seeds, data sets, variants of a network."""
