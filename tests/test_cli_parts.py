"""Results in parts: kept across runs that are cut short, and joined when they are complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from sfml.cli.options import UsageError
from sfml.cli.parts import PartsFolder


def table(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


def write_joined(parts: PartsFolder):
    def write(path: Path) -> int:
        rows = pa.concat_tables(parts.tables()).column("x").to_pylist()
        path.write_text(str(rows))
        return len(rows)

    return write


def test_parts_are_joined_in_order_and_the_folder_goes(tmp_path):
    parts = PartsFolder(tmp_path / "out")
    with parts.open({"model": 1}):
        parts.write(2, table(3))
        parts.write(1, table(1, 2))
        assert parts.finished() == {1: 2, 2: 1}
        assert parts.publish(write_joined(parts)) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "[1, 2, 3]"


def interrupted_after(parts: PartsFolder, *tables: pa.Table, error: BaseException) -> None:
    """Write parts, and fail."""
    with parts.open({"model": 1}):
        for number, each in enumerate(tables, start=1):
            parts.write(number, each)
        raise error


def test_the_next_run_finds_them(tmp_path):
    parts = PartsFolder(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(parts, table(1), error=KeyboardInterrupt())
    again = PartsFolder(tmp_path / "out")
    with again.open({"model": 1}):
        assert again.finished() == {1: 1}


def test_a_run_that_made_nothing_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), PartsFolder(tmp_path / "out").open({"model": 1}):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_parts_of_another_run_are_refused_and_may_be_thrown_away(tmp_path):
    parts = PartsFolder(tmp_path / "out")
    with parts.open({"model": 1, "keep": ["a"]}):
        parts.write(1, table(1))
    with (
        pytest.raises(UsageError, match=r"differs in model\. .*--restart"),
        parts.open({"model": 2, "keep": ["a"]}),
    ):
        pass
    assert parts.finished() == {1: 1}
    with parts.open({"model": 2, "keep": ["a"]}, restart=True):
        assert parts.finished() == {}


def test_files_of_someone_else_are_left_alone(tmp_path):
    (tmp_path / "out.parts").mkdir()
    (tmp_path / "out.parts" / "000001.arrow").write_text("mine")
    for restart in (False, True):
        with (
            pytest.raises(UsageError, match=r"other files, such as 000001\.arrow"),
            PartsFolder(tmp_path / "out").open({}, restart=restart),
        ):
            pass
    assert (tmp_path / "out.parts" / "000001.arrow").read_text() == "mine"


def test_a_part_cut_short_is_no_part(tmp_path):
    parts = PartsFolder(tmp_path / "out")
    with parts.open({}):
        parts.write(1, table(1, 2, 3))
        parts.write(2, table(4))
        whole = (parts.path / "000001.arrow").read_bytes()
        for n_bytes in (0, 10, len(whole) // 2, len(whole) - 1):
            (parts.path / "000001.arrow").write_bytes(whole[:n_bytes])
            assert parts.finished() == {2: 1}, n_bytes


def test_a_full_disk_leaves_the_parts_before(tmp_path, monkeypatch):
    parts = PartsFolder(tmp_path / "out")
    with parts.open({}):
        parts.write(1, table(1))
        monkeypatch.setattr(os, "fsync", _raise_no_space)
        with pytest.raises(OSError, match="No space"):
            parts.write(2, table(2))
    assert parts.finished() == {1: 1}
    assert sorted(path.name for path in parts.path.iterdir()) == ["000001.arrow", "state.json"]


def _raise_no_space(descriptor):
    raise OSError(28, "No space left on device")


def test_an_output_that_appears_meanwhile_is_not_overwritten(tmp_path):
    parts = PartsFolder(tmp_path / "out")
    with parts.open({}):
        parts.write(1, table(1))
        parts.output.write_text("precious")
        with pytest.raises(FileExistsError):
            parts.publish(write_joined(parts))
        assert parts.output.read_text() == "precious"
        assert parts.publish(write_joined(parts), overwrite=True) == 1
    assert parts.output.read_text() == "[1]"


@pytest.mark.parametrize("step", ["_write_state", "_clear"])
def test_a_run_killed_while_it_tidies_up_was_complete(tmp_path, monkeypatch, step):
    """Killed after the output has its name: the next run only removes the folder."""
    parts = PartsFolder(tmp_path / "out")
    with parts.open({"model": 1}):
        parts.write(1, table(1))
        parts.write(2, table(2))
        write = write_joined(parts)

        def killed(self, *state):
            raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(PartsFolder, step, killed)
            with pytest.raises(SystemExit):
                parts.publish(write)
    again = PartsFolder(tmp_path / "out")
    with again.open({"model": 1}):
        assert again.is_published()
        again.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(os.name == "nt", reason="no locks on Windows")
def test_two_runs_do_not_share_a_folder(tmp_path):
    program = (
        "import sys; from pathlib import Path; from sfml.cli.parts import PartsFolder\n"
        "with PartsFolder(Path(sys.argv[1])).open({}): print('open')"
    )
    parts = PartsFolder(tmp_path / "out")
    with parts.open({}):
        parts.write(1, table(1))
        other = subprocess.run(
            [sys.executable, "-c", program, tmp_path / "out"], capture_output=True, text=True
        )
    assert "another run is writing" in other.stderr
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "out"], capture_output=True, text=True
    )
    assert done.stdout == "open\n", done.stderr


def test_a_column_may_be_empty_in_a_part(tmp_path):
    parts = PartsFolder(tmp_path / "out")
    with parts.open({}):
        parts.write(1, pa.table({"x": pa.nulls(2)}))
        parts.write(2, pa.table({"x": pa.array([2**62 + 1], pa.int64())}))
        joined = pa.concat_tables(parts.tables())
    assert joined.column("x").to_pylist() == [None, None, 2**62 + 1]
