"""`nfvlab advise` says what was seen, what is known, what to paste and what is open; or one message and status 2."""

import json
import subprocess
import sys

import numpy as np
import pqos_samples
import pytest
import resctrl_samples
from cat.host_for_tests import Stretch, bandwidth, best_ways, record
from cat.watched_for_tests import WAYS, cliff, flat, power
from qemu_samples import RECORDINGS

from nfvlab.cli import main

FULL = (1 << WAYS) - 1
TRUTHS = {"/": flat(3e8), "vm": power(4e9, 0.6), "web": cliff(2e9, 6, 2e8), "scan": flat(3e9)}
SHARED = Stretch(
    40, dict.fromkeys(TRUTHS, FULL), {"/": (1.5, 0.5), "vm": (5, 1), "web": (7, 1), "scan": (6, 1)}
)
APART = Stretch(40, {"/": 0x3, "vm": 0xFF000, "web": 0xFC0, "scan": 0x3C})


def files(kind):
    """Stored recordings of a kind."""
    return sorted((RECORDINGS[0].parents[1] / kind).iterdir())


@pytest.fixture
def cache(tmp_path):
    def run(*stretches, name="cache.json", truths=TRUTHS, seed=5, **fields):
        return record(tmp_path / name, np.random.default_rng(seed), truths, stretches, **fields)

    return run


@pytest.fixture
def advise(capsys):
    def run(*words):
        status = main(["advise", *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def refused(advise, *words):
    status, out, err = advise(*words)
    assert status == 2 and out == "" and err.startswith("nfvlab: ") and err.count("\n") == 1
    return err


def block(text, title):
    """Rows below a title, as lists of words."""
    lines = text.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(title))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("  "):
            break
        rows.append(line.split())
    return rows


def test_it_says_what_was_seen_and_what_to_paste(cache, advise):
    path = cache(SHARED, Stretch(40, APART.masks | {"vm": 0xF000}))
    before = path.read_bytes()
    status, text, err = advise(path)
    assert (status, err) == (0, "") and path.read_bytes() == before
    assert "L3        20 ways of 2 MiB, 1 domain advised" in text
    seen = [row for row in block(text, "domain 0: seen") if row[0] == "vm"]
    assert [row[4] for row in seen] == ["fffff", "f000"] and seen[0][1:4] == ["from", "the", "start"]
    assert "40 s" in " ".join(seen[1]) and "4.0 ways  8 MiB" in text
    paste = block(text, "to paste")
    assert [row[-1] for row in paste[:4]] == [
        f"/sys/fs/resctrl/{name}schemata" for name in ("", "vm/", "web/", "scan/")
    ]
    assert "in-memory resctrl in the recording's state accepts every one" in text
    opened = "\n".join(" ".join(row) for row in block(text, "domain 0: left open"))
    assert "other masks could be better by" in opened and "of its own for a minute" in opened


def test_the_planted_optimum_is_within_what_it_says(cache, advise, tmp_path):
    path, out = cache(SHARED, APART, noise=1e-6), tmp_path / "out.json"
    status, _, _ = advise(path, "--bold", "--json", out)
    (domain,) = json.loads(out.read_text())["domains"]
    ways = {row["group"]: row["ways"] for row in domain["groups"]}
    missed = bandwidth(TRUTHS, ways) - bandwidth(TRUTHS, best_ways(TRUTHS))
    open_above = domain["regret_bytes_per_s"]  # null: nothing bounds it
    assert status == 0 and (open_above is None or missed <= open_above * 1.001)
    for row in domain["groups"]:
        most = row["upper_bytes_per_s"]
        true = float(TRUTHS[row["group"]](float(row["ways"])))
        assert row["lower_bytes_per_s"] <= true * 1.001 and (most is None or true <= most * 1.001)


def test_the_json_holds_what_is_printed(cache, advise, tmp_path):
    out = tmp_path / "out.json"
    _, text, _ = advise(cache(SHARED, APART), "--json", out)
    made = json.loads(out.read_text(), parse_constant=lambda word: pytest.fail(word))
    assert made["accepted"] and made["refused"] == [] and made["ways"] == WAYS
    assert (
        len(made["seen"]) == 8 and len(made["domains"][0]["groups"][0]["curve_bytes_per_s"]["lower"]) == WAYS
    )
    for write in made["writes"]:
        assert f"printf '{write['text']}\\n' > /sys/fs/resctrl/{write['path']}" in text


def test_options(cache, advise):
    path = cache(SHARED, APART, shareable=0xC0000)

    def ways(*words):
        _, text, _ = advise(path, *words)
        rows = block(text, "domain 0: recommended")
        return {row[0]: int(row[1]) for row in rows[1:] if row[0] in TRUTHS}

    plain, io = ways(), ways("--use-io-ways")
    assert sum(plain.values()) <= 18 and sum(io.values()) > 18
    assert ways("--bold", "--min-ways", "/=6", "scan=3")["/"] >= 6
    assert ways("--bold", "--weights", "web=50")["web"] >= ways("--bold", "--weights", "web=0.001")["web"]
    _, text, _ = advise(path, "--weights", "vm=3")
    assert "a byte of / counts 1, of vm counts 3" in text


def test_two_recordings_of_one_host(cache, advise):
    status, text, _ = advise(cache(SHARED), cache(APART, name="second.json", seed=6))
    assert status == 0 and text.count("file  ") == 2
    assert "from the start, recording 1  fffff" in text and "from the start, recording 2  ff000" in text


def test_what_cannot_be_advised_is_noted(cache, advise):
    status, text, _ = advise(cache(APART, unread=("web",)))
    notes = "\n".join(" ".join(row) for row in block(text, "notes"))
    assert status == 0 and "web in domain 0 is left out: 0 intervals" in notes
    assert "web keeps fc0 in domain 0: not given to others" in notes
    assert "web/schemata" not in text


def test_one_snapshot_is_told_to_record(advise, tmp_path):
    tree = resctrl_samples.write(tmp_path / "copy", resctrl_samples.plain())
    resctrl_samples.pack(tmp_path / "copy.tar", resctrl_samples.plain())
    for path in (tree, tmp_path / "copy.tar"):
        err = refused(advise, path)
        assert "one snapshot cannot give a curve" in err and "nfvlab record resctrl --seconds 60" in err


def test_other_recordings_are_told_what_to_record(advise, tmp_path):
    (tmp_path / "cores.csv").write_text(pqos_samples.csv(pqos_samples.scene()))
    (tmp_path / "config.txt").write_text(pqos_samples.config())
    for path in (tmp_path / "cores.csv", tmp_path / "config.txt", RECORDINGS[0]):
        assert "nfvlab record resctrl" in refused(advise, path)
    assert "neither which ways" in refused(advise, tmp_path / "cores.csv")


def test_refusals_name_the_reason_in_one_line(cache, advise, tmp_path):
    path = cache(SHARED)
    no_cat = resctrl_samples.write(tmp_path / "l2", resctrl_samples.l2())
    for words, reason in (
        ((tmp_path / "missing.json",), "missing.json"),
        ((no_cat,), "no cache allocation"),
        (
            (cache(SHARED, name="mbm.json", events=("llc_occupancy",)),),
            "no group has a value of mbm_total_bytes",
        ),
        ((cache(Stretch(3, SHARED.masks), name="short.json"),), "no group can be advised"),
        ((path, "--weights", "db=2"), "there are /, scan, vm, web"),
        ((path, "--min-ways", "vm=15", "web=15"), "ways"),
        ((path, "--weights", "vm=2", "vm=3"), "vm stands twice"),
        ((path, path, "--weights", "vm=0"), "weights"),
        ((path, "--json", tmp_path / "no" / "out.json"), "no/out.json"),
    ):
        if words[-2:-1] == ("--json",):  # found out when it is written, after the table
            status, _, err = advise(*words)
            assert status == 2 and reason in err
        else:
            assert reason in refused(advise, *words), words


@pytest.mark.parametrize("text", ["vm", "=2", "vm=", "vm=-1", "vm=nan", "vm=inf", "vm=two"])
def test_options_that_are_no_pair_are_refused(text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["advise", "cache.json", "--weights", text])
    assert caught.value.code == 2 and "write vm=2" in capsys.readouterr().err


def test_a_refused_line_shows_in_the_status(cache, advise):
    """An exclusive group may have no ways that devices fill; here it is the first to be placed, at the top."""
    stretch = Stretch(40, {"/": 0x3, "vm": 0x3F000, "web": 0xFC0, "scan": 0x3C})
    path = cache(stretch, shareable=0xC0000, modes={"vm": "exclusive"}, unread=("/",))
    status, text, err = advise(path, "--use-io-ways", "--bold")
    assert (status, err) == (4, "") and "accepts every one" not in text
    (why,) = [row for row in block(text, "refused by an in-memory resctrl") if "vm/mode:" in row]
    assert "exclusive" in why
    status, text, _ = advise(path, "--bold")
    assert status == 0 and "accepts every one" in text


def test_hostile_names_stay_on_one_line(cache, advise):
    name = "x;\x1b[31mreboot"
    truths = {"/": flat(3e8), name: power(4e9, 0.6)}
    status, text, _ = advise(cache(Stretch(40, {"/": 0x3, name: 0xFF00}), truths=truths))
    assert status == 0 and "\x1b" not in text and "'/sys/fs/resctrl/x;" in text


def test_no_traceback_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "torn.json"
    path.write_text('{"schema": "nfvlab-resctrl/1"')
    done = subprocess.run(
        [sys.executable, "-m", "nfvlab", "advise", path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "path", [p for kind in ("resctrl", "pqos", "perf_stat") for p in files(kind)], ids=lambda path: path.name
)
def test_every_stored_recording_is_advised_or_refused_in_a_line(advise, path):
    status, text, err = advise(path)
    if status == 0:
        assert err == "" and ("accepts every one" in text or "nothing to paste" in text)
    else:
        assert status == 2 and text == "" and err.count("\n") == 1
