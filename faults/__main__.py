"""`python -m faults` is `command.main`."""

import sys
from contextlib import suppress

# Every process of a site imports this file as well, and needs none of what `command` imports.
if __name__ == "__main__":
    from faults.command import main

    with suppress(BrokenPipeError):
        sys.exit(main())
