"""The rules that hold everywhere: floors, the wall between theory and simulation, one shape of feature."""

import dataclasses
import json
import re
import subprocess
import sys

import imports as graph
import pytest

from nfvlab import catalog

ALLOWED = {  # floor -> what a module there may import from outside; None: anything that pyproject.toml names
    0: set(),
    1: {"numpy"},
    2: {"numpy", "scipy"},
    3: {"numpy", "scipy"},
    4: None,
}
LAZILY = {"pandas": (1, 2, 3), "tqdm": (3,), "scipy": (1, 2, 3), "tomli_w": (1,)}  # inside a function
EXPORTS = ("Params", "Theory", "Samples", "analyze", "simulate", "SCENARIOS", "figure")
BUILT = [feature for feature in catalog.FEATURES if feature.built]
ENGINES = {  # what a feature stands on
    **dict.fromkeys(("freepages", "qat"), "precopy"),
    **dict.fromkeys(("cmt", "cat"), "llc"),
    **dict.fromkeys(("apicv", "timer", "vfio"), "realtime"),
}
FEATURES = sorted(feature.name for feature in BUILT)
MODELS = sorted(set(ENGINES.values()) | set(FEATURES))
MODULES = sorted(set(graph.modules()) - {"nfvlab.__main__"})


def test_the_map_names_every_module_once_and_nothing_else():
    top = {name.split(".")[1] for name in MODULES if name.count(".") >= 1}
    named = {name.partition("/")[0] for name in graph.floors()}
    assert named == top, f"{graph.MAP}: missing {sorted(top - named)}, gone {sorted(named - top)}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_floor_or_below(module):
    for found in sorted(graph.ours(module)):
        lazily_exported = module.count(".") == 1 and found == f"{module}.figures"
        if lazily_exported:
            assert all(not i.at_import for i in graph.imports(module) if i.name == found), "imports figures"
        else:
            assert graph.floor(found) <= graph.floor(module), f"{module} imports {found}, a floor above it"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_the_libraries_of_its_floor(module):
    level = graph.floor(module)
    allowed = ALLOWED[level]
    if allowed is None:
        return
    if module.startswith("nfvlab.kernels."):
        allowed = allowed | {"numba"}
    if module.startswith("nfvlab.readers."):
        allowed = allowed | {"pandas"}
    for found in graph.third_party(module):
        lazily = not found.at_import and level in LAZILY.get(found.root, ())
        assert found.root in allowed or lazily, f"{module} (floor {level}) imports {found.name}"


def test_only_one_place_compiles():
    users = [m for m in MODULES if any(i.root == "numba" for i in graph.third_party(m))]
    assert users == ["nfvlab.kernels.jit"]


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[1:2] and m.split(".")[1] in MODELS])
def test_features_do_not_import_features(module):
    name = module.split(".")[1]
    others = {m.split(".")[1] for m in graph.ours(module) if m.count(".")}
    others &= {feature.name for feature in catalog.FEATURES} | set(ENGINES.values())
    assert others <= {name, ENGINES.get(name)}


@pytest.mark.parametrize("name", ["precopy", *FEATURES])
def test_theory_and_simulation_share_the_parameters_and_nothing_else(name):
    analytic, simulation = (graph.reached(f"nfvlab.{name}.{side}") for side in ("analytic", "simulation"))
    assert f"nfvlab.{name}.simulation" not in analytic and f"nfvlab.{name}.analytic" not in simulation
    compiler = "nfvlab.kernels.jit"  # it computes nothing
    ground = graph.reached(f"nfvlab.{name}.params") | {compiler}
    models = tuple(f"nfvlab.{model}." for model in MODELS)
    shared = {m for m in analytic & simulation if m.startswith((*models, "nfvlab.kernels."))} - ground
    assert not shared, f"{name}: both sides stand on {sorted(shared)}"


@pytest.mark.parametrize("feature", BUILT, ids=lambda feature: feature.name)
def test_a_feature_exports_the_same_names_as_every_other(feature):
    package = feature.load()
    assert [name for name in EXPORTS if not hasattr(package, name)] == []
    assert package.__doc__ and len(package.__doc__.splitlines()) > 10, (
        "question, mechanism, left out, references"
    )
    outputs = {f.name for f in dataclasses.fields(package.Theory) if "nfvlab.output" in f.metadata}
    assert outputs == set(sys.modules[package.Params.__module__].OUTPUTS)


@pytest.mark.parametrize("feature", BUILT, ids=lambda feature: feature.name)
def test_scenarios_are_parameters_that_survive_json(feature):
    package = feature.load()
    assert package.SCENARIOS
    for name, p in package.SCENARIOS.items():
        assert type(p) is package.Params, name
        assert package.Params.from_json(p.to_json()) == p, name
        json.loads(p.to_json())


HEAVY = ("scipy.stats", "matplotlib", "pandas", "ipywidgets", "seaborn", "tqdm", "IPython")


@pytest.mark.parametrize("feature", BUILT, ids=lambda feature: feature.name)
def test_importing_a_feature_draws_nothing(feature):
    code = f"import nfvlab.{feature.name}, sys; print([m for m in {HEAVY} if m in sys.modules])"
    call = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("check", [("check",), ("format", "--check")], ids=" ".join)
def test_the_source_is_linted(check):
    call = [sys.executable, "-m", "ruff", *check, "--no-cache", "nfvlab", "tests"]
    done = subprocess.run(call, cwd=graph.PACKAGE.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_are_short_enough_to_read():
    long = {m: n for m, p in graph.modules().items() if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def test_no_tracked_file_names_a_place_that_only_one_machine_has():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=graph.PACKAGE.parent, capture_output=True, text=True, timeout=60
    )
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files are tracked")
    place = re.compile(
        r"""(?<![\w.~-])/(?:home|root|Users|work|farm)/\w|pypi[.]org|pythonhosted[.]|npmjs[.]"""
    )
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = graph.PACKAGE.parent / name
        if path.is_file() and (hit := place.search(path.read_text(encoding="utf-8", errors="replace"))):
            found.append(f"{name}: {hit[0]}")
    assert not found
