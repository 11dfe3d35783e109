"""``sfml train`` and ``sfml evaluate``, and the settings that they are given."""

from __future__ import annotations

import json
import os
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
from sfml.cli.catalogue import find_labels, is_held_out, read_labels
from sfml.cli.options import UsageError
from sfml.persistence import load, read_card

FOREST = ["--method", "random_forest", "--quiet"]
FEW_TREES = [f"--set=regress__{target}__n_estimators=5" for target in sfml.TARGETS]


@pytest.fixture(scope="module")
def catalogue(_survey, tmp_path_factory) -> Path:
    """A Parquet file of 900 mock galaxies and their labels, named as GAMA names them."""
    X, y = (table.reset_index(drop=True) for table in _survey)
    y = y.rename(
        columns={
            f"{target}{end}": column.replace("50", percentile)
            for target, column in sfml.targets.GAMA_TARGET_COLUMNS.items()
            for end, percentile in (("", "50"), ("_p16", "16"), ("_p84", "84"))
        }
    )
    path = tmp_path_factory.mktemp("catalogue") / "galaxies.parquet"
    pd.concat([X, y], axis=1).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def trained(catalogue, tmp_path_factory) -> Path:
    """A forest, trained by the command."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    assert main(["train", str(catalogue), "-o", str(path), *FOREST, *FEW_TREES]) == 0
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def held_out(catalogue: Path, seed: int = 0) -> np.ndarray:
    return is_held_out(pd.read_parquet(catalogue), sfml.GAMA, 0.2, seed)


class TestTrain:
    def test_the_model_is_that_of_the_galaxies_not_kept_aside(self, catalogue, trained):
        table = pd.read_parquet(catalogue)
        aside = held_out(catalogue)
        assert 0.1 < aside.mean() < 0.3
        pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
        pipe.set_params(**{f"regress__{target}__n_estimators": 5 for target in sfml.TARGETS})
        y = table.rename(
            columns=lambda name: sfml.targets.canonical_name(name) if name.endswith("50") else name
        )
        labels = [
            *sfml.TARGETS,
            *(c for c in table if c.endswith(("percentile16", "percentile84"))),
        ]
        pipe.fit(table[~aside], y.loc[~aside, labels])
        found = load(trained)
        pd.testing.assert_frame_equal(
            found.predict_table(table), pipe.predict_table(table), check_exact=True
        )
        assert found["regress"].posterior_ is not None

    def test_the_card_tells_how_it_was_made(self, catalogue, trained):
        card = read_card(trained)
        assert card["labels"]["sfr"] == "SFR_0_1Gyr_percentile50"
        assert card["labels"]["sfr_p16"] == "SFR_0_1Gyr_percentile16"
        assert card["test"] == {"fraction": 0.2, "seed": 0, "rows": int(held_out(catalogue).sum())}
        assert card["catalogue"] == "galaxies.parquet"
        assert card["stopped_early"] is False

    def test_the_scores_are_of_the_galaxies_kept_aside(self, catalogue, trained):
        table = pd.read_parquet(catalogue)[held_out(catalogue)]
        y = table[list(sfml.targets.GAMA_TARGET_COLUMNS.values())]
        predicted = load(trained).predict_quietly(table)
        expected = sfml.metrics.score_table(y, predicted)
        scores = read_card(trained)["scores"]
        for target in sfml.TARGETS:
            for metric in ("error", "NMAD", "number of galaxies"):
                assert scores[target][metric] == pytest.approx(expected.loc[metric, target])
            assert 0 < scores[target]["coverage of 16-84"] < 1

    def test_it_prints_the_funnel_and_the_scores(self, catalogue, tmp_path, capsys):
        model = tmp_path / "model.safetensors"
        options = ["--method", "random_forest", *FEW_TREES]
        assert run("train", catalogue, "-o", model, *options) == 0
        said = capsys.readouterr().out
        assert "labels: stellar_mass from mass_stellar_percentile50" in said
        assert "all galaxies" in said
        assert "coverage of 16-84" in said
        assert str(model) in said
        assert run("train", catalogue, "-o", model, *options, "--overwrite", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["output"] == str(model)
        assert found["scores"].keys() == set(sfml.TARGETS)
        assert "snr" in found["funnel"]

    def test_no_galaxies_need_be_kept_aside(self, catalogue, tmp_path, capsys):
        model = tmp_path / "model.safetensors"
        options = [*FOREST, *FEW_TREES, "--test-fraction", "0", "--targets", "sfr"]
        options = [option for option in options if "mass" not in option and "dust" not in option]
        assert run("train", catalogue, "-o", model, *options) == 0
        assert read_card(model)["scores"] == {}
        with pytest.raises(SystemExit):
            run("evaluate", model, catalogue, "--held-out")
        assert "--test-fraction 0" in capsys.readouterr().err

    def test_an_output_that_is_there_is_refused_before_training(self, catalogue, trained, capsys):
        with pytest.raises(SystemExit) as ended:
            run("train", catalogue, "-o", trained)
        assert ended.value.code == 2
        assert "--overwrite" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            (["--targets", "A_V"], "no column of labels for A_V: name it with --label A_V=COLUMN"),
            (["--label", "sfr=SFR_0_1Gyr_percentile05"], "did you mean 'SFR_0_1Gyr_percentile"),
            (["--label", "age=x"], "--label names age, but the targets are"),
            (["--set", "select__min_band=3"], "min_band"),
            (["--without", "Q"], "'Q' is not a band"),
            (["--survey", "GAMMA"], "GAMA"),
            (["--test-fraction", "1"], "less than 1"),
            (["--recipe", "surana"], "surana2020"),
        ],
    )
    def test_mistakes_are_explained(self, catalogue, tmp_path, capsys, options, complaint):
        with pytest.raises(SystemExit) as ended:
            run("train", catalogue, "-o", tmp_path / "model", *options)
        assert ended.value.code == 2
        assert complaint in capsys.readouterr().err
        assert not list(tmp_path.iterdir())

    def test_a_failure_has_no_traceback_unless_asked_for(self, tmp_path, capsys):
        assert run("train", tmp_path / "no.parquet", "-o", tmp_path / "model") == 1
        assert capsys.readouterr().err.startswith("sfml: error: ")
        with pytest.raises(OSError, match=r"no\.parquet"):
            run("train", tmp_path / "no.parquet", "-o", tmp_path / "model", "--debug")


class TestSettings:
    def test_a_file_says_what_options_say(self, catalogue, trained, tmp_path):
        """With other columns and units, as the table [bands] describes them."""
        table = pd.read_parquet(catalogue)
        renamed = {c: c.replace("_flux", "_F") for c in table if "_flux" in c} | {"Z": "zspec"}
        mine = table.rename(columns={**renamed, "SFR_0_1Gyr_percentile50": "logSFR"})
        mine.to_parquet(tmp_path / "mine.parquet")
        bands = sfml.GAMA.only("g", "r", "i", "z", "J", "W1")
        (tmp_path / "mine.toml").write_text(
            f"""
            [bands]
            names = {list(bands.names)}
            wavelengths = {list(bands.wavelengths)}
            flux = "{{band}}_F"
            error = "{{band}}_Ferr"
            redshift = "zspec"

            [train]
            targets = ["sfr"]
            method = "random_forest"
            test-fraction = 0.5
            seed = 3
            quiet = true
            [train.label]
            sfr = "logSFR"
            [train.set]
            regress__sfr__n_estimators = 4
            """
        )
        model = tmp_path / "model.safetensors"
        arguments = ["train", tmp_path / "mine.parquet", "-o", model]
        assert run(*arguments, "--config", tmp_path / "mine.toml", "--seed", 4) == 0
        pipe, card = load(model), read_card(model)
        assert pipe["select"].bands_.names == bands.names
        assert pipe["select"].bands_.flux_columns[0] == "g_F"
        assert pipe["regress"].targets_ == ("sfr",)
        assert len(pipe["regress"].estimators_[0].estimators_) == 4
        assert card["test"]["fraction"] == 0.5
        assert card["test"]["seed"] == 4  # the command line goes before the file
        assert card["labels"] == {"sfr": "logSFR"}

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("[train]\nsed = 1", "'sed' is no setting of 'train'. Did you mean 'seed'?"),
            ("[train]\nseed = -1", "'seed' must be a whole number"),
            ("[train]\nmethod = 'svm'", "'method' must be one of mlp, random_forest, svr"),
            ("[train]\nquiet = 1", "'quiet' must be true or false"),
            ("[train]\nlabel = 'x'", "'label' must be a table"),
            ("train = 3", "train in {path} must be a table"),
            ("[bands]\nname = ['r']", "the table [bands] of the settings"),
            ("seed = ", "cannot be read"),
        ],
    )
    def test_mistakes_are_explained(self, catalogue, tmp_path, capsys, text, complaint):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        with pytest.raises(SystemExit) as ended:
            run("train", catalogue, "-o", tmp_path / "model", "--config", path)
        assert ended.value.code == 2
        assert complaint.format(path=path) in capsys.readouterr().err

    def test_settings_of_other_commands_do_not_matter(self, trained, tmp_path, capsys):
        (tmp_path / "mine.toml").write_text("[train]\nmethod = 'svr'\n[inspect]\njson = true")
        assert run("inspect", trained, "--config", tmp_path / "mine.toml") == 0
        assert json.loads(capsys.readouterr().out)["kind"] == "model"


class TestHeldOut:
    def test_the_same_galaxies_in_any_order(self, survey):
        X = survey[0]
        aside = pd.Series(is_held_out(X, sfml.GAMA, 0.3, 1), X.index)
        shuffled = X.sample(frac=1, random_state=0)
        assert np.array_equal(is_held_out(shuffled, sfml.GAMA, 0.3, 1), aside[shuffled.index])
        assert np.array_equal(is_held_out(X[:50], sfml.GAMA, 0.3, 1), aside[:50])

    def test_the_share_is_that_asked_for(self, survey):
        X = survey[0]
        shares = [is_held_out(X, sfml.GAMA, 0.3, seed).mean() for seed in range(20)]
        # The standard error of 20 draws of 900 galaxies is 0.0034.
        assert np.mean(shares) == pytest.approx(0.3, abs=0.012)
        assert not is_held_out(X, sfml.GAMA, 0.0, 0).any()

    def test_equal_rows_go_together(self, survey):
        twice = pd.concat([survey[0], survey[0]])
        aside = is_held_out(twice, sfml.GAMA, 0.5, 0)
        assert np.array_equal(aside[:900], aside[900:])


class TestLabels:
    def test_by_the_name_of_the_target_or_gamas(self):
        names = ["sfr", "mass_stellar_percentile50", "Z"]
        assert find_labels(names, ["sfr", "stellar_mass"], {}) == {
            "sfr": "sfr",
            "stellar_mass": "mass_stellar_percentile50",
        }

    def test_percentiles_come_in_pairs(self):
        names = ["sfr", "sfr_p16", "sfr_p84", "A_V", "A_V_p16"]
        assert find_labels(names, ["sfr", "A_V"], {}) == {
            "sfr": "sfr",
            "sfr_p16": "sfr_p16",
            "sfr_p84": "sfr_p84",
            "A_V": "A_V",
        }

    def test_half_a_pair_that_was_asked_for_is_a_mistake(self):
        with pytest.raises(UsageError, match="sfr_p84"):
            find_labels(["sfr", "low"], ["sfr"], {"sfr_p16": "low"})

    def test_codes_are_no_labels(self):
        table = pd.DataFrame({"logSFR": [-9.0, -99.0, -999.0, -999.0, 1.0]})
        labels, counts = read_labels(table, {"sfr": "logSFR"})
        assert labels["sfr"].tolist() == pytest.approx([-9, np.nan, np.nan, np.nan, 1], nan_ok=True)
        assert counts == {"logSFR": {-99.0: 1, -999.0: 2}}


class TestEvaluate:
    def test_held_out_galaxies_have_the_scores_of_the_card(self, catalogue, trained, capsys):
        options = ["--held-out", "--json", "--batch-rows", 100]
        assert run("evaluate", trained, catalogue, *options) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["n_galaxies"] == held_out(catalogue).sum()
        assert found["n_learnt_from"] == 0
        card = read_card(trained)
        for target in sfml.TARGETS:
            assert found["scores"][target] == pytest.approx(card["scores"][target], nan_ok=True)

    def test_galaxies_learnt_from_are_counted(self, catalogue, trained, capsys):
        assert run("evaluate", trained, catalogue) == 0
        said = capsys.readouterr().out
        pipe = load(trained)
        n_learnt = next(iter(pipe["regress"].n_train_.values()))
        assert f"{n_learnt:,} of these galaxies the model has learnt from" in said

    def test_labels_may_have_other_names(self, catalogue, trained, tmp_path, capsys):
        table = pd.read_parquet(catalogue)
        gamas = sfml.targets.GAMA_TARGET_COLUMNS
        table.rename(columns={gamas["sfr"]: "logSFR"}).to_csv(tmp_path / "mine.csv", index=False)
        with pytest.raises(SystemExit) as ended:
            run("evaluate", trained, tmp_path / "mine.csv")
        assert ended.value.code == 2
        assert "--label sfr=COLUMN" in capsys.readouterr().err
        assert run("evaluate", trained, tmp_path / "mine.csv", "--label", "sfr=logSFR") == 0


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.slow
def test_ctrl_c_in_training_keeps_the_best_weights(catalogue, tmp_path):
    model = tmp_path / "model.safetensors"
    options = [f"--set=regress__{target}__epochs=100000" for target in sfml.TARGETS]
    command = [sys.executable, "-m", "sfml", "train", catalogue, "-o", model, *options]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(30)  # TensorFlow is imported, and the first epoch compiled
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    said, complained = run.communicate(timeout=120)
    assert run.returncode == 0, complained
    assert "Stopping: training ends with this epoch" in complained
    assert "1 of 6 networks are kept" in complained
    assert "stopped early" in said
    assert read_card(model)["stopped_early"] is True
    predicted = load(model).predict_quietly(pd.read_parquet(catalogue))
    assert np.isfinite(predicted).all(axis=1).mean() > 0.5


def test_ctrl_c_with_nothing_to_keep_leaves_no_file(catalogue, tmp_path, monkeypatch, capsys):
    fit = sfml.StarFormationPipeline.fit

    def interrupted(self, X, y):
        signal.raise_signal(signal.SIGINT)
        return fit(self, X, y)

    monkeypatch.setattr(sfml.StarFormationPipeline, "fit", interrupted)
    assert run("train", catalogue, "-o", tmp_path / "model.safetensors") == 130
    assert "Stopping" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
