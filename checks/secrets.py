"""Secrets in files of the repository, by the form their issuers give them.

Not by how random a word looks: that finds every hash and example, and what finds too much is soon
ignored. detect-secrets does the same in half a minute; this takes less than a second.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

FORMS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a token of Meta": r"\bEAA[A-Za-z0-9]{60,}",
    "a key of Groq": r"\bgsk_[A-Za-z0-9]{40,}",
    "a key of OpenAI, Anthropic or OpenRouter": r"\bsk-(?:[a-z]{2,8}-)*[A-Za-z0-9_-]{32,}",
    "a key of Google": r"\bAIza[\w-]{35}\b",
    "a key of AWS": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,})",
    "a token of Slack": r"\bxox[abprs]-[\w-]{20,}",
    "a key of Stripe": r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{20,}|\bwhsec_[A-Za-z0-9+/=]{30,}",
    "a token of PyPI": r"\bpypi-[\w-]{80,}",
    "an API key of Frontdesk": r"\bfd_live_[A-Za-z0-9]{40,}",
    "a key that seals stored secrets": r"ENCRYPTION_KEYS=[\w-]+:[A-Za-z0-9+/]{43}=",
    "a signed token": r"\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}",
}
_FORM = re.compile("|".join(f"(?P<f{n}>{form})" for n, form in enumerate(FORMS.values())))
_NAMES = list(FORMS)


def find(text: str) -> Iterator[tuple[int, str]]:
    """The lines, from 1, on which something secret stands, and what it is."""
    for match in _FORM.finditer(text):
        assert match.lastgroup is not None
        yield text.count("\n", 0, match.start()) + 1, _NAMES[int(match.lastgroup[1:])]


def find_in_repository(root: Path) -> list[str]:
    """A line for each secret in the files that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        return ["The secret scan needs git, to know which files are the project's."]
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = root / name
        if path.is_file():
            text = path.read_bytes().decode(errors="replace")
            found += [f"{name}:{line}: {what}" for line, what in find(text)]
    return found
