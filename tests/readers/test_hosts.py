"""Host files: what is written reads back, and what is no host file is refused."""

import pytest

from nfvlab.freepages import params as freepages
from nfvlab.paths import data_dir
from nfvlab.readers import ReaderError
from nfvlab.readers.hosts import host_text, read_host
from nfvlab.timer import params as timer

GOOD_HEAD = 'schema = "nfvlab-host/1"\n[constants]\nsend_ns = 1.0\n'
GOOD = {"send_ns": 1.25, "boot_low_pages": 7300, "fresh_touch_ns": 0.1 + 0.2}


def test_what_is_written_reads_back_exactly(tmp_path):
    path = tmp_path / "host.toml"
    path.write_text(host_text(GOOD, title='a "quoted" title', source="measured"), encoding="utf-8")
    constants, meta = read_host(path)
    assert constants == GOOD
    assert (meta.title, meta.source) == ('a "quoted" title', "measured")


def test_what_was_measured_of_compression_is_in_tables_by_method(tmp_path):
    path = tmp_path / "host.toml"
    told = {"all": {"own_ratio": 0.1 + 0.2}, "threads zlib": {"zlib_bytes_per_s": 45e6}, "xbzrle": {}}
    path.write_text(host_text(GOOD, title="a", source="b", compression=told), encoding="utf-8")
    constants, meta = read_host(path)
    assert constants == GOOD and meta.compression == {k: told[k] for k in ("all", "threads zlib")}
    path.write_text(host_text(GOOD, title="a", source="b", compression={"all": {}}), encoding="utf-8")
    assert read_host(path)[1].compression == {} and "compression" not in path.read_text()


@pytest.mark.parametrize("path", sorted((data_dir() / "hosts").glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_host_gives_valid_parameters(path):
    """Of a migration, or of the real-time path: one kind of scenario knows every constant."""
    constants, meta = read_host(path)
    assert meta.title
    assert meta.source
    kinds = [kind for kind in (freepages.Params, timer.Params) if set(constants) <= set(kind.specs())]
    assert kinds
    for kind in kinds:
        kind(**constants)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("schema = ", "not TOML"),
        ("[constants]\nsend_ns = 1.0\n", "schema is None"),
        ('schema = "nfvlab-host/9"\n[constants]\nsend_ns = 1.0\n', "nfvlab-host/9"),
        ('schema = "nfvlab-host/1"\n', "no table [constants]"),
        ('schema = "nfvlab-host/1"\nconstants = 3\n', "no table [constants]"),
        ('schema = "nfvlab-host/1"\n[constants]\nsend_ns = nan\n', "not finite numbers: send_ns"),
        ('schema = "nfvlab-host/1"\n[constants]\nsend_ns = "fast"\nagain_ns = true\n', "send_ns, again_ns"),
        (GOOD_HEAD + "[compression]\nown_ratio = 1.0\n", "not a table of tables"),
        (GOOD_HEAD + "[compression.all]\nown_ratio = inf\n", "not finite numbers: all.own_ratio"),
        ("\x00\x01", "NUL"),
        ("[" * 100_000, "not TOML"),
    ],
)
def test_what_is_no_host_file_is_refused(tmp_path, text, says):
    path = tmp_path / "host.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReaderError) as caught:
        read_host(path)
    assert says in str(caught.value)
