"""`python -m frontdesk` is the command `frontdesk`."""

from frontdesk.cli import app

if __name__ == "__main__":
    app(prog_name="frontdesk")
