"""What `make check` finds in dependencies and files, and that it never passes over what it did not do."""

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from checks import dependencies, secrets

ROOT = Path(__file__).parents[2]
X = "aB3dE5gH7jK9mN2pQ4sT6vW8xY1zC0fL"

# Put together here, so that the scan does not find them in this file.
SECRETS = {
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "a token of Meta": "EAA" + X * 3,
    "a key of Groq": "gsk_" + X * 2,
    "a key of OpenAI, Anthropic or OpenRouter": "sk-" + "proj-" + X,
    "a key of Google": "AIza" + X + "abc",
    "a key of AWS": "AKIA" + "ABCDEFGH12345678",
    "a token of GitHub": "ghp_" + X + "abcd",
    "a token of Slack": "xoxb-" + X,
    "a key of Stripe": "sk_live_" + X,
    "a token of PyPI": "pypi-" + X * 3,
    "an API key of Frontdesk": "fd_live_" + X * 2,
    "a key that seals stored secrets": "ENCRYPTION_KEYS=k1:"
    + base64.b64encode(bytes(range(32))).decode(),
    "a signed token": "eyJ" + X + ".eyJ" + X + "." + X,
}


@pytest.mark.parametrize("what", secrets.FORMS)
def test_a_secret_is_found_by_its_form(what: str) -> None:
    assert list(secrets.find(f"first line\nkey = '{SECRETS[what]}'\n")) == [(2, what)]


def test_secrets_are_found_in_what_git_knows_or_would_add(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(".env\n")
    (tmp_path / ".env").write_text(SECRETS["a key of Groq"])
    (tmp_path / "notes.md").write_text(f"\n{SECRETS['a key of AWS']}\n")
    assert secrets.find_in_repository(tmp_path) == ["notes.md:2: a key of AWS"]


def test_everything_is_pinned_with_a_hash_and_nothing_is_known_to_be_hijacked() -> None:
    for name in dependencies.LOCKS:
        text = (ROOT / name).read_text()
        assert len(dependencies.entries(text)) > (1 if name == "requirements-local.txt" else 50)
        assert dependencies.wrong_in_lock(name, text) == []
    text = (
        "good==1.0 \\\n    --hash=sha256:ab\nbare==1.0\nloose>=2\nlitellm==1.82.8 --hash=sha256:a"
    )
    assert dependencies.wrong_in_lock("lock", text) == [
        "lock: bare has no hash",
        "lock: loose>=2 is not pinned to one version",
        "lock: litellm 1.82.8 was hijacked",
    ]


def test_what_is_installed_is_what_is_locked_and_runs_nothing_unasked(tmp_path: Path) -> None:
    assert dependencies.not_as_locked((ROOT / "requirements.txt").read_text()) == []
    [other] = dependencies.not_as_locked("litellm==1.82.8 --hash=sha256:a")
    assert "locked is 1.82.8" in other
    for name in ("litellm_init.pth", "distutils-precedence.pth"):
        (tmp_path / name).touch()
    [unasked] = dependencies.unexpected_at_start(tmp_path)
    assert unasked.startswith("litellm_init.pth")


def _package(name: str, **told: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", **told}


def test_an_audit_that_could_ask_about_nothing_says_so_and_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AUDIT_REQUIRED", raising=False)
    skipped = {"dependencies": [_package("a", skip_reason="not found"), _package("b", vulns=[])]}
    skipped["dependencies"].append(_package("c", skip_reason="not found"))
    for report in (skipped, {}):
        audit = dependencies.judge(report)
        assert "skipped" in audit.said
        assert audit.problems == []
    monkeypatch.setenv("AUDIT_REQUIRED", "1")
    assert dependencies.judge(skipped).problems != []
    told = [_package("a", vulns=[]), _package("b", vulns=[{"id": "CVE-2026-1"}])]
    audit = dependencies.judge({"dependencies": told})
    assert (audit.said, audit.problems) == (
        "Known vulnerabilities: 2 packages audited.",
        ["b 1.0: CVE-2026-1"],
    )
