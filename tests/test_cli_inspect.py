"""``sfml inspect`` and ``sfml convert``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sfml
from sfml.cli import main
from sfml.cli.inspect import describe_bands
from sfml.io import read_catalogue
from sfml.persistence import save


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def catalogue(survey, tmp_path) -> Path:
    X = survey[0].reset_index(drop=True)
    X.insert(0, "CATAID", 2**60 + np.arange(len(X)))
    path = tmp_path / "catalogue.parquet"
    X.to_parquet(path)
    return path


@pytest.fixture
def model(gappy_pipe, tmp_path) -> Path:
    return save(gappy_pipe, tmp_path / "model.safetensors", card={"description": "for a test"})


class TestModel:
    def test_its_card_is_shown(self, model, capsys):
        assert run("inspect", model) == 0
        said = capsys.readouterr().out
        assert "description: for a test" in said
        assert "dex (Msun/yr)" in said

    def test_for_machines(self, model, capsys):
        assert run("inspect", model, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["kind"] == "model"
        assert found["card"]["targets"][1]["name"] == "sfr"

    def test_a_damaged_model_is_an_error(self, model, capsys):
        model.write_bytes(model.read_bytes()[:100])
        assert run("inspect", model) == 1
        assert "model.safetensors" in capsys.readouterr().err


class TestCatalogue:
    def test_what_the_selection_would_reject(self, catalogue, capsys):
        assert run("inspect", catalogue, "--survey", "GAMA", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        X = pd.read_parquet(catalogue)
        select = sfml.make_star_formation_pipeline()["select"].fit(X)
        assert found["n_rows"] == 900
        assert found["identifiers"] == ["CATAID"]
        assert found["n_selected"] == select.report_.n_selected
        assert found["missing"] == select.report_.missing
        assert found["absent_bands"] == []

    def test_the_table_of_bands(self, catalogue, capsys):
        assert run("inspect", catalogue, "--survey", "GAMA") == 0
        said = capsys.readouterr().out
        assert "code -999" in said
        assert "S500" in said
        assert "rejects alone" in said

    def test_as_a_model_would(self, catalogue, model, gappy_pipe, capsys):
        assert run("inspect", catalogue, "--model", model, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["funnel"].keys() == set(gappy_pipe["select"].report_.to_frame().index)

    def test_without_bands_it_says_what_to_name(self, catalogue, capsys):
        assert run("inspect", catalogue) == 0
        said = capsys.readouterr().out
        assert "columns of 21 of 21 bands of GAMA: see --survey GAMA" in said
        assert "identifiers and coordinates: CATAID" in said

    def test_bands_without_columns(self, catalogue, tmp_path, capsys):
        X = pd.read_parquet(catalogue).drop(columns=["X_flux", "X_fluxerr"])
        X.to_parquet(tmp_path / "fewer.parquet")
        assert run("inspect", tmp_path / "fewer.parquet", "--survey", "GAMA", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["absent_bands"] == ["X"]
        assert found["n_selected"] > 0

    def test_columns_with_other_names_are_told_and_can_be_named(self, catalogue, tmp_path, capsys):
        X = pd.read_parquet(catalogue).rename(columns={"r_flux": "FLUX_R"})
        X.to_parquet(tmp_path / "mine.parquet")
        arguments = ["inspect", tmp_path / "mine.parquet", "--survey", "GAMA", "--json"]
        assert run(*arguments) == 0
        problem = json.loads(capsys.readouterr().out)["problem"]
        assert "'r_flux': 'FLUX_R'" in problem
        assert run(*arguments, "--column", "r_flux=FLUX_R") == 0
        assert json.loads(capsys.readouterr().out)["n_selected"] > 0

    def test_what_cannot_be_used_is_told(self, catalogue, tmp_path, capsys):
        X = pd.read_parquet(catalogue)
        fluxes = list(sfml.GAMA.flux_columns)
        with np.errstate(all="ignore"):
            X[fluxes] = -2.5 * np.log10(X[fluxes] / 3631)
        X.to_parquet(tmp_path / "mag.parquet")
        assert run("inspect", tmp_path / "mag.parquet", "--survey", "GAMA", "--json") == 0
        assert "look like magnitudes" in json.loads(capsys.readouterr().out)["problem"]

    @pytest.mark.parametrize(("factor", "doubted"), [(1, False), (1e-9, True), (1e6, True)])
    def test_a_unit_that_cannot_be_is_doubted(self, catalogue, tmp_path, capsys, factor, doubted):
        table = pd.read_parquet(catalogue)
        fluxes = [name for name in table if name.endswith(("_flux", "_fluxerr"))]
        table[fluxes] *= factor
        table.to_parquet(tmp_path / "scaled.parquet")
        assert run("inspect", tmp_path / "scaled.parquet", "--survey", "GAMA") == 0
        assert ("Are these fluxes in Jy?" in capsys.readouterr().out) == doubted

    def test_the_first_rows_alone(self, catalogue, capsys):
        assert run("inspect", catalogue, "--survey", "GAMA", "--rows", 50) == 0
        said = capsys.readouterr().out
        assert "Of the first 50 rows" in said

    def test_a_file_that_is_not_there(self, tmp_path, capsys):
        assert run("inspect", tmp_path / "no.fits") == 1
        assert "no.fits" in capsys.readouterr().err


def test_a_pipe_that_is_closed_is_no_failure(catalogue):
    command = [sys.executable, "-m", "sfml", "inspect", str(catalogue), "--survey", "GAMA"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_bands_are_described_by_what_they_hold():
    bands = sfml.BandSet(["r"], [0.62], missing_codes=[-999])
    table = pd.DataFrame(
        {
            "r_flux": [10.0, -1.0, -999.0, np.nan, 4.0],
            "r_fluxerr": [1.0, 1.0, -999.0, 1.0, 0.0],
            "Z": 0.1,
        }
    )
    described = describe_bands(table, bands).loc["r"]
    assert described["measured"] == 0.4
    assert described["empty"] == 0.2
    assert described["code -999"] == 0.2
    assert described["error <= 0"] == 0.2
    assert described["negative"] == 0.5
    assert described["detected"] == 0.5
    assert described["flux"] == 4.5
    assert described["AB mag"] == pytest.approx(-2.5 * np.log10(4.5 / 3631))


class TestConvert:
    @pytest.mark.parametrize("name", ["out.fits", "out.csv", "out.parquet"])
    def test_there_and_back(self, catalogue, tmp_path, name):
        assert run("convert", catalogue, tmp_path / name, "--quiet", "--batch-rows", 400) == 0
        assert run("convert", tmp_path / name, tmp_path / "back.parquet", "--quiet") == 0
        given, back = (read_catalogue(path) for path in (catalogue, tmp_path / "back.parquet"))
        assert list(back) == list(given)
        assert back["CATAID"].tolist() == given["CATAID"].tolist()
        np.testing.assert_array_equal(back, given)

    def test_some_columns(self, catalogue, tmp_path, capsys):
        out = tmp_path / "out.csv"
        assert run("convert", catalogue, out, "--columns", "CATAID,Z", "--json") == 0
        assert json.loads(capsys.readouterr().out)["n_rows"] == 900
        assert list(pd.read_csv(out)) == ["CATAID", "Z"]

    def test_nothing_is_overwritten(self, catalogue, tmp_path, capsys):
        out = tmp_path / "out.csv"
        out.write_text("precious")
        with pytest.raises(SystemExit) as ended:
            run("convert", catalogue, out)
        assert ended.value.code == 2
        assert out.read_text() == "precious"

    def test_a_failure_leaves_no_file(self, catalogue, tmp_path, monkeypatch):
        import pyarrow.parquet as pq

        def fail(self, table):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
        assert run("convert", catalogue, tmp_path / "out.parquet") == 1
        assert {path.name for path in tmp_path.iterdir()} == {"catalogue.parquet"}
