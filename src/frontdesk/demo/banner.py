"""What the demo tells people: where it is, who can sign in, and what to try. Every line works as
printed."""

import shutil

from frontdesk.demo.places import ENVIRONMENT, Folder, Secrets
from frontdesk.demo.shop import ADMIN, AGENT, HUMAN_AGENTS, LOGINS, TENANT
from frontdesk.demo.world import Plan


def banner(folder: Folder, plan: Plan, secrets: Secrets, *, is_new: bool) -> str:
    """The text shown once everything answers."""
    if plan.models:
        models = f"real: {', '.join(plan.models)} (your key; every answer costs a little)"
    else:
        models = "scripted, free and honest about it; set GROQ_API_KEY or OPENAI_API_KEY for real"
    logins = "\n".join(
        f"    {login.email:<28} {login.role.replace('_', ' ').lower():<12}"
        f"{_presence(login.presence)}"
        for login in LOGINS
    )
    stories = (
        "Thirty conversations are being played in; watch them arrive."
        if is_new
        else "What happened before is still there; frontdesk demo --reset begins afresh."
    )
    jar = folder.path / "cookies.txt"
    # As it can be typed here: after `make demo` the command is not on the path.
    command = "frontdesk" if shutil.which("frontdesk") else ".venv/bin/frontdesk"
    return f"""
  Frontdesk is up: {TENANT}, a shop for lamps, with {AGENT} as its AI agent.

  Address      {plan.web_url}
  API docs     {plan.web_url}/docs
  WhatsApp     {plan.simulator_url}/_sim   (simulated)
  Models       {models}
  Logs         {folder.path / "logs"}

  Logins, all with the password {secrets.password}
{logins}

  Be a customer (in another terminal{_elsewhere(folder)}):
    {command} simulate chat{_option(folder)}
    {command} simulate send "Do you ship to Spain?"{_option(folder)}

  Be a human agent:
    curl -sS -c {jar} {plan.web_url}/api/v1/auth/sign-in \\
      -H 'Origin: {plan.web_url}' -H 'Content-Type: application/json' \\
      -d '{{"email": "{HUMAN_AGENTS[0].email}", "password": "{secrets.password}"}}'
    curl -sS -b {jar} '{plan.web_url}/api/v1/conversations?status=WITH_HUMAN'
    curl -sS -b {jar} {plan.web_url}/api/v1/handoffs
    curl -sSN -b {jar} {plan.web_url}/api/v1/feed

  Operate it, with any command that is not the demo's own:
    set -a; . {folder.path / ENVIRONMENT}; set +a
    {command} prompts list

  Try next:
    · Write "I want to talk to a person" in the chat, and see who gets it and why
      (…/api/v1/conversations/ID/handoff holds the packet).
    · Sign in as {HUMAN_AGENTS[2].email} and come online: the queue comes to her
      (PUT /api/v1/me/availability, {{"presence": "online"}}).
    · Ask why an answer is what it is: …/api/v1/conversations/ID/turns, then …/api/v1/turns/ID.
    · Sign in as {ADMIN.email} and see what it cost: …/api/v1/usage?group_by=conversation
    · Kill the worker in the middle of an answer: the message is answered all the same, once.

  {stories}
  Ctrl-C stops everything.
"""


def _presence(presence: str | None) -> str:
    return {"online": "online", "away": "away", None: ""}[presence]


def _option(folder: Folder) -> str:
    return "" if _is_default(folder) else f" --folder {folder.path}"


def _elsewhere(folder: Folder) -> str:
    return ", in this folder" if _is_default(folder) else ""


def _is_default(folder: Folder) -> bool:
    from pathlib import Path

    return folder.path == Path(".frontdesk").absolute()
