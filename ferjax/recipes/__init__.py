"""What several files in `configs/` share: how a recipe is put together, and the recipe of each paper."""
