"""The examples run, as a reader would run them, and say what they should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run_example(
    name: str | Path, *arguments: str | Path, expect_failure: bool = False, timeout: float = 120
) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", EXAMPLES / name, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "Agg"},
    )
    assert (run.returncode != 0) == expect_failure, run.stderr
    return run.stderr if expect_failure else run.stdout


def test_quickstart_writes_where_it_is_told_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    printed = run_example("quickstart.py", "--quick", "--output", folder)
    assert "chosen: {'regress__stellar_mass__hidden_layer_sizes'" in printed
    assert sorted(path.name for path in folder.iterdir()) == ["model.joblib", "predictions.csv"]
    # 125 of 500 galaxies are held out, and a heading stands above them.
    assert len((folder / "predictions.csv").read_text().splitlines()) == 126


@pytest.mark.slow
def test_hatlas_example_compares_methods_on_the_same_galaxies(shared_data: Path) -> None:
    printed = run_example("hatlas_dust_luminosity.py", shared_data / "hatlas_gama.csv", "--quick")
    # Counted from the file itself: rows without a gap in the 16 bands.
    assert "on the 2,019 galaxies that all methods predict" in printed
    assert "Random forest, mean and scatter of the folds: RMSE 0.1" in printed
    assert "Intervals of sfml, any of 19 bands, for all 2,329 galaxies" in printed


def test_candels_example_scores_three_targets(shared_data: Path) -> None:
    printed = run_example("candels_magphys.py", shared_data / "candels_magphys.csv", "--quick")
    assert "6 of 371 galaxies have no labels" in printed
    for heading in (
        'recipe "sfml", mlp',
        'recipe "surana2020", mlp',
        '"surana2020", random_forest',
    ):
        assert f"{heading}: 2-fold cross-validation" in printed
    assert printed.count("dust_luminosity") == 3


def test_example_says_which_catalogue_is_absent(tmp_path: Path) -> None:
    absent = tmp_path / "absent.csv"
    assert str(absent) in run_example("candels_magphys.py", absent, expect_failure=True)


@pytest.mark.parametrize("name", ["hatlas_dust_luminosity.py", "candels_magphys.py"])
def test_examples_of_real_galaxies_say_what_they_skip(name: str, tmp_path: Path) -> None:
    alone = tmp_path / "checkout" / "examples" / name
    alone.parent.mkdir(parents=True)
    alone.write_bytes((EXAMPLES / name).read_bytes())
    assert run_example(alone).startswith("Skipped: the ")


def scored(printed: str) -> list[list[str]]:
    """Names of the rows of each table of scores."""
    tables = printed.split("sigma in dex")[1:]
    return [[line[:20].strip() for line in table.splitlines()[2:5]] for table in tables]


@pytest.mark.slow
def test_triage_loop_runs_from_the_choice_to_the_gain(tmp_path: Path) -> None:
    pytest.importorskip("bagpipes")
    figure = tmp_path / "loop.png"
    printed = run_example("triage_loop.py", "--quick", "--figure", figure, timeout=400)
    assert printed.count("What the network says of the pool") == 2
    stand_in, bagpipes = scored(printed)
    for number, rows in ((60, stand_in), (1, bagpipes)):
        assert [row.rstrip("0123456789. ") for row in rows] == [
            "before",
            f"{number} flagged",
            f"{number} at random",
        ]
    assert figure.stat().st_size > 10_000


@pytest.mark.slow
def test_triage_loop_says_what_it_skips_without_bagpipes() -> None:
    program = (
        "import runpy, sys; sys.modules['bagpipes'] = None; "
        f"sys.argv = ['triage_loop.py', '--quick']; sys.path.insert(0, {str(EXAMPLES)!r}); "
        "import importlib.util; find = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name: None if name == 'bagpipes' else find(name); "
        f"runpy.run_path({str(EXAMPLES / 'triage_loop.py')!r}, run_name='__main__')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=400, check=True
    )
    assert "Skipped: the loop with Bagpipes" in run.stdout
    assert len(scored(run.stdout)) == 1


GALLERY = sorted(path.name for path in EXAMPLES.glob("plot_*.py"))
QUICK = {"plot_own_bands.py"}
NEEDS = {
    "plot_lsdb.py": "lsdb",
    "plot_rail.py": "rail.estimation",
    "plot_triage_loop.py": "bagpipes",
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in GALLERY]
)
def test_gallery_runs(name: str) -> None:
    """`make docs` runs them too, and shows what they print and draw."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="an extra that is not installed")
    run_example(name)


@pytest.mark.parametrize("name", GALLERY)
def test_gallery_ends_in_a_figure(name: str) -> None:
    assert (EXAMPLES / name).read_text(encoding="utf-8").endswith("plt.show()\n")
