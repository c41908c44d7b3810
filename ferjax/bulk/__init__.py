"""Predictions for millions of pictures: in parts, each done once, in one process or under Apache Beam."""
