"""Inputs made from seeds: valid ones that are then damaged. Each file makes one kind; `judge` tells the faults."""
