"""The data sets, a file each: label codes, parsing, published counts and the builder class.

A new file here is enough to add a set: `@data_set("name")` on a subclass of `LicensedBuilder` (or of
`ImageSetBuilder`, for sets of image files) makes it known to configs and commands. See docs/data_sets.md.
"""
