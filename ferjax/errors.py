"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """Bad input, told in one clear line: what is wrong and what to do.

    Commands print it without a traceback and exit with code 2 (see `ferjax.cli`).
    Everything else that is raised is a bug in ferjax and keeps its traceback.
    """
