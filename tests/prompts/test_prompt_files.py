"""Prompts from the command line: what is in use, and files that a repository owns."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.desk import eventually
from tests.feed.shop import Shop

from frontdesk.prompts import DEFAULT_PROMPTS, PromptInvalid, file_text, load_prompt, read_file
from frontdesk.prompts.schemas import PromptVersionPublic, ReviewState

TEXT = "You answer for {{ company_name }}.\n<facts>\n{{ facts }}\n</facts>\nBe kind and brief.\n"


async def test_a_repository_owns_the_prompts(shop: Shop, commands: Any, tmp_path: Path) -> None:
    at = f"--tenant {shop.id}"
    pulled, again, unchanged, dry = await commands(
        f"prompts pull {at} --json",
        f"prompts pull {at} --json",
        f"prompts push {at} --json",
        f"prompts diff {at}",
    )
    assert {item["action"] for item in json.loads(pulled["stdout"])} == {"written"}
    assert {item["action"] for item in json.loads(again["stdout"])} == {"unchanged"}
    assert {item["action"] for item in json.loads(unchanged["stdout"])} == {"unchanged"}
    assert (dry["code"], dry["stdout"]) == (0, "")

    file = tmp_path / "prompts" / "reply.md"
    file.write_text(f'+++\nnote = "Kinder"\ntags = ["tone"]\n+++\n{TEXT}')
    differs, dry, first, second, listed, shown = await commands(
        f"prompts diff reply {at}",
        f"prompts push --publish --dry-run {at}",
        f"prompts push --publish --json {at}",
        f"prompts push --publish --json {at}",
        f"prompts list {at}",
        f"prompts show reply --json {at}",
    )
    assert differs["code"] == 1
    assert "+Be kind and brief." in differs["stdout"]
    assert "reply       1.0.0  published" in dry["stdout"]
    assert {item["name"]: item["action"] for item in json.loads(first["stdout"])} == {
        name: "published" if name == "reply" else "unchanged" for name in DEFAULT_PROMPTS
    }
    assert {item["action"] for item in json.loads(second["stdout"])} == {"unchanged"}
    assert "production 1.0.0" in listed["stdout"]
    version = json.loads(shown["stdout"])
    assert (version["note"], version["tags"], version["content"]) == ("Kinder", ["tone"], TEXT)
    # Heard by a process that was running all the while.

    async def is_used() -> bool:
        return (await load_prompt(shop.resources, shop.id, "reply")).version == "1.0.0"

    await eventually(is_used)

    file.write_text(f"+++\n+++\n{TEXT.replace('brief', 'short')}")
    (tmp_path / "prompts" / "triage.md").write_text("+++\n+++\n{{ order }}\n")
    refused, pushed, moved, diff, back, empty, nothing = await commands(
        f"prompts push {at}",
        f"prompts push reply {at} --json",
        f"prompts publish reply 1.0.1 {at}",
        f"prompts diff reply 1.0.0 1.0.1 {at}",
        f"prompts rollback reply {at} --json",
        f"prompts rollback reply --label staging {at}",
        f"prompts push --folder elsewhere {at}",
    )
    assert (refused["code"], "order" in refused["stderr"]) == (1, True)
    assert [(p["version"], p["action"]) for p in json.loads(pushed["stdout"])] == [
        ("1.0.1", "created")
    ]
    assert "production stands at 1.0.1" in moved["stdout"]
    assert "-Be kind and brief.\n+Be kind and short.\n" in diff["stdout"]
    assert json.loads(back["stdout"])["labels"][0]["version"] == "1.0.0"
    assert (empty["code"], nothing["code"]) == (1, 1)
    assert all("Traceback" not in done["stderr"] for done in (refused, empty, nothing))
    versions = (await shop.admin.http.get("/api/v1/prompts/reply/versions")).json()["items"]
    assert [(v["version"], v["author_id"]) for v in versions] == [("1.0.1", None), ("1.0.0", None)]


async def test_what_needs_approval_is_pushed_and_waits(
    shop: Shop, commands: Any, tmp_path: Path
) -> None:
    await shop.admin.http.put("/api/v1/prompt-policy", json={"requires_approval": True})
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "reply.md").write_text(f"+++\n+++\n{TEXT}")
    (waits,) = await commands(f"prompts push --publish --json --tenant {shop.id}")
    assert waits["code"] == 3
    assert json.loads(waits["stdout"])[0]["action"] == "awaits_approval"
    at, approve = f"--tenant {shop.id}", "prompts approve reply 1.0.0"
    nobody, human, approved, done, started, again, listed, stopped, none, wrong = await commands(
        f"{approve} --by nobody@test.example {at}",
        f"{approve} --by {shop.human.id}@test.example {at}",
        f"{approve} --by {shop.admin.id}@test.example {at}",
        f"prompts push --publish --json {at}",
        f"experiments start reply Tone --variant warm=1.0.0:0.1 --guard refusal_rate {at} --json",
        f"experiments start reply Tone --variant warm=1.0.0:0.1 {at}",
        f"experiments list reply {at}",
        f"experiments stop reply --winner warm {at} --json",
        f"experiments stop reply {at}",
        f"experiments start reply Tone --variant warm=1.0.0 {at}",
    )
    assert (nobody["code"], human["code"]) == (1, 1)  # Only an admin of the tenant.
    assert (approved["code"], approved["stdout"]) == (0, "reply 1.0.0 is approved.\n")
    (version,) = await shop.sql("SELECT approved_by FROM prompt_version")
    assert version["approved_by"] == shop.admin.id
    assert (done["code"], json.loads(done["stdout"])[0]["action"]) == (0, "published")
    assert json.loads(started["stdout"])["guards"] == ["refusal_rate"]
    assert (again["code"], "Tone" in again["stderr"]) == (1, True)  # One is open at a time.
    assert "running  Tone: warm 1.0.0 on 10%" in listed["stdout"]
    ended = json.loads(stopped["stdout"])
    assert (ended["state"], ended["winner"]) == ("rolled_forward", "warm")
    assert (none["code"], wrong["code"]) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "No head at all",
        "+++\nnote = \n+++\nx\n",
        "+++\nversion = '1.0.0'\n+++\nx\n",
        "+++\ntags = 'tone'\n+++\nx\n",
        "+++\n+++\n",
        f"+++\nnote = '{'n' * 501}'\n+++\nx\n",
    ],
)
def test_a_file_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(PromptInvalid, match="reply"):
        read_file("reply", text)


def test_what_is_written_reads_the_same() -> None:
    note = 'Say "no" \\ kindly\x7f – 😀\nand briefly'
    version = PromptVersionPublic(
        version="1.0.0",
        content="a\n+++\nb\n",
        content_hash="",
        variables=[],
        note=note,
        tags=["tone", "v2"],
        author_id=UUID(int=1),
        created_at=None,
        state=ReviewState.PROPOSED,
    )
    read = read_file("reply", file_text(version).replace("\n", "\r\n"))
    assert (read.content, read.note, read.tags) == (version.content, note, version.tags)
