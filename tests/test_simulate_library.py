"""Model libraries: what they take, what they refuse, and their files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sfml import GAMA, TARGETS, BandSet, make_mock_survey
from sfml.simulate import ModelLibrary, mock_library

BANDS = BandSet(["g", "r"], [0.48, 0.62])


def parts(**changes):
    """Return what a small valid library is made with."""
    given = {
        "bands": BANDS,
        "flux": np.array([[1e-5, 2e-5], [3e-5, 4e-5], [5e-6, 6e-6]]),
        "redshift": [0.1, 0.2, 0.3],
        "parameters": {"stellar_mass": [9.0, 10.0, 11.0], "umin": [0.5, 1.0, 2.0]},
        "units": {"umin": "Habing"},
        "prior": {"umin": [0.1, 25]},
    }
    return given | changes


def same(one: ModelLibrary, other: ModelLibrary) -> None:
    assert one.bands == other.bands
    assert one.units == other.units
    assert one.prior == other.prior
    np.testing.assert_array_equal(one.flux, other.flux)
    np.testing.assert_array_equal(one.redshift, other.redshift)
    pd.testing.assert_frame_equal(one.parameters, other.parameters)


def test_units_are_those_of_the_registry_or_stated():
    library = ModelLibrary(**parts())
    assert library.units == {"stellar_mass": "dex (Msun)", "umin": "Habing"}
    assert len(library) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"flux": [[1, np.nan], [1, np.inf], [0, 1]]},
            r"g: 1 not positive, in rows 2; r: 2 not fin",
        ),
        ({"flux": [[1, 2], [-999, 2], [1, 2]]}, r"g: 1 not positive, in rows 1 \(counted from 0\)"),
        ({"flux": np.ones((3, 3))}, r"shape \(n_models, 2\).*got \(3, 3\)"),
        ({"redshift": [0.1, 0, np.nan]}, "2 of 3 are not, in rows 1, 2"),
        ({"redshift": [0.1, 0.2]}, r"shape \(3,\); got \(2,\)"),
        (
            {"parameters": {"sfr": [1.0, -np.inf, 0]}, "units": {}},
            "'sfr' is not finite in 1 models",
        ),
        ({"parameters": {"stellar_mass": [1e9, 1e10, 1e11]}, "units": {}}, "Linear values"),
        ({"parameters": {"umin": [1.0, 2, 3]}, "units": {}}, "'umin' needs a unit"),
        ({"units": {"umin": "", "stellar_mass": "Msun"}}, "'dex .Msun.'; got 'Msun'.*np.log10"),
        ({"units": {"umin": "", "qpah": ""}}, r"units names \['qpah'\]"),
        ({"parameters": {"redshift": [1.0, 2, 3]}, "units": {}}, "taken by the redshift"),
        ({"parameters": {"sfr": [1.0, 2]}, "units": {}}, "2 rows for 3 models"),
        ({"parameters": {}, "units": {}}, "one column per parameter"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        ModelLibrary(**parts(**changes))


def test_bands_must_be_a_band_set():
    with pytest.raises(TypeError, match="must be a BandSet; got list"):
        ModelLibrary(**parts(bands=["g", "r"]))


def test_a_table_is_read_by_name_and_converted():
    table = pd.DataFrame(
        {
            "mock_r": [2.0, 4.0],
            "mock_g": [1.0, 3.0],
            "zred": [0.1, 0.2],
            "logmass": [9.5, 10.5],
            "dust2": [0.3, 0.4],
        }
    )
    library = ModelLibrary.from_table(
        table,
        BANDS,
        columns={"{band}_flux": ("mock_{band}", "uJy"), "Z": "zred"},
        parameters={"stellar_mass": "logmass", "tau": "dust2"},
        units={"tau": ""},
        prior={"tau": "uniform"},
    )
    np.testing.assert_allclose(library.flux, [[1e-6, 2e-6], [3e-6, 4e-6]])
    np.testing.assert_array_equal(library.redshift, [0.1, 0.2])
    assert library.parameters["tau"].tolist() == [0.3, 0.4]
    assert library.units["tau"] == ""


def test_the_band_sets_unit_counts_where_the_table_states_none():
    bands = BandSet(["g"], [0.48], unit="nJy")
    library = ModelLibrary.from_table({"g_flux": [5.0], "Z": [0.1], "sfr": [0.2]}, bands)
    np.testing.assert_allclose(library.flux, [[5e-9]])
    assert list(library.parameters) == ["sfr"]


def test_gamas_names_are_known(tmp_path):
    catalogue = make_mock_survey(40, n_templates=1000, random_state=0)
    positive = (catalogue[list(GAMA.flux_columns)] > 0).all(axis=1)
    path = tmp_path / "models.parquet"
    catalogue[positive].to_parquet(path)
    names = [f"{each}_percentile50" for each in ("mass_stellar", "SFR_0_1Gyr", "L_dust")]
    found = ModelLibrary.from_table(path, GAMA, parameters=dict(zip(TARGETS, names, strict=True)))
    assert len(found) == positive.sum()
    np.testing.assert_array_equal(found.parameters["sfr"], catalogue[positive][names[1]])
    by_itself = ModelLibrary.from_table(catalogue.loc[positive, [*GAMA.columns, *names]], GAMA)
    pd.testing.assert_frame_equal(by_itself.parameters, found.parameters)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"g_flux": [1.0], "Z": [0.1], "sfr": [0.2]}, {}, "lacks 1 of 2 bands: r"),
        ({"g_flux": [1.0], "r_flux": [1.0], "sfr": [0.2]}, {}, "'Z'"),
        ({"g_flux": [1.0], "r_flux": [1.0], "Z": [0.1]}, {}, "No column is named as a parameter"),
        (
            {"g_flux": [1.0], "r_flux": [1.0], "Z": [0.1], "logMass": [9.0]},
            {"parameters": {"stellar_mass": "logmass"}},
            "lacks 1 of the 4 columns needed: 'logmass' .did you mean 'logMass'",
        ),
    ],
)
def test_what_a_table_lacks_is_named(table, options, message):
    with pytest.raises(ValueError, match=message):
        ModelLibrary.from_table(table, BANDS, **options)


def test_units_of_a_table_are_checked():
    from astropy import units as u
    from astropy.table import QTable

    table = QTable({"g_flux": [1.0] * u.mJy, "Z": [0.1], "sfr": [2.0] * u.Msun / u.yr})
    with pytest.raises(ValueError, match=r"'sfr' must be in 'dex .Msun/yr.'; got"):
        ModelLibrary.from_table(table, BANDS.only("g"))
    table["sfr"] = [0.3]
    np.testing.assert_allclose(ModelLibrary.from_table(table, BANDS.only("g")).flux, [[1e-3]])
    table["g_flux"] = [1.0] * u.K
    with pytest.raises(ValueError, match="g_flux"):
        ModelLibrary.from_table(table, BANDS.only("g"))


def test_fluxes_in_other_bands_go_by_name():
    library = ModelLibrary(**parts())
    turned = BandSet(["r", "g"], [0.62, 0.48])
    np.testing.assert_array_equal(library.fluxes_in(turned), library.flux[:, ::-1])
    with pytest.raises(ValueError, match=r"lacks 1 of 2 bands: i\. It has g, r"):
        library.fluxes_in(BandSet(["g", "i"], [0.48, 0.75]))
    with pytest.raises(ValueError, match=r"'r' is at 0.62 micron, the survey's at 0.7"):
        library.fluxes_in(BandSet(["r"], [0.7]))


def test_a_file_gives_the_library_back(tmp_path):
    library = ModelLibrary(**parts())
    path = library.save(tmp_path / "new" / "library.parquet")
    same(ModelLibrary.load(path), library)
    assert [file.name for file in path.parent.iterdir()] == ["library.parquet"]
    assert pd.read_parquet(path).columns.tolist() == [
        *("redshift", "g_flux", "r_flux", "stellar_mass", "umin")
    ]


def test_nothing_is_overwritten_unasked(tmp_path):
    library = ModelLibrary(**parts())
    path = tmp_path / "library.parquet"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        library.save(path)
    assert path.read_text() == "precious"
    library.save(path, overwrite=True)
    same(ModelLibrary.load(path), library)


def test_files_that_are_no_libraries_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no library"):
        ModelLibrary.load(tmp_path / "absent.parquet")
    other = tmp_path / "other.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(other)
    with pytest.raises(ValueError, match=r"use ModelLibrary\.from_table"):
        ModelLibrary.load(other)
    other.write_text("no table")
    with pytest.raises(ValueError, match="not a Parquet file"):
        ModelLibrary.load(other)
    with pytest.raises(ValueError, match=r"\.parquet file; got 'library.fits'"):
        ModelLibrary(**parts()).save(tmp_path / "library.fits")
    with pytest.raises(ValueError, match="prior must be what JSON can hold"):
        ModelLibrary(**parts(prior={"f": object()})).save(tmp_path / "library.parquet")


def test_the_mock_library_has_the_mock_surveys_galaxies():
    library = mock_library(60, random_state=0)
    catalogue = make_mock_survey(60, n_templates=1000, random_state=0)
    np.testing.assert_allclose(library.redshift, catalogue["Z"])
    np.testing.assert_allclose(library.parameters["sfr"], catalogue["true_log_sfr"])
    r = GAMA.names.index("r")
    pull = (catalogue["r_flux"] - library.flux[:, r]) / catalogue["r_fluxerr"]
    assert 0.7 < pull.std() < 1.3
    same(library, mock_library(60, random_state=0))
    assert not np.array_equal(library.flux, mock_library(60, random_state=1).flux)


def test_the_mock_library_refuses_bands_without_spectrum():
    with pytest.raises(ValueError, match=r"serve bands from 0\.1 to 1000 micron"):
        mock_library(10, BandSet(["g", "radio"], [0.48, 2e5]))


def test_some_models_are_taken_by_position_or_by_mask():
    library = ModelLibrary(**parts())
    taken = library.take([2, 0])
    np.testing.assert_array_equal(taken.redshift, [0.3, 0.1])
    np.testing.assert_array_equal(taken.flux, library.flux[[2, 0]])
    assert taken.parameters["umin"].tolist() == [2.0, 0.5]
    assert taken.parameters.index.tolist() == [0, 1]
    assert (taken.units, taken.prior) == (library.units, library.prior)
    same(library.take(np.array([True, False, True])), library.take([0, 2]))
    with pytest.raises(IndexError, match="out of bounds"):
        library.take([3])
