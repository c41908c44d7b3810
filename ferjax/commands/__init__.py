"""The commands: one file a verb, and the framework that starts them."""
