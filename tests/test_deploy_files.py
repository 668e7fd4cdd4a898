"""What is written down outside Python must name things that exist: settings, commands, targets.

And what keeps a hijacked package or a stray secret out must stay in place.
"""

import re
import sysconfig
import tomllib
import types
import typing
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from frontdesk.cli import app
from frontdesk.core.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
# Read by the images of Postgres and Valkey, or by Compose; Frontdesk itself knows them not.
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
OUR_SERVICES = ("migrate", "web", "worker", "simulator")
REQUIREMENTS = {"requirements.txt": 50, "requirements-dev.txt": 50, "requirements-local.txt": 1}
WORKFLOWS = ("ci", "nightly")
SEALING_KEY = "k1:" + "QUJDRA" * 7 + "A="


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@cache
def workflow(name: str = "ci") -> dict[str, Any]:
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())


@cache
def setting_names() -> set[str]:
    return set(walk(Settings, ""))


def walk(model: type[BaseModel], prefix: str) -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        env_name = prefix + name.upper()
        names += walk(section, env_name + "__") if section else [env_name]
    return names


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The nested model of a field, also of an optional one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next(filter(None, map(section_of, typing.get_args(annotation))), None)
    return None


def environment(service: str) -> dict[str, str | None]:
    return compose()["services"][service].get("environment", {})


def interpolated() -> dict[str, str]:
    """Every `${NAME...}` of the compose file, with what follows the name."""
    text = (ROOT / "docker-compose.yml").read_text()
    return dict(re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", text))


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration[:-1])


# docker-compose.yml


def test_every_service_has_an_image_and_starts_again_by_itself():
    for name, service in compose()["services"].items():
        assert "image" in service or "build" in service, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name


def test_a_service_waits_only_for_what_can_be_waited_for():
    services = compose()["services"]
    for name, service in services.items():
        for dependency, wait in service.get("depends_on", {}).items():
            awaited = services[dependency]
            if wait["condition"] == "service_healthy":
                assert awaited["healthcheck"].get("test"), (name, dependency)
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert awaited["restart"] == "no", (name, dependency)
            assert not awaited.get("profiles"), f"{name} waits for a service that may be left out"


def test_compose_names_only_settings_that_exist():
    known = setting_names() | COMPOSE_ONLY
    assert set(interpolated()) <= known
    for service in OUR_SERVICES:
        assert set(environment(service)) <= setting_names(), service


def test_the_example_environment_names_only_settings_and_all_that_compose_demands():
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = {found[1] for line in lines if (found := re.match(r"#?\s?([A-Z][A-Z0-9_]+)=", line))}
    assert given <= setting_names() | COMPOSE_ONLY
    demanded = {name for name, rest in interpolated().items() if rest.startswith(":?")}
    assert demanded <= given


@pytest.mark.parametrize("service", ["migrate", "web", "worker"])
def test_every_process_gets_all_settings_it_must_have(service, monkeypatch):
    values = dict.fromkeys(interpolated(), "a-secret-of-tests-and-nothing-else") | {
        "DATABASE__URL": "postgresql://frontdesk_app:secret@postgres/frontdesk",
        "SECURITY__ENCRYPTION_KEYS": SEALING_KEY,
    }
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(service).items():
        if value is not None:
            found = re.sub(r"\$\{(\w+)[^}]*\}", lambda match: values[match[1]], value)
            monkeypatch.setenv(name, found)
    load_settings(env_file=None)


def test_each_secret_is_known_only_where_it_is_used():
    where = {
        "DATABASE__ADMIN_URL": {"migrate"},
        "DATABASE__MIGRATOR_URL": {"migrate"},
        "GROQ_API_KEY": {"worker"},
        "OPENAI_API_KEY": {"worker"},
        "WHATSAPP__APP_SECRETS": {"web"},
        "WHATSAPP__VERIFY_TOKEN": {"web"},
        "SECURITY__SESSION_SECRET": {"web"},
        "SECURITY__ENCRYPTION_KEYS": {"web", "worker"},
    }
    for secret, services in where.items():
        holders = {
            service
            for service in OUR_SERVICES
            for name, value in environment(service).items()
            if name == secret and not (value or "").startswith("withheld")
        }
        assert holders == services, secret


def test_the_worker_is_not_killed_while_it_drains():
    services, settings = compose()["services"], Settings.model_fields
    drain = settings["worker"].default.drain_seconds
    assert seconds(services["worker"]["stop_grace_period"]) >= drain + 10
    graceful = settings["web"].default.graceful_shutdown_seconds
    assert seconds(services["web"]["stop_grace_period"]) >= graceful + 5


def test_the_worker_can_be_scaled():
    worker = compose()["services"]["worker"]
    assert not {"container_name", "ports", "hostname"} & worker.keys()


def test_redis_refuses_rather_than_forgets():
    command = " ".join(compose()["services"]["redis"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--maxmemory " in command


def test_nothing_is_published_beyond_this_machine():
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_and_the_image_run_commands_that_exist():
    from frontdesk.cli import app  # Here, so that the other tests need no command line.

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # A group.
    given = [compose()["services"][service]["command"] for service in OUR_SERVICES]
    image = re.findall(r"^CMD \[(.+)\]", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    given += [re.findall(r'"([^"]+)"', line) for line in image]
    for program, name, *options in given:
        assert program == "frontdesk"
        commands[name].make_context(name, options)  # Parses and does not run; raises UsageError.


# Dockerfile


def test_the_image_is_small_locked_unprivileged_and_checked():
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert len(stages) > 1
    assert all(re.match(r"python:3\.\d+-slim-\w+\b", stage) for stage in stages)
    installs = re.findall(r"pip install (.+)", text)
    assert installs
    assert all("--require-hashes" in install for install in installs)
    users = re.findall(r"^USER (\S+)", stages[-1], re.MULTILINE)
    assert users
    assert users[-1].split(":")[0] not in {"root", "0"}
    assert re.search(r"^HEALTHCHECK .*/livez", stages[-1], re.MULTILINE)
    assert not re.search(r"\b(curl|wget|apt-get)\b", text)


def test_the_image_copies_only_what_exists_and_is_let_through():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore, source


# Makefile and continuous integration


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps(name: str = "ci") -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def runs(name: str) -> list[str]:
    return [step["run"] for step in steps(name) if "run" in step]


def test_every_make_target_named_somewhere_exists():
    texts = [run for name in WORKFLOWS for run in runs(name)]
    texts += [(ROOT / ".ci/run").read_text(), (ROOT / "README.md").read_text()]
    for text in texts:
        for target in re.findall(r"(?:^|`)\s*make ([a-z-]+)", text, re.MULTILINE):
            assert target in make_targets(), target


def test_ci_runs_the_doors_everybody_uses():
    assert set(runs("ci")) == {"make check", "make test", "make test-local"}
    assert re.search(
        r"^make check\nmake test\nmake test-local$", (ROOT / ".ci/run").read_text(), re.MULTILINE
    )
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_the_api_is_fuzzed_deeply_each_night():
    # YAML reads the key `on` as true.
    assert workflow("nightly")[True]["schedule"]
    assert runs("nightly") == ["make fuzz"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_ci_holds_no_secret_and_may_write_nothing(name):
    assert workflow(name)["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow(name)["jobs"].values())
    assert "secrets." not in (ROOT / f".github/workflows/{name}.yml").read_text()
    for step in steps(name):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_the_example_evaluates_what_a_pull_request_changes_with_commands_that_exist():
    text = (ROOT / "docs/examples/evaluate-prompts.yml").read_text()
    example = yaml.safe_load(text)
    assert example[True]["pull_request"]["paths"] == ["prompts/**", "evaluation/**"]
    assert example["permissions"] == {"contents": "read"}
    (job,) = example["jobs"].values()
    assert set(job["env"]) <= setting_names()
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    commands = [
        step["run"] for step in job["steps"] if step.get("run", "").startswith("frontdesk ")
    ]
    assert commands[-1].startswith("frontdesk eval run --label candidate")
    for command in commands:
        group, name, *rest = command.removesuffix(" || true").split()[1:]
        known = typer.main.get_command(app).commands[group].commands[name]
        options = {option for each in known.params for option in each.opts}
        assert {word for word in rest if word.startswith("--")} <= options, command


# Locked packages


def locked(name: str) -> dict[str, list[str]]:
    """Each requirement of a file, and its hashes."""
    text = re.sub(r"\\\n\s*", "", (ROOT / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {
        line.partition("--hash=")[0].strip(): re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line)
        for line in lines
    }


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_package_is_pinned_with_its_hashes_and_no_index_is_named(name):
    assert len(locked(name)) > REQUIREMENTS[name]
    for requirement, hashes in locked(name).items():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+]+( ; .+)?", requirement), requirement
        assert hashes, requirement
    assert not re.search(r"https?://|index-url|find-links", (ROOT / name).read_text())


def test_tests_run_on_the_packages_that_production_gets():
    assert locked("requirements.txt").items() <= locked("requirements-dev.txt").items()


def test_what_tests_run_on_beside_the_local_model_is_what_the_extra_asks_for():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    asked = {re.split(r"[<>=~!]", requirement)[0] for requirement in extras["local-embeddings"]}
    assert asked <= {
        requirement.partition("==")[0] for requirement in locked("requirements-local.txt")
    }


def test_the_installed_litellm_is_the_locked_one():
    assert f"litellm=={version('litellm')}" in locked("requirements.txt")


def test_what_builds_the_package_is_locked_too():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    names = {requirement.partition("==")[0] for requirement in locked("requirements-dev.txt")}
    assert {re.split(r"[<>=~!]", requirement)[0] for requirement in needed} <= names


def test_no_package_runs_code_at_every_start_of_python():
    """litellm 1.82.8 stole credentials from a `.pth` file: no import was needed."""
    known = {"distutils-precedence.pth", "_virtualenv.pth"}  # setuptools; uv and virtualenv.
    folders = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    for file in (file for folder in folders for file in folder.glob("*.pth")):
        if file.name not in known:
            assert file.name == "_editable_impl_frontdesk.pth", f"{file.name} is not known here"
            assert Path(file.read_text().strip()).resolve() == (ROOT / "src").resolve()
