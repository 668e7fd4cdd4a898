"""Frontdesk against floors of its own: small programs that do only what can't be left out.

`python -m benchmarks` runs both in turn on this machine and prints how many times more Frontdesk
takes; `README.md` says what each row means and how its floor is built.
"""
