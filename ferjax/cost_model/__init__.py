"""What a step costs on hardware that is not here: compiled ahead of time, read and estimated."""
