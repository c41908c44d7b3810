"""The local web page of `ferjax demo`."""
