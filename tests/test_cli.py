"""The command line, the demo, and the README's quick start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

import sfml
from sfml.cli import demo, main
from sfml.cli.figures import Galaxies, PaperFigures
from sfml.cli.output import FolderTakenError, OutputFolder
from sfml.cli.scores import PAPER_TABLE_3, compare_with_paper

ROOT = Path(__file__).resolve().parents[1]
FIGURES = {
    *("fig01_redshift.png", "fig02_stellar_mass.png", "fig03_low_snr.png", "fig04_targets.png"),
    *("fig05_network.png", "fig06_07_standardising.png"),
    *(f"fig{i:02d}_predicted_{target}.png" for i, target in enumerate(sfml.TARGETS, start=8)),
    *(f"fig{i:02d}_learning_{target}.png" for i, target in enumerate(sfml.TARGETS, start=11)),
    "intervals_coverage.png",
}
TABLES = {
    *("funnel.csv", "scores.csv", "predictions.csv"),
    *("model.safetensors", "test.parquet", "report.html"),
}


@pytest.fixture
def in_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    return main(["demo", "--n-galaxies", "800", *arguments])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestDemo:
    @pytest.fixture(scope="class")
    @classmethod
    def done(cls, tmp_path_factory):
        """Folder and output of one small demo."""
        folder = tmp_path_factory.mktemp("demo") / "results"
        program = (
            "from sfml.cli import demo, main\n"
            "demo.QUICK_EPOCHS = dict.fromkeys(demo.QUICK_EPOCHS, 2)\n"
            f"raise SystemExit(main(['demo', '--n-galaxies', '800', '--output', {str(folder)!r}]))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=300,
            encoding="utf-8",
        )
        assert ended.returncode == 0, ended.stderr
        return folder, ended.stdout

    def test_it_leaves_every_figure_and_table(self, done):
        folder, _ = done
        assert names(folder) == FIGURES | TABLES
        assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in FIGURES)

    def test_it_says_that_the_schedule_is_quick(self, done):
        assert "Quick schedule: 2/2/2 epochs instead of the paper's 5000/1500/1700" in done[1]

    def test_it_names_all_files(self, done):
        folder, said = done
        assert all(str(folder / name) in said for name in FIGURES | TABLES)

    def test_the_funnel_is_that_of_the_galaxies_trained_on(self, done):
        X, y = sfml.make_mock_survey(800, random_state=0, return_X_y=True)
        X_train, _, y_train, _ = train_test_split(X, y, test_size=0.2, random_state=0)
        funnel = pd.read_csv(done[0] / "funnel.csv", index_col="name")
        X_selected, _ = sfml.GamaSampleSelector().select(X_train, y_train)
        assert funnel["left"].iloc[-1] == len(X_selected)
        assert funnel.loc["redshift", "rejected_alone"] == np.sum(X_train["Z"] > 0.5)

    def test_all_methods_are_scored_on_the_same_galaxies_not_trained_on(self, done):
        scores = pd.read_csv(done[0] / "scores.csv", index_col=["target", "metric"])
        test = pd.read_parquet(done[0] / "test.parquet")
        pipe = sfml.load(done[0] / "model.safetensors")
        assert len(test) + pipe["regress"].n_train_["sfr"] + pipe["regress"].n_calibration_ == 800
        y = test[list(sfml.TARGETS)]
        X_selected, _ = sfml.GamaSampleSelector().select(test.drop(columns=y.columns), y)
        counted = scores.xs("number of galaxies", level="metric")
        for method in ("sfml", "surana2020", "random_forest"):
            assert (counted[method] == len(X_selected)).all()

    def test_the_predictions_are_of_all_test_galaxies(self, done):
        predictions = pd.read_csv(done[0] / "predictions.csv", index_col=0, keep_default_na=False)
        assert len(predictions) == 160
        assert (predictions["sfr_p16"] < predictions["sfr_p84"]).all()
        assert "Its intervals for all test galaxies" in done[1]

    def test_the_default_recipe_is_shown_first_and_is_the_best(self, done):
        scores = pd.read_csv(done[0] / "scores.csv", index_col=["target", "metric"])
        assert list(scores) == ["sfml", "surana2020", "random_forest", "paper_on_real_gama"]
        errors = scores.xs("root mean square error", level="metric")
        assert (errors["sfml"] < errors["surana2020"]).all()  # of which two epochs were trained

    def test_the_commands_to_try_next_run(self, done, capsys):
        lines = done[1].split("Try next:\n")[1].strip().splitlines()
        assert len(lines) == 3
        for line in lines:
            program, *arguments = line.split()
            assert program == "sfml"
            assert main(arguments) == 0
        made = names(done[0]) - FIGURES - TABLES
        assert {"predictions.parquet", "report-of-the-model.html"} <= made
        for name in made:
            (done[0] / name).unlink()


def test_a_second_demo_takes_a_fresh_folder(in_folder, monkeypatch, capsys):
    monkeypatch.setattr(demo.Demo, "_run_steps", lambda self, output: output.write("a", Path.touch))
    assert [run(), run(), run()] == [0, 0, 0]
    assert names(in_folder) == {"sfml-demo", "sfml-demo-2", "sfml-demo-3"}
    assert "the folder sfml-demo-3" in capsys.readouterr().out


def test_a_folder_asked_for_is_not_overwritten(in_folder, capsys):
    (in_folder / "mine").mkdir()
    (in_folder / "mine" / "scores.csv").write_text("precious")
    with pytest.raises(SystemExit) as ended:
        run("--output", "mine")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("the folder mine", "--output", "--overwrite"))
    assert (in_folder / "mine" / "scores.csv").read_text() == "precious"


def test_overwrite_replaces_results_and_nothing_else(in_folder, monkeypatch):
    monkeypatch.setattr(
        demo.Demo,
        "_run_steps",
        lambda self, output: output.write("scores.csv", lambda path: path.write_text("new")),
    )
    (in_folder / "sfml-demo").mkdir()
    for name in ("scores.csv", "notes.txt"):
        (in_folder / "sfml-demo" / name).write_text("old")
    assert run("--overwrite") == 0
    assert names(in_folder) == {"sfml-demo"}
    assert (in_folder / "sfml-demo" / "scores.csv").read_text() == "new"
    assert (in_folder / "sfml-demo" / "notes.txt").read_text() == "old"


def test_without_matplotlib_figures_are_left_out(tmp_path, galaxies, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    some = Galaxies(*galaxies)
    pipeline = sfml.make_star_formation_pipeline("surana2020")
    figures = PaperFigures(pipeline, survey=some, train=some, test=some, truth="mock label")
    command = demo.Demo(n_galaxies=400, seed=0, full=False)
    command._draw(figures, OutputFolder.open(tmp_path))
    assert not names(tmp_path)
    said = capsys.readouterr().out
    assert 'pip install "sfml[plot]"' in said
    assert all(name.removesuffix(".png") in said for name in FIGURES)


def test_full_trains_the_paper_schedule():
    parameters = demo.Demo(n_galaxies=400, seed=0, full=True)._schedule()
    epochs = {name: value for name, value in parameters.items() if name.endswith("__epochs")}
    assert list(epochs.values()) == [5000, 1500, 1700]
    paper = sfml.make_star_formation_pipeline("surana2020").get_params()
    assert all(paper[name] == value for name, value in epochs.items())


def test_an_interruption_says_what_was_written(in_folder, monkeypatch, capsys):
    def interrupt(self, train):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.Demo, "_train_default", interrupt)
    assert run() == 130
    assert "sfml-demo before the interruption: test.parquet." in capsys.readouterr().out
    assert names(in_folder / "sfml-demo") == {"test.parquet"}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_while_training_ends_cleanly(in_folder):
    demo = subprocess.Popen(
        [sys.executable, "-m", "sfml", "demo", "--n-galaxies", "800", "--full"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert demo.stdout is not None
    while "Recipe" not in demo.stdout.readline():
        assert demo.poll() is None
    # Sent again until it ends: a signal that comes while TensorFlow is imported can be lost.
    said, complained = "", ""
    for _ in range(20):
        demo.send_signal(signal.SIGINT)
        try:
            said, complained = demo.communicate(timeout=15)
            break
        except subprocess.TimeoutExpired:
            continue
    assert demo.returncode == 130
    assert "before the interruption: test.parquet" in said
    assert "Traceback" not in complained


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--n-galaxies", "many"], "must be a whole number of at least 800; got 'many'"),
        (["--n-galaxies", "799"], "must be a whole number of at least 800; got 799"),
        (["--seed", "-1"], "at least 0 and at most 4294967295; got -1"),
        (["--sed", "hello", "--quick"], "--quick"),
    ],
)
def test_mistakes_are_explained(arguments, complaint, in_folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
    assert not names(in_folder)


def test_an_output_that_cannot_be_made_is_an_error_without_traceback(in_folder, capsys):
    (in_folder / "file").touch()
    assert run("--output", "file/folder") == 1
    assert "sfml: error: " in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        run("--output", "file")
    assert ended.value.code == 2
    assert "file is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["sfml"], [sys.executable, "-m", "sfml"]])
def test_version(command):
    if command == ["sfml"]:
        command = [str(Path(sys.executable).with_name("sfml"))]
        if not Path(command[0]).exists():
            pytest.skip("the package is not installed beside this Python")
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"sfml {sfml.__version__}\n"


def test_help_needs_no_heavy_library():
    program = (
        "import sys\nfrom sfml.cli import main\n"
        "try: main(['demo', '--help'])\n"
        "finally: assert not {'numpy', 'pandas', 'tensorflow', 'matplotlib'} & set(sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "--n-galaxies" in said.stdout


def test_help_says_the_defaults(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--help"])
    assert ended.value.code == 0
    assert "default: 12000" in capsys.readouterr().out


class TestOutputFolder:
    def test_a_file_that_fails_leaves_no_trace(self, tmp_path):
        folder = OutputFolder.open(tmp_path / "new")
        (folder.path / "a.csv").write_text("old")

        def fail(path: Path) -> None:
            path.write_text("half")
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            folder.write("a.csv", fail)
        assert names(folder.path) == {"a.csv"}
        assert (folder.path / "a.csv").read_text() == "old"
        assert folder.written == []

    def test_an_empty_folder_is_used(self, tmp_path):
        assert OutputFolder.open(tmp_path).path == tmp_path
        assert OutputFolder.fresh(tmp_path).path == tmp_path

    def test_a_fresh_folder_stands_beside_the_taken_one(self, tmp_path):
        (tmp_path / "a").touch()
        assert OutputFolder.fresh(tmp_path / "a").path == tmp_path / "a-2"

    def test_a_taken_folder_is_refused(self, tmp_path):
        (tmp_path / "a").touch()
        with pytest.raises(FolderTakenError, match="not empty"):
            OutputFolder.open(tmp_path)
        assert OutputFolder.open(tmp_path, overwrite=True).path == tmp_path


def test_paper_table_3():
    """By hand from the paper: sigma and RMSE are close, and differ by the bias alone."""
    assert PAPER_TABLE_3.loc["error"].tolist() == [0.0577, 0.1643, 0.1143]
    assert tuple(PAPER_TABLE_3) == sfml.TARGETS
    assert (PAPER_TABLE_3.loc["root mean square error"] >= PAPER_TABLE_3.loc["error"]).all()


def test_tables_are_compared_by_name():
    first = pd.DataFrame({"sfr": [1.0, 2.0], "stellar_mass": [3.0, 4.0]}, index=["NMAD", "error"])
    compared = compare_with_paper({"networks": first, "forest": 10 * first.iloc[::-1]})
    assert compared.index.tolist() == [
        ("sfr", "NMAD"),
        ("sfr", "error"),
        ("stellar_mass", "NMAD"),
        ("stellar_mass", "error"),
    ]
    assert compared["forest"].tolist() == [10, 20, 30, 40]
    assert compared["paper_on_real_gama"].tolist() == pytest.approx(
        [np.nan, 0.1643, np.nan, 0.0577], nan_ok=True
    )


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    extras = project["optional-dependencies"]
    wanted = {
        re.split(r"[<>=\[]", line)[0] for line in chain(project["dependencies"], *extras.values())
    }
    missing = {name for name in (wanted - {"sfml"}) | set(extras) if f"`{name}`" not in reasons}
    assert not missing
