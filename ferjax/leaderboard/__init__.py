"""A leaderboard of the finished runs in a folder: scores with intervals, costs, and the Pareto front."""
