"""The demo, run for real: it comes up, plays its day, heals, keeps its data and leaves nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from frontdesk.core.settings import load_settings
from frontdesk.demo import DESK_DAY, SHOP_DAY, DemoError, find_phone
from frontdesk.demo.banner import banner
from frontdesk.demo.first_tenant import name_of, slug_of
from frontdesk.demo.outside import Feed
from frontdesk.demo.places import Folder
from frontdesk.demo.seeing import title
from frontdesk.demo.shop import CONFIG, FACTS
from frontdesk.demo.stories import STORIES, Act
from frontdesk.demo.world import Plan, environment, plan_from

SOURCE = Path(__file__).parents[1] / "src"
STARTS_SECONDS = 120.0


@pytest.fixture
def path() -> Iterator[Path]:
    """A folder that the user `nobody` can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="frontdesk-demo-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def plan(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "web_port": 8000,
        "simulator_port": 9000,
        "model_latency": "0",
        "tick_delay": "0",
        "keys": {},
        "tuning": {},
    }
    return Plan(**values | changes)


# The folder


def test_secrets_are_made_once_and_only_their_owner_may_read_them(path):
    folder = Folder(path / "demo")
    with folder.held():
        secrets = folder.secrets()
        folder.save_state()
        folder.save_environment({"WEB__PORT": "8000", "SECURITY__SESSION_SECRET": "it's a secret"})
    assert Folder(path / "demo").secrets() == secrets
    told = ["sh", "-c", '. ./demo.env; printf "%s %s" "$WEB__PORT" "$SECURITY__SESSION_SECRET"']
    read = subprocess.run(told, cwd=path / "demo", capture_output=True, text=True, check=True)
    assert read.stdout == "8000 it's a secret"
    for name in ("secrets.json", "state.json", "demo.env"):
        assert (path / "demo" / name).stat().st_mode & 0o077 == 0


def test_two_demos_do_not_share_a_folder(path):
    again = Folder(path).held()
    with Folder(path).held(), pytest.raises(DemoError, match=f"process {os.getpid()}"), again:
        pass


def test_a_reset_deletes_what_is_the_demos_and_nothing_else(path):
    (path / "letters.txt").write_text("mine")
    (path / "services").mkdir()
    (path / "services/data").write_text("theirs")
    folder = Folder(path)
    with folder.held():
        folder.secrets()
        folder.clear()
    assert (path / "letters.txt").read_text() == "mine"
    assert not (path / "services").exists()
    assert not (path / "secrets.json").exists()


def test_a_phone_finds_the_demo_by_its_folder(path):
    folder = Folder(path)
    with folder.held():
        folder.state.simulator, folder.state.phone_number_id = "http://127.0.0.1:9000", "1"
        folder.save_state()
    assert find_phone(path, None, None).url == "http://127.0.0.1:9000"
    assert find_phone(path, "http://127.0.0.1:9999", "2").channel == "2"
    with pytest.raises(DemoError, match="frontdesk demo"):
        find_phone(path / "nowhere", None, None)


# What it runs


def test_without_keys_the_scripted_model_answers_and_with_one_the_real_one():
    secrets = Folder(Path(tempfile.mkdtemp())).secrets()
    named = {"DATABASE__URL": "postgresql://frontdesk_app@h/d", "REDIS__URL": "redis://h"}
    scripted = environment(plan(), secrets, named)
    assert scripted["LLM__GROQ_API_BASE"] == "http://127.0.0.1:9000/groq/openai/v1"
    assert "LLM__CHAIN" not in scripted
    real = environment(plan(keys={"OPENAI_API_KEY": "k"}), secrets, named)
    assert real["LLM__CHAIN"] == "openai/gpt-4o-mini"
    assert "LLM__OPENAI_API_BASE" not in real
    assert "GROQ_API_KEY" not in real


def test_settings_of_a_real_deployment_do_not_leak_into_a_demo(monkeypatch):
    monkeypatch.setenv("WHATSAPP__API_BASE", "https://graph.facebook.com")
    monkeypatch.setenv("SECURITY__SESSION_SECRET", "of production")
    monkeypatch.setenv("DATABASE__SYSTEM_URL", "postgresql://production")
    secrets = Folder(Path(tempfile.mkdtemp())).secrets()
    named = {"DATABASE__URL": "postgresql://frontdesk_app@h/d", "REDIS__URL": "redis://h"}
    made = environment(plan(), secrets, named)
    assert made["WHATSAPP__API_BASE"] == "http://127.0.0.1:9000"
    assert made["SECURITY__SESSION_SECRET"] == secrets.session_secret
    assert "DATABASE__SYSTEM_URL" not in made
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(None)
    assert settings.web.docs
    assert settings.web.host == "127.0.0.1"


def test_a_port_that_is_asked_for_must_be_free():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DemoError, match="in use"):
            plan_from({}, port=taken.getsockname()[1])
    assert plan_from({}, port=0).web_port > 1024


def test_the_banner_says_where_who_and_how():
    folder = Folder(Path(".frontdesk"))
    secrets = Folder(Path(tempfile.mkdtemp())).secrets()
    shown = banner(folder, plan(), secrets, is_new=True)
    for needed in ("http://127.0.0.1:8000/docs", secrets.password, "ana@", "Origin:", "scripted"):
        assert needed in shown
    assert "gpt-oss" in banner(folder, plan(keys={"GROQ_API_KEY": "k"}), secrets, is_new=False)


# What it holds


def test_thirty_different_people_come_to_the_shop_in_every_way_there_is():
    assert len(STORIES) == 30
    assert len({story.number for story in STORIES}) == 30
    assert len({story.name for story in STORIES}) == 30
    acts = {step.what for story in STORIES for step in story.steps if isinstance(step, Act)}
    assert acts == {"take-over", "reply", "release", "close"}


def test_the_agent_knows_enough_in_each_of_its_languages():
    assert len(FACTS) >= 10
    assert len({title for title, _ in FACTS}) == len(FACTS)
    assert set(CONFIG["languages"]) == {"en", "es", "de", "it", "pt", "fr"}


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Lumen & Oak", "lumen-oak"), ("Söhne GmbH", "sohne-gmbh"), ("日本", "tenant")],
)
def test_a_name_becomes_a_slug(name, slug):
    assert slug_of(name) == slug


def test_an_email_suggests_a_name():
    assert name_of("mira.sand@example.com") == "Mira Sand"


@pytest.mark.parametrize("script", [SHOP_DAY, DESK_DAY], ids=["shop", "desk"])
def test_each_step_of_a_day_says_in_a_sentence_of_its_own_what_it_shows(script):
    titles = [title(step) for step in script.steps]
    assert len(set(titles)) == len(titles) >= 15
    assert all(each[0].isupper() and each.endswith(".") for each in titles)


def test_a_feed_hears_what_has_no_number_and_keeps_it_out_of_the_order():
    feed = Feed()
    feed.take("hello", "7", "{}")
    feed.take("message.received", "8", '{"conversation_id": "a"}')
    feed.take("conversation.watched", "", '{"doing": "typing"}')
    assert [event.seq for event in feed.events] == [8]
    assert feed.last == 8
    assert feed.find("conversation.watched", after=8, doing="typing")
    assert feed.find("message.received", after=8) is None


# For real


def test_every_step_of_the_scripted_day_is_seen_from_outside(path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "frontdesk", "demo", "--check", "--json"],
        # Other demos leave their folders in the common place meanwhile.
        env=bare_environment() | {"TMPDIR": str(path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.stdout, done.stderr
    timeline = json.loads(done.stdout)
    assert timeline["ok"], [step for step in timeline["steps"] if not step["ok"]]
    assert done.returncode == 0
    assert len(timeline["steps"]) >= 15
    assert float(timeline["cost_usd"]) > 0
    assert list(path.iterdir()) == []


def test_the_demo_heals_stops_in_order_keeps_its_data_and_never_outlives_its_owner(path, start):
    demo = start()
    demo.wait_for("Ctrl-C stops everything")
    first_id = demo.tenant_id()
    workers = demo.running("worker")
    assert len(workers) == 1
    os.kill(workers[0], signal.SIGKILL)
    demo.wait_for("The worker was ended by SIGKILL and starts again")
    eventually(lambda: demo.running("worker") not in ([], workers), "another worker")
    os.kill(demo.process.pid, signal.SIGTERM)
    assert demo.process.wait(60) == 0
    assert "Traceback" not in demo.output()
    assert everything_in(path) == []

    demo = start()
    demo.wait_for("Ctrl-C stops everything")
    assert demo.tenant_id() == first_id
    assert len(everything_in(path)) >= 6
    demo.process.kill()
    demo.process.wait()
    eventually(lambda: everything_in(path) == [], "an end of all processes")


class Demo:
    """`frontdesk demo` as a process, on free ports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._output = path / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "frontdesk", "demo", "--folder", str(path), "--port", "0"],
                env=bare_environment(),
                cwd="/",
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, sentence: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None, self.output()
            return sentence in self.output()

        eventually(said, sentence, seconds=STARTS_SECONDS)

    def running(self, program: str) -> list[int]:
        """Processes of this demo that run `frontdesk <program>`."""
        return [
            pid for pid, command in everything_in(self.path) if f"frontdesk {program}" in command
        ]

    def tenant_id(self) -> str:
        """Of the shop, as one of its people sees it."""
        web = re.search(r"Address +(\S+)", self.output())
        assert web is not None
        password = json.loads((self.path / "secrets.json").read_text())["password"]
        with httpx.Client(base_url=web[1], headers={"Origin": web[1]}, trust_env=False) as client:
            answer = client.post(
                "/api/v1/auth/sign-in",
                json={"email": "ana@lumen-oak.example", "password": password},
            )
            assert answer.status_code == 200, answer.text
            assert client.get("/docs").status_code == 200
            return str(client.get("/api/v1/me").json()["tenant"]["id"])


@pytest.fixture
def start(path: Path) -> Iterator[Callable[[], Demo]]:
    """Starts a demo in the folder; what a failed test leaves running is ended."""
    started: list[Demo] = []

    def begin() -> Demo:
        started.append(Demo(path))
        return started[-1]

    yield begin
    for demo in started:
        demo.process.kill()
        demo.process.wait()


def bare_environment() -> dict[str, str]:
    """No database, no Redis and no key but what the demo brings along."""
    return {"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONPATH": str(SOURCE)}


def everything_in(path: Path) -> list[tuple[int, str]]:
    """Every process that works in a folder or was started on it, but for the demo's own output."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = os.readlink(entry / "cwd")
        except OSError:
            continue  # It has ended meanwhile.
        if str(path) in command or place.startswith(str(path)):
            found.append((int(entry.name), command))
    return found


def eventually(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up_at, f"{what}: not within {seconds} s"
        time.sleep(0.1)
