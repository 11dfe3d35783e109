"""``sfml predict``: equal to predict_table, in batches of any size, and after any interruption."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sfml
from sfml.cli import main
from sfml.cli.parts import PartsFolder
from sfml.io import read_catalogue
from sfml.persistence import content_hash, save

PREDICTED = [f"{target}{end}" for target in sfml.TARGETS for end in ("", "_p16", "_p84")]


@pytest.fixture(scope="module")
def model(gappy_pipe, tmp_path_factory) -> Path:
    return save(gappy_pipe, tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(scope="module")
def catalogue(_survey, tmp_path_factory) -> Path:
    """A Parquet file of 900 galaxies, some of which are odd."""
    X = _survey[0].reset_index(drop=True)
    X.insert(0, "CATAID", 2**60 + np.arange(len(X)))
    X.insert(1, "RA", np.linspace(0, 360, len(X)))
    X["survey"] = "mock"
    X.loc[5:8, "Z"] = -999.0
    X.loc[20:30, ["u_flux", "u_fluxerr"]] = np.nan
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.parquet"
    X.to_parquet(path)
    return path


@pytest.fixture
def predict(model, catalogue, tmp_path):
    """Function that runs the command, and gives its exit code."""

    def run(*options: object, source: Path = catalogue, output: str = "out.parquet") -> int:
        arguments = ["predict", model, source, "-o", tmp_path / output, *options]
        return main([str(argument) for argument in arguments])

    return run


@pytest.fixture
def whole(gappy_pipe, catalogue) -> pd.DataFrame:
    return gappy_pipe.predict_table(pd.read_parquet(catalogue))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def equal(path: Path, whole: pd.DataFrame) -> bool:
    """Whether the predictions in a file are those of predict_table, bit by bit."""
    written = read_catalogue(path)
    assert written["CATAID"].tolist() == [2**60 + i for i in range(len(whole))]
    texts = written["reasons"].tolist() == whole["reasons"].tolist()
    numbers = [*PREDICTED, "flag"]
    return texts and np.array_equal(written[numbers], whole[numbers], equal_nan=True)


@pytest.mark.parametrize("batch_rows", [7, 300, 900, 901])
def test_batches_of_any_size_give_the_same(predict, tmp_path, whole, batch_rows):
    assert predict("--batch-rows", batch_rows, "--quiet", "--n-jobs", 3) == 0
    assert equal(tmp_path / "out.parquet", whole)
    assert not (tmp_path / "out.parquet.parts").exists()


def test_the_output_keeps_identifiers_units_and_provenance(
    predict, tmp_path, gappy_pipe, catalogue
):
    import pyarrow.parquet as pq

    assert predict("--quiet") == 0
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert schema.names == ["CATAID", "RA", "Z", *PREDICTED, "flag", "reasons"]
    assert schema.field("sfr_p16").metadata[b"unit"] == b"dex (Msun/yr)"
    provenance = json.loads(schema.metadata[b"sfml.provenance"])
    assert provenance["model_hash"] == content_hash(gappy_pipe)
    assert provenance["sfml_version"] == sfml.__version__
    assert provenance["input"] == "catalogue.parquet"
    assert provenance["uncertainty"] == "emulator"
    digest = subprocess.run(["sha256sum", catalogue], capture_output=True, text=True, check=True)
    assert provenance["input_sha256"] == digest.stdout.split()[0]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [("none", []), ("survey,CATAID", ["CATAID", "survey"]), ("all", None)],
)
def test_columns_to_keep(predict, tmp_path, catalogue, keep, kept):
    assert predict("--keep", keep, "--quiet") == 0
    written = read_catalogue(tmp_path / "out.parquet")
    given = pd.read_parquet(catalogue)
    kept = list(given) if kept is None else kept
    assert list(written) == [*kept, *PREDICTED, "flag", "reasons"]
    pd.testing.assert_frame_equal(written[kept], given[kept], check_dtype=False)


@pytest.mark.parametrize("name", ["out.fits", "out.csv", "out.ecsv", "out.vot"])
def test_other_formats(predict, tmp_path, whole, name):
    assert predict("--quiet", "--batch-rows", 400, output=name) == 0
    written = read_catalogue(tmp_path / name)
    assert written["CATAID"].tolist() == [2**60 + i for i in range(900)]
    np.testing.assert_allclose(written[PREDICTED], whole[PREDICTED], rtol=1e-12)
    assert not (tmp_path / f"{name}.parts").exists()


def test_json_and_summary_say_the_same(predict, tmp_path, whole, capsys):
    n_predicted = int(whole["sfr"].notna().sum())
    assert predict() == 0
    said = capsys.readouterr().out
    assert f"{n_predicted:,} of 900 galaxies are predicted" in said
    assert predict("--json", "--overwrite") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_rows"], found["n_predicted"]) == (900, n_predicted)
    assert found["flags"]["few_bands"] == int(((whole["flag"] & 2) > 0).sum())
    assert found["status"] == "done"
    assert predict("--quiet", "--overwrite") == 0
    assert capsys.readouterr().out == ""


def test_a_catalogue_without_rows(predict, tmp_path, catalogue):
    empty = tmp_path / "empty.parquet"
    pd.read_parquet(catalogue)[:0].to_parquet(empty)
    assert predict("--quiet", source=empty) == 0
    written = read_catalogue(tmp_path / "out.parquet")
    assert len(written) == 0
    assert list(written)[-2:] == ["flag", "reasons"]


def test_a_card_beside_the_output_says_what_it_is(predict, tmp_path, gappy_pipe, capsys):
    assert predict("--quiet") == 0
    card = (tmp_path / "out.parquet.README.md").read_text()
    assert "900 rows" in card
    assert "| `sfr_p16` | double | dex (Msun/yr) | percentile 16 of sfr |" in card
    assert content_hash(gappy_pipe) in card
    (tmp_path / "out.parquet").unlink()
    with pytest.raises(SystemExit) as ended:
        predict("--quiet")
    assert ended.value.code == 2
    assert "out.parquet.README.md is there already" in capsys.readouterr().err
    assert predict("--quiet", "--overwrite") == 0


class TestRefusals:
    def test_a_format_that_cannot_be_written(self, predict, tmp_path, capsys):
        with pytest.raises(SystemExit) as ended:
            predict(output="out.xls")
        assert ended.value.code == 2
        assert "out.xls" in capsys.readouterr().err
        assert not names(tmp_path)

    def test_the_output_is_not_overwritten(self, predict, tmp_path, capsys):
        (tmp_path / "out.parquet").write_text("precious")
        with pytest.raises(SystemExit) as ended:
            predict()
        assert ended.value.code == 2
        assert "--overwrite" in capsys.readouterr().err
        assert names(tmp_path) == {"out.parquet"}
        assert (tmp_path / "out.parquet").read_text() == "precious"

    def test_the_catalogue_is_not_the_output(self, predict, tmp_path, catalogue):
        (tmp_path / "out.parquet").write_bytes(catalogue.read_bytes())
        with pytest.raises(SystemExit) as ended:
            predict("--overwrite", source=tmp_path / "out.parquet")
        assert ended.value.code == 2

    def test_columns_that_both_have(self, predict, tmp_path, catalogue, capsys):
        X = pd.read_parquet(catalogue).assign(sfr=1.0)
        X.to_parquet(tmp_path / "in.parquet")
        with pytest.raises(SystemExit) as ended:
            predict("--keep", "all", source=tmp_path / "in.parquet")
        assert ended.value.code == 2
        assert "both have columns sfr" in capsys.readouterr().err

    def test_an_unknown_column_to_keep(self, predict, capsys):
        with pytest.raises(SystemExit):
            predict("--keep", "CATALD")
        assert "did you mean 'CATAID'?" in capsys.readouterr().err

    def test_a_catalogue_that_is_not_there(self, predict, tmp_path, capsys):
        assert predict("--json", source=tmp_path / "no.parquet") == 1
        said = capsys.readouterr()
        assert "no.parquet" in said.err
        assert json.loads(said.out)["status"] == "failed"
        assert not names(tmp_path)

    def test_a_catalogue_in_another_unit(self, predict, tmp_path, catalogue, capsys):
        """Its first rows speak for it; of its parts, none is refused for galaxies that are rare."""
        X = pd.read_parquet(catalogue)
        fluxes = [name for name in X if "_flux" in name]
        X[fluxes] = X[fluxes].where(X[fluxes] == -999, 1000 * X[fluxes])
        X.to_parquet(tmp_path / "mJy.parquet")
        assert predict("--batch-rows", 300, source=tmp_path / "mJy.parquet") == 1
        said = capsys.readouterr().err
        assert "another unit" in said
        assert "rows 0 to 299" in said
        assert names(tmp_path) == {"mJy.parquet"}


def test_galaxies_that_are_bright_in_one_batch_are_flagged(
    predict, tmp_path, catalogue, gappy_pipe
):
    X = pd.read_parquet(catalogue)
    fluxes = [name for name in X if "_flux" in name]
    bright = X.iloc[600:].copy()
    bright[fluxes] = bright[fluxes].where(bright[fluxes] == -999, 1000 * bright[fluxes])
    X = pd.concat([X.iloc[:600], bright])
    X.to_parquet(tmp_path / "in.parquet")
    assert predict("--batch-rows", 300, "--quiet", source=tmp_path / "in.parquet") == 0
    flags = read_catalogue(tmp_path / "out.parquet")["flag"]
    assert ((flags[600:] & sfml.flags.Flag.UNIT) > 0).mean() > 0.5
    assert equal(tmp_path / "out.parquet", gappy_pipe.predict_table(X))


def stop_at(monkeypatch, number: int, error: BaseException) -> list[int]:
    """Fail when a part is to be written; returns the numbers of those that are."""
    write, written = PartsFolder.write, []

    def write_or_fail(self, n, table):
        if n == number:
            raise error
        write(self, n, table)
        written.append(n)

    monkeypatch.setattr(PartsFolder, "write", write_or_fail)
    return written


@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError(errno.ENOSPC, "No space left on device"), 1), (KeyboardInterrupt(), 130)],
)
def test_a_full_disk_and_ctrl_c_keep_what_was_done(
    predict, tmp_path, whole, monkeypatch, capsys, error, code
):
    with monkeypatch.context() as patch:
        stop_at(patch, 3, error)
        assert predict("--batch-rows", 200) == code
    kept = PartsFolder(tmp_path / "out.parquet").finished()
    # Those after it may have been begun already.
    assert {1, 2} <= kept.keys()
    assert 3 not in kept
    said = capsys.readouterr().err
    assert f"{sum(kept.values())} rows are predicted and kept" in said
    assert "the same command goes on from there" in said
    assert names(tmp_path) == {"out.parquet.parts"}
    written = stop_at(monkeypatch, 99, error)
    assert predict("--batch-rows", 200) == 0
    assert f"{sum(kept.values())} rows are done" in capsys.readouterr().err
    assert sorted(written) == [number for number in (3, 4, 5) if number not in kept]
    assert equal(tmp_path / "out.parquet", whole)


def test_a_damaged_part_is_made_again(predict, tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 5, KeyboardInterrupt())
        assert predict("--batch-rows", 200, "--quiet") == 130
    part = tmp_path / "out.parquet.parts" / "000002.arrow"
    part.write_bytes(part.read_bytes()[:-100])
    written = stop_at(monkeypatch, 99, KeyboardInterrupt())
    assert predict("--batch-rows", 200, "--quiet") == 0
    assert sorted(written) == [2, 5]
    assert equal(tmp_path / "out.parquet", whole)


def test_parts_of_another_command_are_refused(predict, tmp_path, catalogue, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_at(patch, 3, KeyboardInterrupt())
        assert predict("--batch-rows", 200, "--quiet") == 130
    for options, differs in ((["--keep", "none"], "keep"), (["--batch-rows", 300], "batch-rows")):
        with pytest.raises(SystemExit) as ended:
            predict("--batch-rows", 200, *options)
        assert ended.value.code == 2
        assert f"differs in {differs}" in capsys.readouterr().err
    os.utime(catalogue, ns=(0, 0))
    with pytest.raises(SystemExit):
        predict("--batch-rows", 200)
    assert "differs in catalogue" in capsys.readouterr().err
    assert predict("--batch-rows", 300, "--restart", "--quiet") == 0


def in_process(model: Path, catalogue: Path, output: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "sfml", "predict", model, catalogue, "-o", output]
    return subprocess.Popen(
        [*command, "--batch-rows", "40", "--quiet", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_until_done(start, output: Path, rng: random.Random, n_kills: int, longest: float) -> None:
    """Kill runs after random times, at most so often, and go on until the output is complete."""
    killed = 0
    # A run may be killed when its work is done, and Python is about to end.
    while not output.exists() or PartsFolder(output).path.exists():
        run = start()
        if killed < n_kills:
            time.sleep(rng.uniform(0, longest))
            run.kill()
        _, said = run.communicate(timeout=120)
        assert run.returncode in (0, -signal.SIGKILL), said
        killed += 1


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_and_run_again(model, catalogue, tmp_path, whole, n_kills):
    output = tmp_path / "out.parquet"
    before = time.perf_counter()
    run = in_process(model, catalogue, tmp_path / "other.parquet")
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    longest = time.perf_counter() - before
    rng = random.Random(n_kills)
    kill_until_done(lambda: in_process(model, catalogue, output), output, rng, n_kills, longest)
    assert equal(output, whole)
    cards = {"out.parquet.README.md", "other.parquet.README.md"}
    assert names(tmp_path) == {"out.parquet", "other.parquet", *cards}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs ulimit")
def test_a_file_that_may_not_grow(model, catalogue, tmp_path, whole):
    """A limit on the size of files, as a full disk: the parts fit, the joined file does not."""
    output = tmp_path / "out.parquet"
    command = f"{sys.executable} -m sfml predict {model} {catalogue} -o {output} --batch-rows 40"
    limited = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; ulimit -f 30; {command}"], capture_output=True, text=True
    )
    assert limited.returncode == 1, limited.stderr
    assert "kept in" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert names(tmp_path) == {"out.parquet.parts"}
    assert subprocess.run(command.split()).returncode == 0
    assert equal(output, whole)
