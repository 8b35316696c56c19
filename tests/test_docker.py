"""The Dockerfile and compose.yaml agree with the package: its files, extras, options, limits and open paths."""

import json
import re
import tomllib
from pathlib import Path

import typer
import yaml

from trivium.cli.serve import serve
from trivium.serve.guard import OPEN
from trivium.serve.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
LINES = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
STEPS = [(line.split()[0], line.split(maxsplit=1)[1]) for line in LINES if line and not line.startswith("#")]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["trivium"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def step(name: str) -> list[str]:
    """The words behind each line of a kind."""
    return [rest for kind, rest in STEPS if kind == name]


def test_all_that_the_package_is_built_of_is_copied() -> None:
    copied = {word for line in step("COPY") for word in line.split()[:-1]}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], *wheel["force-include"]}
    assert copied == {*needed, "src", "pyproject.toml", "constraints.txt"}
    assert all((ROOT / name).exists() for name in copied)
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert kept[0] == "*" and {line[1:] for line in kept if line.startswith("!")} == copied


def test_versions_and_extras_are_those_of_the_package() -> None:
    (image,), installs = step("FROM"), [line for line in step("RUN") if "pip install" in line]
    version = re.fullmatch(r"python:(3\.\d+)-slim", image)
    assert version and PROJECT["project"]["requires-python"] == f">={version[1]}"
    assert len(installs) == 1 and "-c constraints.txt" in installs[0]
    extras = re.search(r"\.\[([\w,]+)\]", installs[0])
    assert extras and {*extras[1].split(",")} <= {*PROJECT["project"]["optional-dependencies"]}
    assert f".[{extras[1]}]" in (ROOT / "Makefile").read_text(encoding="utf-8")  # what `make demo` installs


def test_the_command_has_options_of_serve_and_its_paths_are_those_of_compose() -> None:
    words, (folder,) = json.loads(step("ENTRYPOINT")[0]), json.loads(step("CMD")[0])
    app = typer.Typer()
    app.command()(serve)
    known = {name for option in typer.main.get_command(app).params for name in option.opts}
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert words[:2] == ["trivium", "serve"] and {*options} <= known
    (secret,) = SERVICE["secrets"]
    assert options["--key-file"] == f"/run/secrets/{secret}" and secret in COMPOSE["secrets"]
    assert SERVICE["volumes"][0].endswith(f":{folder}:ro") and SERVICE["read_only"]


def test_it_runs_without_root_is_asked_whether_it_is_ready_and_has_time_to_end() -> None:
    kinds = [kind for kind, _ in STEPS]
    assert step("USER") == ["trivium"] and kinds.index("USER") > max(
        at for at, kind in enumerate(kinds) if kind == "RUN"
    )
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", step("HEALTHCHECK")[0])
    assert asked and asked[2] == "/ready" and asked[2] in OPEN
    assert step("EXPOSE") == [asked[1]] == [str(Settings().port)]
    assert SERVICE["ports"] == [f"127.0.0.1:{asked[1]}:{asked[1]}"]
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > Settings().grace_seconds
    assert [*SERVICE["build"]["args"]] == step("ARG")


def test_docs_show_how_it_is_run() -> None:
    told = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    assert "docker compose up" in told
    assert {*re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text(encoding="utf-8"))} <= {
        *re.findall(r"\b[A-Z_]{5,}\b", told)
    }
