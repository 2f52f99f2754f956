"""The command line: every command is there, wrong input is one message and status 2, never a traceback."""

import subprocess
import sys

import pytest

from nfvlab import __version__, cli
from nfvlab.commands import lab
from nfvlab.params import ParamError, Problem
from nfvlab.paths import DataNotFound, data_dir, data_file, notebooks_dir
from nfvlab.readers import ReaderError

COMMANDS = ("lab", "notebooks", "report", "read", "advise", "calibrate", "predict", "record", "measure")


def run(*arguments: str) -> subprocess.CompletedProcess:
    call = [sys.executable, "-W", "error", "-m", "nfvlab", *arguments]
    return subprocess.run(call, capture_output=True, text=True, timeout=120)


def test_help_lists_every_command():
    done = run("--help")
    assert done.returncode == 0
    assert [command for command in COMMANDS if f"\n    {command}" not in done.stdout] == []


def test_version_is_the_package_s():
    assert run("--version").stdout == f"nfvlab {__version__}\n"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "lab"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0
    assert f"usage: nfvlab {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [(), ("migrate",), ("calibrate",), ("measure",)])
def test_wrong_usage_is_status_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:") and "Traceback" not in done.stderr


def test_an_input_that_does_not_exist_is_one_message(tmp_path):
    done = run("read", str(tmp_path / "missing.json"))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("nfvlab: ") and "missing.json" in done.stderr
    assert "Traceback" not in done.stderr


PROBLEM = Problem("ram_bytes", -1, "must lie in [1, 2]", "give bytes")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ParamError([PROBLEM, PROBLEM]), "must lie in [1, 2]"),
        (
            ReaderError("run.json", 3, "downtime is NaN", "record it again"),
            "run.json, line 3: downtime is NaN",
        ),
        (DataNotFound("no data folder"), "no data folder"),
        (PermissionError(13, "Permission denied", "host.toml"), "host.toml: Permission denied"),
    ],
    ids=("ParamError", "ReaderError", "DataNotFound", "PermissionError"),
)
def test_an_error_in_the_input_is_a_message_on_stderr(error, says, monkeypatch, capsys):
    def fail(args):
        raise error

    monkeypatch.setattr(lab, "run", fail)
    assert cli.main(["lab"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("nfvlab: ") and says in printed.err


def test_a_mistake_of_ours_is_not_dressed_up_as_the_reader_s(monkeypatch):
    def fail(args):
        raise ZeroDivisionError

    monkeypatch.setattr(lab, "run", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["lab"])


def test_an_interrupt_is_status_130(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(lab, "run", interrupt)
    assert cli.main(["lab"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_lab_binds_to_localhost_opens_the_tour_and_lets_the_reader_s_options_win(monkeypatch):
    calls = []
    monkeypatch.setattr(lab.subprocess, "call", lambda call: calls.append(call) or 0)
    assert cli.main(["lab", "--no-browser", "--port=9999"]) == 0
    (call,) = calls
    assert "--ServerApp.ip=localhost" in call
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in call
    assert not [option for option in call if "token" in option.lower() or "password" in option.lower()]
    assert call[-2:] == ["--no-browser", "--port=9999"]


def test_lab_s_settings_are_where_it_points_jupyterlab(monkeypatch):
    (option,) = [o for o in lab.command([]) if o.startswith("--LabApp.app_settings_dir=")]
    assert option.partition("=")[2] == str(lab.SETTINGS) and (lab.SETTINGS / "overrides.json").is_file()


def test_data_is_found_in_the_checkout_or_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("NFVLAB_DATA", raising=False)
    assert data_file("SOURCES.md").is_file() and notebooks_dir().is_dir()
    monkeypatch.setenv("NFVLAB_DATA", str(tmp_path))
    assert data_dir() == tmp_path
    with pytest.raises(DataNotFound, match=r"published[.]csv is not in .*SOURCES[.]md"):
        data_file("published.csv")
    monkeypatch.setenv("NFVLAB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataNotFound, match="NFVLAB_DATA=.*is not a folder"):
        data_dir()
