"""Set-up: the lists of dependencies agree, the Makefile plans what it should, the README's session runs."""

import doctest
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import nfvlab
from nfvlab import catalog

ROOT = Path(nfvlab.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[0-9][0-9a-z.]*)(?: ; (?P<marker>[^#;]+))?")


def declared() -> list[Requirement]:
    """Every requirement of pyproject.toml, those of the extras included, without the extras' names."""
    extras = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    requirements = [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]
    return [requirement for requirement in requirements if requirement.name != PROJECT["name"]]


def lower_bound(specifier: str) -> str:
    """The version of ">=version", the only form that both files use."""
    match = re.fullmatch(r">=([0-9][0-9.]*)", specifier.replace(" ", ""))
    assert match, f"{specifier!r}: give one lower bound, as >=1.2"
    return match[1]


def conda_bounds() -> dict[str, str]:
    """Name -> lower bound of every spec of environment.yml, each read by conda's own rules."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge"]
    specs = [line for line in environment["dependencies"] if isinstance(line, str)]
    by_pip = [line for line in environment["dependencies"] if not isinstance(line, str)]
    assert [list(entry) for entry in by_pip] == [["pip"]]
    specs += by_pip[0]["pip"]
    matched = [rattler.MatchSpec(spec, strict=True) for spec in specs if spec != "pip"]
    bounds = {spec.name.normalized: lower_bound(str(spec.version)) for spec in matched}
    assert len(bounds) == len(matched), "a package stands there twice"
    return bounds


def test_environment_yml_has_the_names_and_bounds_of_pyproject():
    expected = {requirement.name: lower_bound(str(requirement.specifier)) for requirement in declared()}
    assert len(expected) == len(declared()), "pyproject.toml asks for something twice"
    expected["python"] = lower_bound(PROJECT["requires-python"])
    assert conda_bounds() == expected


def test_the_dev_extra_is_all_the_others():
    extras = PROJECT["optional-dependencies"]
    (everything,) = (Requirement(line) for line in extras["dev"])
    assert everything.name == PROJECT["name"]
    assert everything.extras == set(extras) - {"dev"}


def pins() -> dict[str, str]:
    """Name -> version of every pin that applies to this interpreter; the lock's lines hold nothing else."""
    found = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        pin = PIN.fullmatch(line)
        assert pin, f"requirements.lock: {line!r} is not a name, a version and at most a marker"
        applies = Requirement(line).marker
        if applies is None or applies.evaluate():
            assert pin["name"] not in found, f"requirements.lock pins {pin['name']} twice"
            found[pin["name"]] = pin["version"]
    return found


def test_the_lock_pins_all_that_the_project_needs():
    pinned, queue, seen = pins(), declared(), set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"requirements.lock is stale: it lacks {name}"
        assert Version(pinned[name]) in requirement.specifier, f"{name}=={pinned[name]} is not {requirement}"
        if name not in seen and not seen.add(name):
            needs = [Requirement(line) for line in importlib.metadata.requires(name) or ()]
            queue += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def plan(folder: Path, *targets: str, **variables: str) -> str:
    """What make would run in `folder`, without running it."""
    if not shutil.which("make"):
        pytest.skip("make is not installed: the commands behind it are tested elsewhere")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    call = ["make", "-n", *targets, *(f"{name}={value}" for name, value in variables.items())]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("target", "runs"),
    [
        ("lab", "nfvlab lab --no-browser"),
        ("test", "--nbval --nbval-current-env tests notebooks --no-browser"),
        ("env", ""),
        ("notebooks", "nfvlab notebooks --no-browser"),
        ("bench", "pytest -s tests/benchmarks --no-browser"),
        ("report", "nfvlab report --no-browser"),
        ("clean", "rm -rf .venv"),
    ],
)
def test_make_has_its_targets_and_passes_args_on(target, runs):
    planned = plan(ROOT, target, ARGS="--no-browser")
    assert runs in planned
    assert not re.search(r"\b(sudo|apt|apt-get)\b", planned), "make never touches the system"


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder with a set-up that make takes for finished."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / ".venv/.stamp").write_text(f"{tmp_path}\n")
    return tmp_path


def test_a_finished_set_up_is_left_alone(checkout):
    assert "venv" not in plan(checkout, "env")


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements.lock"])
def test_a_stale_set_up_is_brought_up_to_date(checkout, changed):
    later = (checkout / ".venv/.stamp").stat().st_mtime + 10
    os.utime(checkout / changed, (later, later))
    planned = plan(checkout, "env")
    assert "-m venv" in planned and "-r requirements.lock -e ." in planned and "--clear" not in planned


def test_a_set_up_that_is_missing_moved_or_broken_is_made_afresh(checkout):
    (checkout / ".venv/.stamp").write_text("/elsewhere\n")
    assert "-m venv --clear" in plan(checkout, "env")
    (checkout / ".venv/.stamp").write_text(f"{checkout}\n")
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to("/nowhere/python3")
    assert "-m venv --clear" in plan(checkout, "env")
    shutil.rmtree(checkout / ".venv")
    assert "-m venv --clear" in plan(checkout, "env")


def test_continuous_integration_installs_what_tests_would_skip_and_runs_make_test():
    script = ROOT / ".ci/run"
    text = script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    assert all(package in text for package in ("qemu-system-x86", "chromium", "chromium-driver"))
    assert text.rstrip().endswith("make test")
    subprocess.run(["bash", "-n", script], check=True, timeout=60)


def test_there_are_benchmarks_and_they_are_collected():
    call = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/benchmarks",
    ]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_session_in_the_readme_runs_as_printed():
    session = doctest.DocTestParser().get_doctest(README, {}, "README.md", "README.md", 0)
    assert sum(example.source.count("\n") for example in session.examples) == 8
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(session, out=report.append)
    assert results.attempted and not results.failed, "".join(report)


def test_the_readme_has_its_parts():
    assert catalog.table() in README
    assert "\nmake lab " in README and "\nmake test " in README
    for heading in ("Your host", "What this is not"):
        assert f"\n## {heading}\n" in README
    ((alt, figure),) = re.findall(r"!\[([^]]+)\]\(([^)]+)\)", README)
    assert len(alt) > 40 and (ROOT / figure).is_file()
    local = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_one_version_everywhere():
    assert importlib.metadata.version("nfvlab") == nfvlab.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == nfvlab.__version__ and citation["license"] == "BSD-3-Clause"
    assert re.search(r"^## \[(Unreleased|\d)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
