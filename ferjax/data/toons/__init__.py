"""Draws the faces of the `toons` data sets (see `ferjax.data.sets.toons`): tables, people, poses, pixels."""
