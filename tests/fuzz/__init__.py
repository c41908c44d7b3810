"""Inputs made from seeds: valid ones that are damaged. Each file makes one kind; `judge` tells the faults."""
