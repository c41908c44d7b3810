"""Code that several files in `configs/` share: `build`, and the recipes of papers."""
