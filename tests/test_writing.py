"""Files that are there in full or not at all, alone or together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sfml.cli.output import OutputFolder
from sfml.tables import writing
from sfml.tables.writing import write_files


def contents(folder: Path) -> dict[str, str]:
    """Text of every file in a folder, hidden ones too."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def failing(error: BaseException):
    def writer(path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise error

    return writer


def test_text_and_writers_in_new_folders(tmp_path):
    paths = [tmp_path / "a" / "one.txt", tmp_path / "b" / "c" / "two.fits"]
    seen = []

    def writer(path: Path) -> None:
        seen.append(path)
        path.write_bytes(b"2")

    assert write_files({paths[0]: "Ångström", str(paths[1]): writer}) == paths
    assert paths[0].read_bytes() == "Ångström".encode()
    assert contents(paths[1].parent) == {"two.fits": "2"}
    # Writers tell the format by the suffix.
    assert seen[0].suffix == ".fits"
    assert seen[0].parent == paths[1].parent


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_all_as_it_was(tmp_path, error):
    (tmp_path / "a").write_text("old", encoding="utf-8")
    new = tmp_path / "deep" / "er" / "b"
    with pytest.raises(type(error)):
        write_files({tmp_path / "a": "new", new: failing(error)}, overwrite=True)
    assert contents(tmp_path) == {"a": "old"}


@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()])
@pytest.mark.parametrize("failing_at", [0, 1, 2])
def test_a_rename_that_fails_undoes_the_earlier_ones(tmp_path, monkeypatch, error, failing_at):
    """All are old, of which "b" was not there, wherever the renames stop."""
    for name in "ac":
        (tmp_path / name).write_text("old", encoding="utf-8")
    publish, published = writing._publish, []

    def stopping(temporary, path, *args, **options):
        if len(published) == failing_at:
            raise error
        publish(temporary, path, *args, **options)
        published.append(path.name)

    monkeypatch.setattr(writing, "_publish", stopping)
    with pytest.raises(type(error)):
        write_files({tmp_path / name: "new" for name in "abc"}, overwrite=True)
    assert published == ["a", "b", "c"][:failing_at]
    assert contents(tmp_path) == {"a": "old", "c": "old"}


def test_a_rename_that_the_system_refuses_keeps_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old", encoding="utf-8")

    replace, calls = Path.replace, []

    def refuse_once(self, target):
        calls.append(target)
        if len(calls) == 1:
            raise PermissionError("refused")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_once)
    with pytest.raises(PermissionError, match="refused"):
        write_files({tmp_path / "a": "new"}, overwrite=True)
    assert contents(tmp_path) == {"a": "old"}


def test_nothing_is_replaced_unasked(tmp_path):
    (tmp_path / "b").write_text("mine", encoding="utf-8")
    called = []
    with pytest.raises(FileExistsError, match=r"b is there already.*overwrite=True"):
        write_files({tmp_path / "a": called.append, tmp_path / "b": "new"})
    assert not called
    assert contents(tmp_path) == {"b": "mine"}


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    def writer(path: Path) -> None:
        path.write_text("ours", encoding="utf-8")
        (tmp_path / "b").write_text("theirs", encoding="utf-8")

    with pytest.raises(FileExistsError, match="there already"):
        write_files({tmp_path / "a": "ours", tmp_path / "b": writer})
    assert contents(tmp_path) == {"b": "theirs"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_system_without_links(tmp_path, monkeypatch, overwrite):
    def refuse(*paths):
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", refuse)
    write_files({tmp_path / "a": "1", tmp_path / "b": "2"}, overwrite=overwrite)
    assert contents(tmp_path) == {"a": "1", "b": "2"}
    write_files({tmp_path / "a": "3", tmp_path / "b": "4"}, overwrite=True)
    assert contents(tmp_path) == {"a": "3", "b": "4"}
    with pytest.raises(OSError, match="disk full"):
        write_files(
            {tmp_path / "a": "5", tmp_path / "c": failing(OSError("disk full"))}, overwrite=True
        )
    assert contents(tmp_path) == {"a": "3", "b": "4"}


def test_folders_links_repeats_and_writers_of_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError, match="folder is there already"):
        write_files({tmp_path / "folder": "x"}, overwrite=True)
    with pytest.raises(ValueError, match="named twice"):
        write_files({tmp_path / "a": "x", tmp_path / "folder" / ".." / "a": "y"})
    with pytest.raises(RuntimeError, match=r"Nothing was written to .*a'"):
        write_files({tmp_path / "a": lambda path: None})
    (tmp_path / "real").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_files({tmp_path / "link": "new"}, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == "new"


def test_permissions_stay(tmp_path):
    path = tmp_path / "a"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    write_files({path: "new"}, overwrite=True)
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_commands_folder_writes_with_it(tmp_path):
    folder = OutputFolder.open(tmp_path)
    folder.write("a.csv", lambda path: path.write_text("1", encoding="utf-8"))
    with pytest.raises(KeyboardInterrupt):
        folder.write("a.csv", failing(KeyboardInterrupt()))
    assert contents(tmp_path) == {"a.csv": "1"}
    assert folder.written == [tmp_path / "a.csv"]
