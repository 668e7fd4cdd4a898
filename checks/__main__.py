"""`python -m checks`: print what was looked at and what was found; end with 1 when anything was."""

import sys
from pathlib import Path

from checks import dependencies, secrets

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Run every check."""
    found = [*secrets.find_in_repository(ROOT), *dependencies.find_problems(ROOT)]
    audit = dependencies.audit(ROOT)
    print(audit.said)
    found += audit.problems
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
