"""What can go wrong with the demo, told in a sentence."""


class DemoError(Exception):
    """The demo can't start or go on; the message says why and what to do."""
