from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from sfml import GAMA, TARGETS, BandSet, make_mock_survey, triage
from sfml.datasets import fit_mock_templates
from sfml.flags import Flag
from sfml.photometry.missing import find_missing
from sfml.targets import GAMA_TARGET_COLUMNS
from sfml.triage.identifiers import as_text, identifiers

# Neither in order of wavelength, nor in GAMA's unit or layout.
BANDS = BandSet(
    ["W1", "g", "r"],
    [3.3526, 0.4702, 0.6176],
    flux="F_{band}",
    error="E_{band}",
    redshift="z",
)


@pytest.fixture
def galaxies() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "F_g": [1e-4, -999.0, 3.3e-5],
            "E_g": [1e-6, -999.0, 0.0],
            "F_r": [2.5e-4, 1 / 3, -4e-6],
            "E_r": [2e-6, 0.1, 5e-6],
            "F_W1": [np.nan, 7e-4, 8e-4],
            "E_W1": [1e-5, 7e-6, 8e-6],
            "z": [0.05, 0.123456789012345, 0.3],
            "note": ["a", "b", "c"],
        },
        index=[6802, 100, 4_000_001],
    )


# What a round trip gives: the columns of BANDS, NaN where there is no measurement.
READ_BACK = pd.DataFrame(
    {
        "F_W1": [np.nan, 7e-4, 8e-4],
        "F_g": [1e-4, np.nan, np.nan],
        "F_r": [2.5e-4, 1 / 3, -4e-6],
        "E_W1": [np.nan, 7e-6, 8e-6],
        "E_g": [1e-6, np.nan, np.nan],
        "E_r": [2e-6, 0.1, 5e-6],
        "z": [0.05, 0.123456789012345, 0.3],
    },
    index=pd.Index(["6802", "100", "4000001"], name="id", dtype=object),
)


def check_frame(found: pd.DataFrame, expected: pd.DataFrame, rtol: float = 0.0) -> None:
    assert list(found.index) == list(expected.index)
    assert list(found.columns) == list(expected.columns)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=rtol, atol=0)


@st.composite
def catalogues(draw, lowest: float = -1e3) -> pd.DataFrame:
    """Photometry as a survey may have it: tiny, huge, negative and missing values."""
    n = draw(st.integers(1, 5))
    flux = st.one_of(st.sampled_from([-999.0, np.nan]), st.floats(lowest, 1e3, width=64))
    error = st.one_of(st.sampled_from([-999.0, np.nan]), st.floats(1e-12, 1e3))
    columns = {name: draw(st.lists(flux, min_size=n, max_size=n)) for name in BANDS.flux_columns}
    columns |= {name: draw(st.lists(error, min_size=n, max_size=n)) for name in BANDS.error_columns}
    columns["z"] = draw(st.lists(st.floats(1e-4, 8.0), min_size=n, max_size=n))
    return pd.DataFrame(columns, index=np.arange(n) + 7)


def expected_back(X: pd.DataFrame) -> pd.DataFrame:
    """What `catalogues` are when read back."""
    back = X.mask(X.isin([-999, -99, -9]))
    fluxes, errors = list(BANDS.flux_columns), list(BANDS.error_columns)
    missing = find_missing(back[fluxes].to_numpy(), back[errors].to_numpy())
    for columns in (fluxes, errors):
        back[columns] = back[columns].mask(missing)
    return back.set_axis([str(i) for i in X.index], axis=0)


class TestChoose:
    @pytest.fixture
    def table(self) -> pd.DataFrame:
        # Widths 0.1, 0.2, 0.3, 0.4 of mass (median 0.25) and 4, 1, 1, 1 of SFR (median 1).
        return pd.DataFrame(
            {
                "stellar_mass": [10.0] * 4 + [np.nan],
                "stellar_mass_p16": [9.9, 9.8, 9.7, 9.6, np.nan],
                "stellar_mass_p84": [10.0, 10.0, 10.0, 10.0, np.nan],
                "sfr": [0.0] * 4 + [np.nan],
                "sfr_p16": [-2.0, 0.0, 0.0, 0.0, np.nan],
                "sfr_p84": [2.0, 1.0, 1.0, 1.0, np.nan],
                "flag": [0, 4, 6, 32, 129],
                "reasons": ["", "a", "b|c", "d", "e"],
            },
            index=[40, 10, 30, 0, 20],
        )

    def test_most_flags_first_then_the_widest(self, table):
        assert triage.choose(table, 10).tolist() == [4, 2, 3, 1]
        assert triage.choose(table, 2).tolist() == [4, 2]

    def test_flags_without_intervals(self, table):
        assert triage.choose(table[["flag"]], 10).tolist() == [2, 4, 1, 3]

    def test_widest_in_units_of_each_targets_median(self, table):
        assert triage.choose(table, 10, by="width").tolist() == [0, 3, 2, 1]
        mass = triage.choose(table, 2, by="width", target="stellar_mass")
        assert mass.tolist() == [3, 2]
        assert triage.choose(table, 1, by="width", target=["sfr"]).tolist() == [0]

    def test_width_needs_no_flags(self, table):
        assert triage.choose(table.drop(columns="flag"), 1, by="width").tolist() == [0]

    @pytest.mark.parametrize(
        "exclude",
        [
            *(4, [4], {4, 64}, np.int64(4), np.uint8(68), np.array(4), np.array([4, 64])),
            *(Flag.LOW_SNR, Flag.LOW_SNR | Flag.QUANTILE_CROSSING, [Flag.LOW_SNR, 64], range(4, 5)),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("by", ["flag", "width", "gain"])
    def test_excluded_flags(self, table, exclude, by):
        chosen = triage.choose(
            table, 5, by=by, features=np.arange(10.0).reshape(5, 2), exclude_flags=exclude
        )
        expected = {"flag": {3, 4}, "width": {0, 3}, "gain": {0, 3}}[by]
        assert set(chosen.tolist()) == expected

    def test_flags_of_few_bits_against_large_masks(self, table):
        flag = table["flag"].astype(np.uint8)
        assert triage.choose(table.assign(flag=flag), 9, exclude_flags=2**40).size == 4

    @pytest.mark.parametrize("exclude", ["low_snr", 4.0, True, None, [4, "low_snr"], -1])
    def test_what_is_no_flag(self, table, exclude):
        with pytest.raises(TypeError, match=r"must be members of sfml.flags.Flag or sums.* got "):
            triage.choose(table, 3, exclude_flags=exclude)

    def test_columns_are_found_by_name(self, table):
        expected = triage.choose(table, 4, by="width", target=["sfr", "stellar_mass"])
        turned = table[table.columns[::-1]].assign(flag_of_mine="x", extra=1.0)
        np.testing.assert_array_equal(triage.choose(turned, 4, by="width"), expected)
        with pytest.raises(ValueError, match=r"columns of the same name: .*'flag', .*'flag'"):
            triage.choose(pd.concat([table, table[["flag"]]], axis=1), 3)

    def test_features_in_another_order(self, table):
        features = pd.DataFrame(np.arange(10.0).reshape(5, 2), index=table.index)
        triage.choose(table, 3, by="gain", features=features)
        with pytest.raises(ValueError, match=r"table and features have .*row 0, .* is 40 in one"):
            triage.choose(table, 3, by="gain", features=features[::-1])

    def test_positions_are_integers_that_index(self, table):
        chosen = triage.choose(table, 2, by="width")
        assert chosen.dtype.kind == "i"
        assert table.iloc[chosen].index.tolist() == [40, 0]

    @pytest.mark.parametrize("by", ["flag", "width", "gain"])
    def test_none_to_choose(self, table, by):
        table = table.assign(flag=0, sfr_p16=np.nan)
        features = np.zeros((5, 2))
        assert triage.choose(table, 3, by=by, features=features).shape == (0,)

    @given(
        st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from(["flag", "width", "gain"])
    )
    @settings(max_examples=30, deadline=None)
    def test_unique_eligible_and_as_many_as_there_are(self, seed, n, by):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(1, 80))
        low = rng.normal(size=size)
        table = pd.DataFrame({"sfr_p16": low, "sfr_p84": low + rng.random(size)})
        table["flag"] = rng.integers(0, 8, size)
        table.loc[rng.random(size) < 0.2, "sfr_p84"] = np.nan
        features = rng.normal(size=(size, 3))
        features[rng.random(size) < 0.1] = np.nan
        chosen = triage.choose(table, n, by=by, features=features, exclude_flags=1)
        may = (table["flag"] & 1) == 0
        if by == "flag":
            may &= table["flag"] != 0
        else:
            may &= table["sfr_p84"].notna()
        if by == "gain":
            may &= ~np.isnan(features).any(axis=1)
        assert len(np.unique(chosen)) == len(chosen) == min(n, may.sum())
        assert may.to_numpy()[chosen].all()
        if by == "width":
            width = (table["sfr_p84"] - table["sfr_p16"]).to_numpy()
            rest = np.setdiff1d(np.flatnonzero(may), chosen)
            assert not len(rest) or width[rest].max() <= width[chosen].min()

    @pytest.fixture
    def kinds(self) -> tuple[pd.DataFrame, np.ndarray]:
        """300 sure galaxies, 60 unsure of one kind, 30 of another, and 2 widest but lonely."""
        rng = np.random.default_rng(0)
        centres = np.repeat([[0, 0], [6, 0], [0, 6], [30, 30], [-30, 30]], [300, 60, 30, 1, 1], 0)
        features = centres + 0.3 * rng.normal(size=(392, 2))
        width = np.repeat([0.05, 1.0, 1.0, 2.0, 2.0], [300, 60, 30, 1, 1])
        order = rng.permutation(392)
        table = pd.DataFrame({"sfr_p16": 0.0, "sfr_p84": width})
        return table.iloc[order].set_axis(range(392), axis=0), features[order]

    def test_gain_weighs_width_with_frequency_and_spreads(self, kinds):
        table, features = kinds
        chosen = triage.choose(table, 6, by="gain", features=features)
        of_x, of_y = (np.abs(features[chosen] - centre).max(1) < 2 for centre in ([6, 0], [0, 6]))
        # In proportion to 60 and 30 of the same width; the lonely and the sure come after them.
        assert of_x.sum() + of_y.sum() >= 4
        assert of_x.sum() >= of_y.sum() >= 1
        # By width alone, the lonely two come first.
        assert (triage.choose(table, 2, by="width") != chosen[:2]).all()
        assert table["sfr_p84"].iloc[chosen[0]] == 1.0

    def test_gain_starts_with_the_kind_that_is_worth_most(self, kinds):
        table, features = kinds
        first = triage.choose(table, 6, by="gain", features=features)[0]
        assert np.abs(features[first] - [6, 0]).max() < 2

    def test_gain_repeats_and_ignores_scale_and_constant_features(self, kinds):
        table, features = kinds
        first = triage.choose(table, 8, by="gain", features=features)
        np.testing.assert_array_equal(first, triage.choose(table, 8, by="gain", features=features))
        other = np.column_stack([features * [1e-3, 1e3] + [5.0, 0.0], np.full(392, 3.0)])
        again = triage.choose(table, 8, by="gain", features=other)
        assert len(np.intersect1d(first, again)) >= 6

    def test_scales(self):
        rng = np.random.default_rng(0)
        n = 100_000
        low = rng.normal(size=n)
        table = pd.DataFrame({"sfr_p16": low, "sfr_p84": low + rng.random(n), "flag": 1})
        features = rng.normal(size=(n, 40)).astype(np.float32)
        start = time.perf_counter()
        for by in ("flag", "width", "gain"):
            assert len(triage.choose(table, 1000, by=by, features=features)) == 1000
        # A few seconds on two free cores; the limit allows for busy ones.
        assert time.perf_counter() - start < 60

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n": 0}, "n must be a positive integer; got 0"),
            ({"n": True}, "n must be a positive integer; got True"),
            ({"by": "random"}, "by must be 'flag', 'width' or 'gain'; got 'random'"),
            ({"by": "gain"}, r"needs features=.*pipe\[:-1\].transform"),
            ({"by": "gain", "features": [[1.0]]}, r"shape \(5, n_features\).*got \(1, 1\)"),
            (
                {"by": "width", "target": "mass"},
                "no intervals of mass: .*those of stellar_mass, sfr",
            ),
        ],
    )
    def test_bad_input_is_named(self, table, options, message):
        with pytest.raises(ValueError, match=message):
            triage.choose(table, **{"n": 3, **options})

    def test_wrong_tables(self, table):
        with pytest.raises(TypeError, match="DataFrame of predict_table"):
            triage.choose(table.to_numpy(), 3)
        with pytest.raises(ValueError, match="lacks the column 'flag'"):
            triage.choose(table.drop(columns="flag"), 3)
        with pytest.raises(ValueError, match=r"'flag' must hold integers.*\[0\.5"):
            triage.choose(table.assign(flag=0.5), 3)
        with pytest.raises(ValueError, match="no intervals of any target"):
            triage.choose(table[["flag", "sfr"]], 3, by="width")


class TestMagphysInput:
    def test_files(self, galaxies, tmp_path):
        folder = triage.write_magphys(
            galaxies, tmp_path / "new" / "run", bands=BANDS, filter_ids={"g": 7}
        )
        assert folder == tmp_path / "new" / "run"
        assert (folder / "observations.dat").read_text().splitlines() == [
            "# name redshift g g_err r r_err W1 W1_err",
            "6802 0.05 0.0001 1e-06 0.00025 2e-06 -99.0 -99.0",
            "100 0.123456789012345 -99.0 -99.0 0.3333333333333333 0.1 0.0007 7e-06",
            "4000001 0.3 -99.0 -99.0 -4e-06 5e-06 0.0008 8e-06",
        ]
        assert (folder / "filters.dat").read_text().splitlines() == [
            "#name lambda_eff filter_id fit?",
            "g 0.4702 7 1",
            "r 0.6176 117 1",
            "W1 3.3526 280 1",
        ]
        assert sorted(path.name for path in folder.iterdir()) == [
            "filters.dat",
            "observations.dat",
            "zlibs.dat",
        ]

    def test_round_trip(self, galaxies, tmp_path):
        before = galaxies.copy()
        triage.write_magphys(galaxies, tmp_path, bands=BANDS)
        check_frame(triage.read_magphys_input(tmp_path, bands=BANDS), READ_BACK)
        pd.testing.assert_frame_equal(galaxies, before)

    @given(catalogues())
    @settings(max_examples=40, deadline=None)
    def test_round_trip_of_anything(self, tmp_path_factory, X):
        folder = tmp_path_factory.mktemp("magphys")
        triage.write_magphys(X, folder, bands=BANDS)
        found = triage.read_magphys_input(folder, bands=BANDS)
        check_frame(found, expected_back(X)[list(BANDS.columns)])

    def test_units(self, galaxies, tmp_path):
        milli = BandSet(
            BANDS.names, BANDS.wavelengths, BANDS.flux, BANDS.error, BANDS.redshift, "mJy"
        )
        X = galaxies.drop(columns="note")
        fluxes = [*BANDS.flux_columns, *BANDS.error_columns]
        X[fluxes] = X[fluxes].where(X[fluxes] == -999, 1000 * X[fluxes])
        triage.write_magphys(X, tmp_path, bands=milli)
        check_frame(triage.read_magphys_input(tmp_path, bands=BANDS), READ_BACK, rtol=1e-14)
        there = READ_BACK.assign(**{name: 1000 * READ_BACK[name] for name in fluxes})
        check_frame(triage.read_magphys_input(tmp_path, bands=milli), there, rtol=1e-14)

    def test_gama(self, tmp_path):
        X, _ = make_mock_survey(20, n_templates=1000, random_state=0, return_X_y=True)
        triage.write_magphys(X, tmp_path)
        back = triage.read_magphys_input(tmp_path)
        check_frame(back, X.where(X != -999.0).set_axis([str(i) for i in range(20)], axis=0))
        filters = [line.split() for line in (tmp_path / "filters.dat").read_text().splitlines()]
        assert [row[2] for row in filters[1:4]] == ["123", "124", "115"]
        # MAGPHYS takes the first bands for starlight and the last ones for dust.
        wavelengths = [float(row[1]) for row in filters[1:]]
        assert wavelengths == sorted(wavelengths)
        assert set(triage.MAGPHYS_FILTER_IDS) == set(GAMA.names)

    def test_arrays_and_own_ids(self, tmp_path):
        X = np.array([[1e-3, 1e-4, 0.1], [2e-3, 2e-4, 0.2]])
        bands = GAMA.only("r")
        triage.write_magphys(X, tmp_path, bands=bands, ids=["a.1", "b-2"])
        assert triage.read_magphys_input(tmp_path, bands=bands).index.tolist() == ["a.1", "b-2"]

    def test_nothing_is_replaced_unasked(self, galaxies, tmp_path):
        (tmp_path / "filters.dat").write_text("mine")
        with pytest.raises(FileExistsError, match=r"filters\.dat is there already.*overwrite=True"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS)
        assert (tmp_path / "filters.dat").read_text() == "mine"
        assert not (tmp_path / "observations.dat").exists()
        triage.write_magphys(galaxies, tmp_path, bands=BANDS, overwrite=True)
        check_frame(triage.read_magphys_input(tmp_path, bands=BANDS), READ_BACK)

    @pytest.mark.parametrize(
        "ids",
        [["a b", "c", "d"], ["a/b", "c", "d"], ["a,b", "c", "d"], ["123456789", "c", "d"]],
    )
    def test_names_that_magphys_would_misread(self, galaxies, tmp_path, ids):
        with pytest.raises(ValueError, match=rf"1 of 3 ids cannot be written.*{ids[0]!r}.*up to 8"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS, ids=ids)
        assert not list(tmp_path.iterdir())

    def test_longer_names_where_they_can_be_read(self, galaxies, tmp_path):
        ids = ["123456789", "c", "d"]
        triage.write_magphys(galaxies, tmp_path, bands=BANDS, ids=ids, longest_name=40)
        assert triage.read_magphys_input(tmp_path, bands=BANDS).index.tolist() == ids

    @pytest.mark.parametrize("z", [0.0, -0.1, np.nan, -999.0])
    def test_redshift(self, galaxies, tmp_path, z):
        galaxies.loc[100, "z"] = z
        with pytest.raises(ValueError, match=r"positive redshift; 'z' is .* 1 of 3 rows.*'100'"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS)

    def test_bad_catalogues(self, galaxies, tmp_path):
        with pytest.raises(ValueError, match=r"ids must be unique; 1 repeat.*'5'"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS, ids=[5, 5.0, 6])
        with pytest.raises(ValueError, match="one entry per row of X: got 2 for 3 rows"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS, ids=[5, 6])
        with pytest.raises(ValueError, match="An id is missing"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS, ids=[5, np.nan, 6])
        with pytest.raises(ValueError, match="lacks 1 of the 7 columns needed: 'E_r'"):
            triage.write_magphys(galaxies.drop(columns="E_r"), tmp_path, bands=BANDS)
        for column in ("F_r", "z"):
            infinite = galaxies.assign(**{column: np.inf})
            with pytest.raises(ValueError, match=f"infinity in 3 places, in the columns {column}"):
                triage.write_magphys(infinite, tmp_path, bands=BANDS)

    def test_filters_that_are_not_known(self, tmp_path):
        bands = BandSet(["r", "F606W"], [0.6176, 0.59])
        X = np.full((1, 5), 0.1)
        with pytest.raises(ValueError, match=r"No filter is known for F606W.*'F606W': 117.*\.log"):
            triage.write_magphys(X, tmp_path, bands=bands)
        triage.write_magphys(X, tmp_path, bands=bands, filter_ids={"F606W": 53})
        assert "F606W 0.59 53 1" in (tmp_path / "filters.dat").read_text()

    def test_namesakes_of_gamas_bands_are_not_gamas(self, tmp_path):
        bands = BandSet(["r", "K"], [0.6176, 2.4])
        with pytest.raises(ValueError, match=r"No filter is known for K\."):
            triage.write_magphys(np.full((1, 5), 0.1), tmp_path, bands=bands)
        with pytest.raises(ValueError, match=r"entries for k, which are no bands.*: r, K"):
            triage.write_magphys(np.full((1, 5), 0.1), tmp_path, bands=bands, filter_ids={"k": 1})

    def test_more_than_magphys_holds(self, tmp_path):
        X = np.full((5001, 3), 0.1)
        with pytest.raises(ValueError, match="up to 5000 galaxies from a file; got 5001"):
            triage.write_magphys(X, tmp_path, bands=GAMA.only("r"))

    def test_reading_what_is_not_there_or_malformed(self, galaxies, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"filters\.dat"):
            triage.read_magphys_input(tmp_path, bands=BANDS)
        triage.write_magphys(galaxies, tmp_path, bands=BANDS)
        with pytest.raises(ValueError, match=r"has the bands g, r, W1; expected .*: r\."):
            triage.read_magphys_input(tmp_path, bands=GAMA.only("r"))
        path = tmp_path / "observations.dat"
        whole = path.read_text()
        path.write_text(whole[:-20])
        with pytest.raises(ValueError, match=r"line 4: expected 8 columns.* got 5\."):
            triage.read_magphys_input(tmp_path, bands=BANDS)
        path.write_text(whole.replace("0.00025", "0.0oo25"))
        with pytest.raises(ValueError, match=r"column 'r' must hold numbers; got '0\.0oo25'"):
            triage.read_magphys_input(tmp_path, bands=BANDS)

    def test_the_three_files_are_replaced_together(self, galaxies, tmp_path, monkeypatch):
        triage.write_magphys(galaxies, tmp_path, bands=BANDS)
        before = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
        replace, n_replaced = Path.replace, []

        def failing(self, target):
            if len(n_replaced) == 2:
                n_replaced.append(None)
                raise OSError("no space left")
            n_replaced.append(target)
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", failing)
        with pytest.raises(OSError, match="no space left"):
            triage.write_magphys(galaxies[:1], tmp_path, bands=BANDS, overwrite=True)
        after = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
        assert after == before

    def test_redshifts_of_the_libraries(self, galaxies, tmp_path):
        """As make_zgrid.f has them: format(i6,f8.4), bins of 0.01 that hold a galaxy."""
        galaxies = galaxies.assign(z=[0.0451, 0.0549, 1.234])
        triage.write_magphys(galaxies, tmp_path, bands=BANDS)
        zlibs = tmp_path / "zlibs.dat"
        assert zlibs.read_text() == "     1  0.0500\n     2  1.2300\n"
        triage.write_magphys(galaxies, tmp_path, bands=BANDS, redshift_step=None, overwrite=True)
        assert zlibs.read_text() == "     1  0.0451\n     2  0.0549\n     3  1.2340\n"
        for step in (0, 0.02, -0.01):
            with pytest.raises(ValueError, match=r"redshift_step must be None or lie between 0"):
                triage.write_magphys(galaxies, tmp_path / "x", bands=BANDS, redshift_step=step)
        assert not (tmp_path / "x").exists()
        zlibs.write_text("mine")
        (tmp_path / "observations.dat").unlink()
        (tmp_path / "filters.dat").unlink()
        with pytest.raises(FileExistsError, match=r"zlibs\.dat is there already"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS)
        assert [path.name for path in tmp_path.iterdir()] == ["zlibs.dat"]

    @given(st.lists(st.floats(1e-4, 8.0), min_size=1, max_size=20))
    @settings(max_examples=30, deadline=None)
    def test_every_galaxy_is_near_a_library(self, tmp_path_factory, redshifts):
        folder = tmp_path_factory.mktemp("magphys")
        X = np.column_stack([np.ones((len(redshifts), 2)), redshifts])
        triage.write_magphys(X, folder, bands=GAMA.only("r"))
        lines = (folder / "zlibs.dat").read_text().splitlines()
        assert [int(line[:6]) for line in lines] == list(range(1, len(lines) + 1))
        at = np.array([float(line[6:]) for line in lines])
        distance = np.abs(np.subtract.outer(redshifts, at))
        assert distance.min(axis=1).max() <= 0.005 + 1e-12
        assert distance.min(axis=0).max() <= 0.005 + 1e-12

    def test_one_filter_for_two_bands(self, galaxies, tmp_path):
        with pytest.raises(ValueError, match=r"Each band needs a filter of its own.*\[117\]"):
            triage.write_magphys(galaxies, tmp_path, bands=BANDS, filter_ids={"g": 117})

    def test_bands_that_would_be_comments(self, tmp_path):
        bands = BandSet(["#r"], [0.6176])
        with pytest.raises(ValueError, match=r"'#r': these are names of bands"):
            triage.write_magphys(np.ones((1, 3)), tmp_path, bands=bands, filter_ids={"#r": 117})


class TestMagphysOwnInput:
    """Files by others, which MAGPHYS reads: its own example, TheSkyNet's, hand-made ones."""

    BANDS = BandSet(["W1", "r"], [3.3526, 0.6176])
    FILTERS = "#name\tlambda_eff\tfilter_id\tfit?\nr\t\t0.6176\t117\t1\nW1\t\t3.3526\t280\t0\n"
    GALAXY = "  4732         0.45642   3.7E-06   3.7E-07   5.2E-06   1.5E-07"

    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        (tmp_path / "filters.dat").write_text(self.FILTERS)
        return tmp_path

    def read(self, folder: Path, text: str | bytes) -> pd.DataFrame:
        data = text if isinstance(text, bytes) else text.encode()
        (folder / "observations.dat").write_bytes(data)
        return triage.read_magphys_input(folder, bands=self.BANDS)

    @pytest.mark.parametrize(
        "text",
        [
            f"# HEADER\n{GALAXY}\n",
            f"\n{GALAXY}",
            f'#  [{{"run_id": 1, "galaxy": "UGC0"}}]\n{GALAXY}\n',
            f"# name redshift r r_err W1 W1_err\n{GALAXY}\n# 4733 0.5 1 1 1 1\n\n",
            f"name, redshift, flux ...\n{GALAXY}   # by hand\n",
            "header\n" + GALAXY.replace("E", "D"),
            "header\n" + GALAXY.replace("E", "d").replace(" 4732", "'4732'"),
            "header\n" + "\t".join(GALAXY.split()) + "\r\n",
            "header\r" + ", ".join(GALAXY.split()),
            f"Ångström\n{GALAXY}\n".encode("latin-1"),
            f"\N{BYTE ORDER MARK}Ångström\n{GALAXY}\n".encode(),
        ],
    )
    def test_what_magphys_reads(self, folder, text):
        found = self.read(folder, text)
        assert found.index.tolist() == ["4732"]
        assert found.columns.tolist() == list(self.BANDS.columns)
        assert found.to_numpy().tolist() == [[5.2e-6, 3.7e-6, 1.5e-7, 3.7e-7, 0.45642]]

    def test_numbers_as_fortran_writes_them(self, folder):
        found = self.read(folder, "x\na 1.5D-01 1.250-120 2.5d+3 -9.9D+01 -99\n").iloc[0]
        assert found["Z"] == 0.15
        assert found["r_flux"] == 1.25e-120
        assert found["r_fluxerr"] == 2500
        assert found[["W1_flux", "W1_fluxerr"]].isna().all()
        with pytest.raises(ValueError, match=r"column 'W1_err' must hold numbers; got '1_000'"):
            self.read(folder, "x\na 0.1 1 1 1 1_000\n")

    def test_a_first_line_that_is_a_galaxy(self, folder):
        with pytest.warns(UserWarning, match=r"first line of .* is the galaxy '4732'.*skipped"):
            found = self.read(folder, f"{self.GALAXY}\n{self.GALAXY.replace('4732', '4733')}\n")
        assert found.index.tolist() == ["4733"]

    def test_files_that_do_not_belong_together(self, folder):
        message = (
            r"line 2: expected 6 columns, which are .* of the 2 bands of filters\.dat \(r, W1\); "
            r"got {}\. Either filters\.dat"
        )
        with pytest.raises(ValueError, match=message.format(8)):
            self.read(folder, f"# HEADER\n{self.GALAXY} 1 1\n")
        with pytest.raises(ValueError, match=message.format(4)):
            self.read(folder, "# HEADER\n4732 0.4 1 1\n")
        # The columns stand in the order of filters.dat, whatever the header says.
        with pytest.raises(ValueError, match=r"names the bands W1, r, but filters\.dat has r, W1"):
            self.read(folder, f"# name redshift W1 W1_err r r_err\n{self.GALAXY}\n")

    def test_bands_and_galaxies_twice(self, folder):
        with pytest.raises(ValueError, match=r"ids in the file must be unique; 1 repeat.*'4732'"):
            self.read(folder, f"x\n{self.GALAXY}\n{self.GALAXY}\n")
        filters = folder / "filters.dat"
        filters.write_text(f"{self.FILTERS}r 0.6176 118 1\n")
        with pytest.raises(ValueError, match="has one band more than once: r"):
            self.read(folder, f"x\n{self.GALAXY}\n")
        filters.write_text(self.FILTERS.replace("280", "117"))
        with pytest.raises(ValueError, match="has one filter more than once: 117"):
            self.read(folder, f"x\n{self.GALAXY}\n")
        filters.write_text("#name\nr 0.6176\n")
        with pytest.raises(
            ValueError, match=r"filters\.dat', line 2: expected the name.* got 2 col"
        ):
            self.read(folder, f"x\n{self.GALAXY}\n")
        filters.write_text("")
        with pytest.raises(ValueError, match="has the bands ; expected"):
            self.read(folder, f"x\n{self.GALAXY}\n")


# A file as fit_sed.f writes it: its formats are those of the Fortran statements.
BEST_FIT_HEADER = (
    "#.fmu(SFH)...fmu(IR)........mu......tauv........sSFR..........M*.......Ldust......T_W^BC"
    ".....T_C^ISM....xi_C^tot..xi_PAH^tot..xi_MIR^tot....xi_W^tot.....tvism.......Mdust.....SFR"
)
HISTOGRAMS = {
    "f_mu (SFH) ...": False,
    "f_mu (IR) ...": False,
    "mu parameter ...": False,
    "tau_V ...": False,
    "sSFR_0.1Gyr ...": True,
    "M(stars) ...": True,
    "Ldust ...": True,
    "T_C^ISM ...": False,
    "T_W^BC ...": False,
    "xi_C^tot ...": False,
    "xi_PAH^tot ...": False,
    "xi_MIR^tot ...": False,
    "xi_W^tot ...": False,
    "tau_V^ISM...": False,
    "M(dust)...": False,
    "SFR_0.1Gyr ...": False,
}
"""Parameters in order, and whether their percentiles are written with an exponent."""


def fortran(value: float, width: int = 12, digits: int = 3, exponent: int = 2) -> str:
    """1pEw.d, or 1pEw.dEe."""
    mantissa, power = f"{value:.{digits}E}".split("E")
    sign, power = power[0], power[1:].lstrip("0").rjust(exponent, "0")
    # Without a width for the exponent, one of three digits takes the place of the E.
    mark = "" if len(power) > exponent else "E"
    return f"{mantissa}{mark}{sign}{power}".rjust(width)


def fit_file(
    mass=(9.5, 9.6, 9.7, 9.8, 9.9),
    ldust=(8.0, 8.2, 8.4, 8.6, 10.05),
    sfr=(-4.983, -3.853, -3.033, -2.523, -2.028),
    best=(8.735e7, 3.053e6, 5.037e-6),
    ssfr=5.767e-14,
    chi2="     0.974",
    first="",
    after_percentiles=(),
) -> str:
    lines = [*([first] if first else []), "# OBSERVED FLUXES (and errors):"]
    filters = " #   u           g           r"
    numbers = "".join(fortran(value) for value in (7.091e-9, 3.432e-8, 6.366e-8))
    lines += [filters, numbers, numbers, "#"]
    lines += ["# ... Results of fitting the fluxes to the model.....", "#"]
    lines += ["# BEST FIT MODEL: (i_sfh, i_ir, chi2, redshift)"]
    lines += [f"{20418:10d}{11:10d}{chi2}{0.0214:12.6f}", BEST_FIT_HEADER]
    lines += [
        "".join(f"{value:10.3f}" for value in (0.992, 0.993, 0.199, 0.347))
        + "".join(fortran(value) for value in (ssfr, best[0], best[1]))
        + f"{57.2:10.1f}{16.4:10.1f}"
        + "".join(f"{value:10.3f}" for value in (0.728, 0.147, 0.073, 0.052, 0.069))
        + fortran(2.169e4)
        + fortran(best[2])
    ]
    lines += [filters, numbers, "#", "# MARGINAL PDF HISTOGRAMS FOR EACH PARAMETER......"]
    percentiles = {"M(stars) ...": mass, "Ldust ...": ldust, "SFR_0.1Gyr ...": sfr}
    for name, exponent in HISTOGRAMS.items():
        lines.append(f"# ... {name}")
        if exponent or name.startswith("SFR"):
            bins = [(9.55, 0.25), (9.65, 0.5), (10.05, 1.392e-78)]
            lines += [fortran(x, exponent=3) + fortran(p, exponent=3) for x, p in bins]
        else:
            lines += [f"{x:10.4f}" + fortran(0.1, exponent=3) for x in (0.025, 0.075)]
        lines.append("#....percentiles of the PDF......")
        values = percentiles.get(name, (0.228, 0.477, 0.698, 0.917, 0.993))
        if exponent:
            lines.append("".join(fortran(value, exponent=3) for value in values))
        else:
            lines.append("".join(f"{value:8.3f}" for value in values))
        lines += after_percentiles
    return "\n".join(lines) + "\n"


class TestMagphysResults:
    def test_percentiles_are_log_and_best_fits_linear(self, tmp_path):
        (tmp_path / "6802.fit").write_text(fit_file())
        found = triage.read_magphys(tmp_path / "6802.fit")
        assert found.index.tolist() == ["6802"]
        row = found.iloc[0]
        mass = row[[f"stellar_mass{end}" for end in ("_p2_5", "_p16", "", "_p84", "_p97_5")]]
        assert mass.tolist() == [9.5, 9.6, 9.7, 9.8, 9.9]
        assert row[["sfr_p16", "sfr", "sfr_p84"]].tolist() == [-3.853, -3.033, -2.523]
        assert row[["dust_luminosity_p16", "dust_luminosity"]].tolist() == [8.2, 8.4]
        assert row["dust_luminosity_p97_5"] == 10.05
        np.testing.assert_allclose(
            row[[f"{target}_best" for target in ("stellar_mass", "dust_luminosity", "sfr")]],
            np.log10([8.735e7, 3.053e6, 5.037e-6]),
        )
        assert row["chi2"] == 0.974
        assert row["redshift"] == 0.0214
        assert found.shape == (1, 20)
        assert all(dtype.kind == "f" for dtype in found.dtypes)

    def test_the_format_is_fortrans(self):
        """Lines of a real file (magphys-cpp, samples/fort.fit), to the character."""
        lines = fit_file().splitlines()
        assert "     20418        11     0.974    0.021400" in lines
        assert (
            "     0.992     0.993     0.199     0.347   5.767E-14   8.735E+07   3.053E+06      57.2"
            "      16.4     0.728     0.147     0.073     0.052     0.069   2.169E+04   5.037E-06"
        ) in lines
        assert "  -4.983  -3.853  -3.033  -2.523  -2.028" in lines
        assert "  1.005E+001  1.392E-078" in lines
        assert "  9.500E+000  9.600E+000  9.700E+000  9.800E+000  9.900E+000" in lines

    def test_a_folder_and_lists(self, tmp_path):
        for name in ("b", "a.1", "300"):
            (tmp_path / f"{name}.fit").write_text(fit_file())
            (tmp_path / f"{name}.sed").write_text("...")
        assert triage.read_magphys(tmp_path).index.tolist() == ["300", "a.1", "b"]
        listed = triage.read_magphys([tmp_path / "b.fit", str(tmp_path / "300.fit")])
        assert listed.index.tolist() == ["b", "300"]

    def test_output_of_theskynet(self, tmp_path):
        """A variant with a line before everything and two after each list of percentiles."""
        text = fit_file(
            first=" ####### pix16750251                   ",
            after_percentiles=("# theSkyNet2", "    0.9750    0.0250    0.9750    0.0500"),
        )
        (tmp_path / "x.fit").write_text(text)
        (tmp_path / "y.fit").write_text(fit_file())
        found = triage.read_magphys(tmp_path)
        pd.testing.assert_series_equal(found.loc["x"], found.loc["y"], check_names=False)

    def test_numbers_that_fortran_cannot_fit(self, tmp_path):
        (tmp_path / "x.fit").write_text(fit_file(chi2="*" * 10, best=(0.0, 1e-120, 1.0), ssfr=0.0))
        found = triage.read_magphys(tmp_path).loc["x"]
        assert "1.000-120" in (tmp_path / "x.fit").read_text()
        assert np.isnan(found["chi2"])
        assert np.isnan(found["stellar_mass_best"])
        assert found["dust_luminosity_best"] == pytest.approx(-120)
        assert found["stellar_mass"] == 9.7

    @pytest.mark.parametrize("chi2", ["123456.789", "  1234.500"])
    def test_fields_that_touch(self, tmp_path, chi2):
        (tmp_path / "x.fit").write_text(fit_file(chi2=chi2))
        found = triage.read_magphys(tmp_path).loc["x"]
        assert found["chi2"] == float(chi2)
        assert found["redshift"] == 0.0214

    def test_galaxy_without_models_at_its_redshift(self, tmp_path):
        (tmp_path / "empty.fit").write_text("")
        (tmp_path / "full.fit").write_text(fit_file())
        found = triage.read_magphys(tmp_path)
        assert found.loc["empty"].isna().all()
        assert found.loc["full"].notna().all()

    def test_files_that_cannot_be_read_are_all_named(self, tmp_path):
        text = fit_file()
        (tmp_path / "good.fit").write_text(text)
        (tmp_path / "short.fit").write_text(text[: text.index("# ... Ldust")])
        (tmp_path / "half.fit").write_text(text[: text.index("# BEST FIT")])
        (tmp_path / "word.fit").write_text(text.replace("9.700E+000", "9.7OOE+000"))
        (tmp_path / "image.fit").write_bytes(b"SIMPLE  =                    T\xff\xfe")
        cut = text[: text.rindex("  -4.983")] + "  -4.983  -3.8"
        (tmp_path / "cut.fit").write_text(cut)
        with pytest.raises(ValueError, match=r"^5 of 6 files cannot be read") as error:
            triage.read_magphys(tmp_path)
        message = str(error.value)
        assert "short.fit has no percentiles of SFR_0.1Gyr, Ldust" in message
        assert "half.fit has no block '# BEST FIT MODEL'" in message
        assert "word.fit has '9.7OOE+000' in place of a number" in message
        assert "image.fit has no block" in message
        assert "cut.fit has 2 numbers, not 5, in the line '-4.983  -3.8'" in message

    def test_paths(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"has no files \*\.fit"):
            triage.read_magphys(tmp_path)
        with pytest.raises(FileNotFoundError, match=r"1 of 1 files are not there.*x\.fit"):
            triage.read_magphys(tmp_path / "x.fit")
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "5.fit").write_text(fit_file())
        with pytest.raises(ValueError, match="must be unique; 1 repeat"):
            triage.read_magphys([tmp_path / "one" / "5.fit", tmp_path / "two" / "5.fit"])


class TestTruncatedNames:
    """The MAGPHYS of 2010 keeps 10 characters of a file's name."""

    def test_they_are_results_too(self, tmp_path):
        for galaxy in ("123456", "1234567", "12345678", "a.c.e.g.", "123456789", "1234567890"):
            (tmp_path / f"{galaxy}.fit"[:10]).write_text(fit_file())
            (tmp_path / f"{galaxy}.sed"[:10].replace(".fi", ".se")).touch()
        (tmp_path / "notes.txt").write_text("observed")
        (tmp_path / "code.f").write_text("      PROGRAM FIT_SED\n")
        (tmp_path / "12345679.f").write_text("")
        (tmp_path / "empty").write_text("")
        found = triage.read_magphys(tmp_path)
        assert sorted(found.index) == sorted(
            ["123456", "1234567", "12345678", "a.c.e.g.", "123456789", "1234567890", "12345679"]
        )
        assert found.index[found["sfr"].isna()].tolist() == ["12345679"]
        single = triage.read_magphys([tmp_path / "1234567.fi", tmp_path / "12345678.f"])
        assert single.index.tolist() == ["1234567", "12345678"]

    def test_one_galaxy_under_two_names(self, tmp_path):
        (tmp_path / "1234567.fi").write_text(fit_file())
        (tmp_path / "1234567.fit").write_text(fit_file())
        with pytest.raises(ValueError, match=r"must be unique; 1 repeat.*'1234567'"):
            triage.read_magphys(tmp_path)

    def test_results_whose_galaxy_cannot_be_told(self, tmp_path):
        (tmp_path / "5.fit").write_text(fit_file())
        (tmp_path / "5.fit.bak").write_text(fit_file(first="# kept"))
        (tmp_path / "6.out").write_text(fit_file())
        with pytest.raises(ValueError, match=r"2 files .*told.*'5\.fit\.bak', '6\.out'\. Rename"):
            triage.read_magphys(tmp_path)
        assert triage.read_magphys(tmp_path / "6.out").index.tolist() == ["6"]

    def test_latin_1(self, tmp_path):
        (tmp_path / "5.fit").write_bytes(fit_file(first="# Ångström").encode("latin-1"))
        assert triage.read_magphys(tmp_path)["stellar_mass"].tolist() == [9.7]


class TestCigaleInput:
    def test_text(self, galaxies, tmp_path):
        path = triage.write_cigale(galaxies, tmp_path / "new" / "in.txt", bands=BANDS)
        assert path.read_text().splitlines() == [
            "# id redshift wise.W1 wise.W1_err sloan.sdss.g sloan.sdss.g_err sloan.sdss.r"
            " sloan.sdss.r_err",
            "6802 0.05 nan nan 0.1 0.001 0.25 0.002",
            "100 0.123456789012345 0.7 0.007 nan nan 333.3333333333333 100.0",
            "4000001 0.3 0.8 0.008 nan nan -0.004 0.005",
        ]

    @pytest.mark.parametrize("name", ["in.txt", "in.dat", "in.fits", "IN.FITS"])
    def test_round_trip(self, galaxies, tmp_path, name):
        before = galaxies.copy()
        triage.write_cigale(galaxies, tmp_path / name, bands=BANDS)
        found = triage.read_cigale_input(tmp_path / name, bands=BANDS)
        check_frame(found, READ_BACK, rtol=1e-15)
        pd.testing.assert_frame_equal(galaxies, before)
        assert [path.name for path in tmp_path.iterdir()] == [name]

    @pytest.mark.parametrize("suffix", ["txt", "fits"])
    @given(X=catalogues(lowest=-9.98))
    @settings(max_examples=20, deadline=None)
    def test_round_trip_of_anything(self, tmp_path_factory, suffix, X):
        path = tmp_path_factory.mktemp("cigale") / f"in.{suffix}"
        triage.write_cigale(X, path, bands=BANDS)
        found = triage.read_cigale_input(path, bands=BANDS)
        check_frame(found, expected_back(X)[list(BANDS.columns)], rtol=1e-15)

    @pytest.mark.parametrize("name", ["in.txt", "in.fits"])
    def test_cigale_would_read_milljanskys(self, galaxies, tmp_path, name):
        """With astropy, as CIGALE itself reads its data files."""
        path = triage.write_cigale(galaxies, tmp_path / name, bands=BANDS)
        is_fits = name.endswith("fits")
        options = {"format": "fits"} if is_fits else {"format": "ascii", "delimiter": r"\s"}
        table = Table.read(path, **options)
        assert table.colnames[:4] == ["id", "redshift", "wise.W1", "wise.W1_err"]
        assert [str(value) for value in table["id"]] == ["6802", "100", "4000001"]
        r = np.ma.filled(table["sloan.sdss.r"], np.nan)
        np.testing.assert_allclose(r, [0.25, 1000 / 3, -0.004], rtol=1e-15)
        assert np.isnan(np.ma.filled(table["wise.W1"].astype(float), np.nan)[0])
        if is_fits:
            assert str(table["sloan.sdss.r"].unit) == "mJy"
            assert table["redshift"].unit is None

    def test_gama(self, tmp_path):
        X, _ = make_mock_survey(20, n_templates=1000, random_state=0, return_X_y=True)
        path = triage.write_cigale(X, tmp_path / "in.fits", ids=[f"G{i}" for i in range(20)])
        back = triage.read_cigale_input(path)
        expected = X.where(X != -999.0).set_axis([f"G{i}" for i in range(20)], axis=0)
        check_frame(back, expected, rtol=1e-15)
        assert set(triage.CIGALE_FILTERS) == set(GAMA.names)
        assert len(set(triage.CIGALE_FILTERS.values())) == 21

    def test_names_of_either_age(self, galaxies, tmp_path):
        assert set(triage.CIGALE_FILTERS_2020) == set(GAMA.names)
        assert triage.CIGALE_FILTERS["X"] == "paranal.vircam.Z"
        old, path = triage.CIGALE_FILTERS_2020, tmp_path / "in.txt"
        triage.write_cigale(galaxies, path, bands=BANDS, filter_names=old)
        text = path.read_text()
        assert text.startswith(
            "# id redshift WISE1 WISE1_err sdss.gp sdss.gp_err sdss.rp sdss.rp_e"
        )
        check_frame(triage.read_cigale_input(path, bands=BANDS), READ_BACK, rtol=1e-15)
        # Versions 2022 have names of both.
        path.write_text(text.replace("WISE1", "wise.W1"))
        check_frame(triage.read_cigale_input(path, bands=BANDS), READ_BACK, rtol=1e-15)

    def test_a_band_twice(self, galaxies, tmp_path):
        path = triage.write_cigale(galaxies, tmp_path / "in.txt", bands=BANDS)
        text = path.read_text()
        path.write_text(text.replace("sloan.sdss.g", "WISE1"))
        with pytest.raises(
            ValueError, match=r"band 'W1' more than once: WISE1, wise\.W1.*filter_n"
        ):
            triage.read_cigale_input(path, bands=BANDS)
        one = triage.read_cigale_input(path, bands=GAMA.only("W1"), filter_names={"W1": "WISE1"})
        np.testing.assert_allclose(one["W1_flux"], READ_BACK["F_g"])
        path.write_text(text.replace("sloan.sdss.g", "sloan.sdss.r"))
        with pytest.raises(
            ValueError, match=r"more than one column named sloan\.sdss\.r, sloan\.s"
        ):
            triage.read_cigale_input(path, bands=BANDS)

    HEADER = "id redshift distance wise.W1 wise.W1_err sloan.sdss.r sloan.sdss.r_err dust.mass"
    ROWS = ("007 0.05 nan 0.7 0.07 nan nan 1e7", "G8 0.1 44.2 -0.1 0.05 2.5e-1 -2.0E-3 nan")

    @pytest.mark.parametrize(
        "text",
        [
            "{h}\n{0}\n{1}\n",
            "# {h}\n{0}\n{1}\n",
            "#{h}\r\n{0}\r\n{1}",
            "# From GAMA, with the id of LambdarCat\n#\n# {h}\n{0}\n# mJy\n\n{1}\n",
            "# From GAMA, with the id of LambdarCat\n{h}\n{0}\n# mJy\n   {1}  \n",
            "{h}\n{0}\n{1}\n# {h}\n",
        ],
    )
    @pytest.mark.parametrize("delimiter", [" ", "\t", "   ", ",", ", "])
    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
    def test_text_that_cigale_reads(self, tmp_path, text, delimiter, encoding):
        header, *rows = (
            delimiter.join(line.split()).replace("nan", "nan" if "," not in delimiter else "")
            for line in (self.HEADER, *self.ROWS)
        )
        text = text.format(*rows, h=header).replace("GAMA", "GAMA (Ångström)")
        (tmp_path / "in.txt").write_bytes(text.encode(encoding))
        bands = GAMA.only("r", "W1")
        found = triage.read_cigale_input(tmp_path / "in.txt", bands=bands)
        assert found.index.tolist() == ["007", "G8"]
        expected = [[np.nan, 7e-4, np.nan, 7e-5, 0.05], [2.5e-4, -1e-4, -2e-6, 5e-5, 0.1]]
        np.testing.assert_allclose(found, expected, rtol=1e-14)

    @pytest.mark.parametrize(
        ("name", "format"),
        [
            *(("in.vot", "votable"), ("in.xml", "votable"), ("in.fits", "fits"), ("in", "fits")),
            *(("in.txt", "ascii"), ("in.txt", "ascii.commented_header"), ("in.csv", "ascii.csv")),
            *(("in.ecsv", "ascii.ecsv"), ("in.txt", "ascii.tab"), ("in.txt", "ascii.fixed_width")),
        ],
    )
    def test_tables_that_astropy_writes(self, tmp_path, name, format):
        names = self.HEADER.split()
        rows = [[row[0], *map(float, row[1:])] for row in map(str.split, self.ROWS)]
        table = Table(rows=rows, names=names)
        table["id"] = ["0 7" if format not in ("ascii.commented_header",) else "007", "G8"]
        options = {"delimiter": None} if format == "ascii.fixed_width" else {}
        if options:
            table["id"] = ["007", "G8"]
        table.write(tmp_path / name, format=format, **options)
        found = triage.read_cigale_input(tmp_path / name, bands=GAMA.only("W1"))
        assert found.index.tolist() == [str(value) for value in table["id"]]
        np.testing.assert_allclose(found["W1_flux"], [7e-4, -1e-4], rtol=1e-14)

    def test_units_of_columns(self, tmp_path):
        table = Table({"id": [1], "redshift": [0.1], "wise.W1": [0.7], "wise.W1_err": [0.1]})
        path, bands = tmp_path / "in.fits", GAMA.only("W1")
        for unit, message in (
            ("Jy", "fluxes in another unit than mJy"),
            ("mag", "'mag', expected"),
        ):
            table["wise.W1"].unit = unit
            table.write(path, overwrite=True)
            with pytest.raises(ValueError, match=message):
                triage.read_cigale_input(path, bands=bands)
        table["wise.W1"].unit = "mJy"
        table.write(path, overwrite=True)
        assert triage.read_cigale_input(path, bands=bands)["W1_flux"].tolist() == [7e-4]

    def test_what_cigale_takes_as_not_measured(self, tmp_path):
        cells = ["-9999 1", "1 -9999", "-9990 -9990", "1 0", "nan 1", "1 nan", "inf 1", "1 inf"]
        measured = ["-9989 1", "-99 1", "1 -9989", "0 1"]
        lines = [f"g{i} 0.1 {cell}" for i, cell in enumerate([*cells, *measured])]
        path = tmp_path / "in.txt"
        path.write_text("\n".join(["id redshift wise.W1 wise.W1_err", *lines, "x -9999 1 1"]))
        found = triage.read_cigale_input(path, bands=GAMA.only("W1"))
        n = len(cells)
        assert found[["W1_flux", "W1_fluxerr"]][:n].isna().all(axis=None)
        expected = np.array([cell.split() for cell in measured], dtype=float) / 1000
        np.testing.assert_allclose(found.iloc[n:-1, :2], expected, rtol=1e-14)
        assert np.isnan(found.loc["x", "Z"])

    def test_measurements_that_cigale_would_lose(self, galaxies, tmp_path):
        galaxies.loc[[6802, 100], ["F_r", "E_r"]] = [-9.99, 0.5]
        with pytest.raises(ValueError, match=r"-9990 mJy or less.*2 galaxies .*'6802', '100'"):
            triage.write_cigale(galaxies, tmp_path / "in.txt", bands=BANDS)
        galaxies.loc[[6802, 100], ["F_r", "E_r"]] = [1.0, -20.0]
        with pytest.raises(ValueError, match="2 galaxies have such ones"):
            triage.write_cigale(galaxies, tmp_path / "in.txt", bands=BANDS, upper_limits=True)
        assert not list(tmp_path.iterdir())

    def test_ids_that_cigale_would_change(self, galaxies, tmp_path):
        ids = ["007", "8", "9"]
        with pytest.raises(ValueError, match=r"'007' would become '7'.*Write a \.fits"):
            triage.write_cigale(galaxies, tmp_path / "in.txt", bands=BANDS, ids=ids)
        for name, names in (("in.fits", ids), ("in.txt", ["007", "8", "G9"])):
            triage.write_cigale(galaxies, tmp_path / name, bands=BANDS, ids=names)
            found = triage.read_cigale_input(tmp_path / name, bands=BANDS)
            assert found.index.tolist() == names

    def test_galaxies_twice(self, galaxies, tmp_path):
        path = triage.write_cigale(galaxies, tmp_path / "in.txt", bands=BANDS)
        path.write_text(path.read_text().replace("\n100 ", "\n6802 "))
        with pytest.raises(ValueError, match=r"ids in the file must be unique; 1 repeat.*'6802'"):
            triage.read_cigale_input(path, bands=BANDS)

    def test_upper_limits(self, galaxies, tmp_path):
        galaxies.loc[100, ["F_W1", "E_W1"]] = [9e-4, -3e-4]
        path = tmp_path / "in.txt"
        triage.write_cigale(galaxies, path, bands=BANDS)
        assert "100 0.123456789012345 nan nan nan nan" in path.read_text()
        triage.write_cigale(galaxies, path, bands=BANDS, upper_limits=True, overwrite=True)
        found = triage.read_cigale_input(path, bands=BANDS)
        np.testing.assert_allclose(found.loc["100", ["F_W1", "E_W1"]], [9e-4, -3e-4], rtol=1e-14)
        # Missing codes and errors of 0 are none.
        assert found[["F_g", "E_g"]].isna().all(axis=1).tolist() == [False, True, True]

    def test_filter_names(self, galaxies, tmp_path):
        bands = BandSet(["r", "F606W"], [0.6176, 0.59])
        X, path = np.full((2, 5), 0.1), tmp_path / "in.txt"
        with pytest.raises(ValueError, match=r"No filter is known for F606W.*'sloan.sdss.r'.*list"):
            triage.write_cigale(X, path, bands=bands)
        with pytest.raises(ValueError, match=r"these repeat: \['sloan.sdss.r'\]"):
            triage.write_cigale(X, path, bands=bands, filter_names={"F606W": "sloan.sdss.r"})
        names = {"F606W": "hst.F606W", "r": "decam.r"}
        triage.write_cigale(X, path, bands=bands, filter_names=names)
        assert path.read_text().startswith("# id redshift decam.r decam.r_err hst.F606W")
        found = triage.read_cigale_input(path, bands=bands, filter_names=names)
        np.testing.assert_allclose(found, 0.1, rtol=1e-15)

    def test_errors(self, galaxies, tmp_path):
        path = tmp_path / "in.txt"
        with pytest.raises(ValueError, match=r"must end in one of \.txt, \.dat, \.fits"):
            triage.write_cigale(galaxies, tmp_path / "in.csv", bands=BANDS)
        with pytest.raises(ValueError, match=r"1 of 3 ids cannot be written.*'a b'.*spaces"):
            triage.write_cigale(galaxies, path, bands=BANDS, ids=["a b", "c", "d"])
        with pytest.raises(ValueError, match="positive redshift"):
            triage.write_cigale(galaxies.assign(z=np.nan), path, bands=BANDS)
        assert not list(tmp_path.iterdir())
        triage.write_cigale(galaxies, path, bands=BANDS)
        text = path.read_text()
        with pytest.raises(FileExistsError, match="overwrite=True"):
            triage.write_cigale(galaxies, path, bands=BANDS)
        with pytest.raises(FileNotFoundError, match=r"no\.txt"):
            triage.read_cigale_input(tmp_path / "no.txt", bands=BANDS)
        with pytest.raises(ValueError, match=r"lacks .*'sloan.sdss.i'"):
            triage.read_cigale_input(path, bands=GAMA.only("i"))
        path.write_text(text.replace("0.25", "0.2x"))
        with pytest.raises(
            ValueError, match=r"column 'sloan.sdss.r' must hold numbers; got '0\.2x'"
        ):
            triage.read_cigale_input(path, bands=BANDS)
        path.write_text(text.replace("# id", "# name"))
        with pytest.raises(ValueError, match="lacks 1 of the 1 columns needed: 'id'"):
            triage.read_cigale_input(path, bands=BANDS)
        path.write_text("")
        with pytest.raises(ValueError, match="is empty"):
            triage.read_cigale_input(path, bands=BANDS)


L_SUN = 3.828e26


@pytest.fixture
def cigale_table() -> Table:
    return Table(
        {
            "id": [6802, 100, 7, 8],
            "bayes.dust.luminosity": np.array([1e10, 2e11, 0.0, np.nan]) * L_SUN,
            "bayes.dust.luminosity_err": np.array([1e9, 3e11, 1.0, np.nan]) * L_SUN,
            "bayes.sfh.sfr": [9.0, 9.0, 9.0, 9.0],
            "bayes.sfh.sfr_err": [1.0, 1.0, 1.0, 1.0],
            "bayes.sfh.sfr100Myrs": [2.0, 0.5, 1e-3, 1.0],
            "bayes.sfh.sfr100Myrs_err": [0.5, 0.5, 1e-4, 0.0],
            "bayes.stellar.m_star": [1e10, 5e9, 1e9, 1e8],
            "bayes.stellar.m_star_err": [1e9, 5e8, 1e8, 0.0],
            "best.chi_square": [10.0, 20.0, 30.0, 40.0],
            "best.reduced_chi_square": [0.5, 1.0, 1.5, 2.0],
            "best.universe.redshift": [0.1, 0.2, 0.3, 0.4],
        }
    )


class TestCigaleResults:
    def save(self, table: Table, folder: Path) -> None:
        """Write a table as CIGALE's results manager does."""
        folder.mkdir(exist_ok=True)
        table.write(folder / "results.txt", format="ascii.fixed_width", delimiter=None)
        table.write(folder / "results.fits", format="fits")

    @pytest.mark.parametrize("name", ["results.txt", "results.fits", ""])
    def test_linear_means_become_dex(self, cigale_table, tmp_path, name):
        self.save(cigale_table, tmp_path / "out")
        found = triage.read_cigale(tmp_path / "out" / name)
        assert found.index.tolist() == ["6802", "100", "7", "8"]
        assert found.columns.tolist() == [
            *(f"{target}{end}" for target in TARGETS for end in ("", "_p16", "_p84")),
            "chi2_reduced",
        ]
        mass = found[["stellar_mass_p16", "stellar_mass", "stellar_mass_p84"]]
        np.testing.assert_allclose(mass.iloc[0], np.log10([9e9, 1e10, 1.1e10]), rtol=1e-9)
        np.testing.assert_allclose(mass.iloc[3], [8.0, 8.0, 8.0])
        np.testing.assert_allclose(found["sfr"], np.log10([2.0, 0.5, 1e-3, 1.0]), atol=1e-12)
        np.testing.assert_allclose(found["dust_luminosity"][:2], [10.0, np.log10(2e11)], rtol=1e-9)
        assert found["chi2_reduced"].tolist() == [0.5, 1.0, 1.5, 2.0]

    def test_deviation_as_large_as_the_mean(self, cigale_table, tmp_path):
        self.save(cigale_table, tmp_path / "out")
        found = triage.read_cigale(tmp_path / "out")
        assert np.isnan(found.loc["100", "sfr_p16"])
        assert found.loc["100", "sfr_p84"] == pytest.approx(0.0)
        assert np.isnan(found.loc["100", "dust_luminosity_p16"])
        assert found.loc["100", "dust_luminosity"] == pytest.approx(np.log10(2e11))
        # No dust at all, and no fit.
        for name in ("7", "8"):
            assert found.loc[name].filter(like="dust").isna().all()

    def test_another_sfr_and_fewer_targets(self, cigale_table, tmp_path):
        cigale_table.remove_columns(["bayes.sfh.sfr100Myrs", "best.reduced_chi_square"])
        self.save(cigale_table, tmp_path)
        with pytest.raises(ValueError, match=r"lacks .*'bayes.sfh.sfr100Myrs'.*`variables`.*sfr="):
            triage.read_cigale(tmp_path)
        found = triage.read_cigale(tmp_path, sfr="sfh.sfr")
        np.testing.assert_allclose(found["sfr"], np.log10(9.0))
        assert found["chi2_reduced"].isna().all()
        only = triage.read_cigale(tmp_path, targets=["stellar_mass"])
        assert set(only) == {"stellar_mass", "stellar_mass_p16", "stellar_mass_p84", "chi2_reduced"}
        with pytest.raises(ValueError, match="targets must be some of stellar_mass, sfr"):
            triage.read_cigale(tmp_path, targets=["mass"])

    def test_properties_analysed_in_log(self, cigale_table, tmp_path):
        cigale_table["bayes.stellar.m_star_log"] = [10.0, 9.5, 9.0, 8.0]
        cigale_table["bayes.stellar.m_star_log_err"] = 0.1
        cigale_table["bayes.dust.luminosity_log"] = np.log10(L_SUN) + np.array([10, 11, 8, 9])
        cigale_table["bayes.dust.luminosity_log_err"] = 0.2
        self.save(cigale_table, tmp_path)
        found = triage.read_cigale(tmp_path)
        np.testing.assert_allclose(found["stellar_mass_p84"], [10.1, 9.6, 9.1, 8.1])
        np.testing.assert_allclose(found["dust_luminosity_p16"], [9.8, 10.8, 7.8, 8.8])

    def test_masked_values_and_text_ids(self, cigale_table, tmp_path):
        table = Table(cigale_table, masked=True)
        table["id"] = ["J1 2", "b", "c", "d"]
        table["bayes.stellar.m_star"].mask = [True, False, False, False]
        table.write(tmp_path / "results.fits")
        found = triage.read_cigale(tmp_path)
        assert found.index.tolist() == ["J1 2", "b", "c", "d"]
        assert found["stellar_mass"].isna().tolist() == [True, False, False, False]

    def test_errors(self, cigale_table, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"results\.fits.*CIGALE writes"):
            triage.read_cigale(tmp_path)
        cigale_table["id"] = [1, 1, 2, 3]
        cigale_table.write(tmp_path / "results.fits")
        with pytest.raises(ValueError, match=r"must be unique; 1 repeat.*'1'"):
            triage.read_cigale(tmp_path)
        (tmp_path / "cut.txt").write_text("id bayes.stellar.m_star\n1 5.0\n2\n")
        with pytest.raises(ValueError, match="line 3: expected 2 columns, as in its header, got 1"):
            triage.read_cigale(tmp_path / "cut.txt")


OPTIONS = {"code": "MAGPHYS", "code_version": "2010", "date": "2020-05-01"}


class TestMerge:
    @pytest.fixture(name="X")
    def catalogue(self) -> pd.DataFrame:
        return pd.DataFrame({"Z": np.linspace(0.1, 0.6, 6)}, index=[11, 12, 13, 14, 15, 16])

    @pytest.fixture
    def y(self, X) -> pd.DataFrame:
        nan = np.nan
        return pd.DataFrame(
            {
                "stellar_mass": [9.0, nan, nan, 10.0, nan, nan],
                "sfr": [-1.0, nan, nan, nan, nan, nan],
            },
            index=X.index,
        )

    @pytest.fixture
    def results(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "stellar_mass": [10.5, 9.5, 11.0],
                "stellar_mass_p16": [10.4, 9.4, 10.9],
                "stellar_mass_p84": [10.6, 9.6, 11.1],
                "sfr": [0.5, -0.5, 1.0],
                "dust_luminosity": [10.0, 9.0, 11.0],
                "chi2": [0.9, 1.1, 50.0],
            },
            index=["14", "12", "16"],
        )

    def test_fills_and_records(self, X, y, results):
        before = y.copy(), results.copy()
        merged, record = triage.merge(X, y, results, **OPTIONS, max_chi2=10, requested=[1, 3, 4, 5])
        nan = np.nan
        expected = pd.DataFrame(
            {
                "stellar_mass": [9.0, 9.5, nan, 10.0, nan, nan],
                "sfr": [-1.0, -0.5, nan, 0.5, nan, nan],
            },
            index=X.index,
        )
        pd.testing.assert_frame_equal(merged, expected)
        pd.testing.assert_frame_equal(y, before[0])
        pd.testing.assert_frame_equal(results, before[1])
        assert record.index.equals(y.index)
        assert record["id"].tolist() == ["11", "12", "13", "14", "15", "16"]
        assert record["source"].tolist() == [
            *("catalogue", "MAGPHYS", "none", "MAGPHYS", "none", "none")
        ]
        assert record["status"].tolist() == [
            *("", "accepted", "", "accepted", "missing", "rejected")
        ]
        assert record["reason"].tolist() == [
            *("", "filled stellar_mass, sfr", "", "filled sfr"),
            *("MAGPHYS gave no result", "chi2 is 50, above 10"),
        ]
        assert record["version"].tolist() == ["", "2010", "", "2010", "", "2010"]
        assert record["date"].tolist() == [*("", "2020-05-01", "", "2020-05-01", "", "2020-05-01")]
        np.testing.assert_array_equal(record["chi2"], [nan, 1.1, nan, 0.9, nan, 50.0])

    def test_overwrite(self, X, y, results):
        merged, record = triage.merge(X, y, results, **OPTIONS, overwrite=True)
        assert merged["stellar_mass"].loc[14] == 10.5
        assert record["reason"].loc[14] == "filled stellar_mass, sfr"

    def test_labels_that_are_there_stay(self, X, y, results):
        full = y.fillna(5.0)
        merged, record = triage.merge(X, full, results, **OPTIONS)
        pd.testing.assert_frame_equal(merged, full)
        assert record["status"].tolist() == ["", "rejected", "", "rejected", "", "rejected"]
        assert record["reason"].loc[12] == "has labels already"
        assert (record["source"] == "catalogue").all()

    def test_percentiles_go_with_their_value(self, X, y, results):
        y = y.assign(stellar_mass_p16=y["stellar_mass"] - 0.3, sfr_p84=y["sfr"] + 0.3)
        y.loc[12, "sfr_p84"] = 99.0  # a stray one, without a value
        merged, _ = triage.merge(X, y, results, **OPTIONS)
        np.testing.assert_allclose(
            merged["stellar_mass_p16"], [8.7, 9.4, np.nan, 9.7, np.nan, 10.9]
        )
        # The results have none of SFR: the new value gets none of another's.
        np.testing.assert_allclose(merged["sfr_p84"], [-0.7, *[np.nan] * 5])

    def test_gamas_names(self, X, y, results):
        y = y.rename(columns={"stellar_mass": "mass_stellar_percentile50"})
        y["mass_stellar_percentile84"] = np.nan
        merged, _ = triage.merge(X, y, results, **OPTIONS)
        assert merged["mass_stellar_percentile50"].loc[[12, 16]].tolist() == [9.5, 11.0]
        assert merged["mass_stellar_percentile84"].loc[[12, 14, 16]].tolist()[::2] == [9.6, 11.1]

    @pytest.mark.parametrize(
        ("column", "value", "reason"),
        [
            ("stellar_mass", np.nan, "stellar_mass is not finite"),
            ("sfr", -np.inf, "sfr is not finite"),
            ("stellar_mass", 3e10, "stellar_mass is 3e+10: not plausible"),
            ("stellar_mass_p16", 9.55, "percentiles of stellar_mass are not in order"),
            ("stellar_mass_p84", 9.45, "percentiles of stellar_mass are not in order"),
            ("chi2", np.nan, "chi2 is unknown"),
            ("chi2", 5.5, "chi2 is 5.5, above 5"),
        ],
    )
    def test_rejected_with_the_reason(self, X, y, results, column, value, reason):
        results.loc["12", column] = value
        merged, record = triage.merge(X, y, results, **OPTIONS, max_chi2=5)
        assert merged.loc[12].isna().all()
        assert record.loc[12, ["source", "status"]].tolist() == ["none", "rejected"]
        assert reason in record.loc[12, "reason"]
        assert record.loc[14, "status"] == "accepted"

    def test_unknown_lower_ends_are_accepted(self, X, y, results):
        results.loc["12", "stellar_mass_p16"] = np.nan
        _, record = triage.merge(X, y, results, **OPTIONS)
        assert record.loc[12, "status"] == "accepted"

    def test_the_codes_own_redshift_is_no_label(self, X, y, results):
        y = y.assign(redshift=np.nan)
        merged, _ = triage.merge(X, y, results.assign(redshift=0.1), **OPTIONS)
        assert merged["redshift"].isna().all()

    def test_todays_date(self, X, y, results):
        options = {"code": "CIGALE", "code_version": "2022.1"}
        _, record = triage.merge(X, y, results, **options)
        assert pd.Timestamp(record["date"].loc[12]) >= pd.Timestamp("2020-01-01")

    def test_bad_input_is_named(self, X, y, results):
        def merge(y=y, results=results, **options):
            return triage.merge(X, y, results, **{**OPTIONS, **options})

        with pytest.raises(ValueError, match=r"1 of 3 results have ids.*'99'; X has '11', '12'"):
            merge(results=results.rename(index={"12": "99"}))
        with pytest.raises(ValueError, match="The ids of results must be unique; 1 repeat"):
            merge(results=results.rename(index={"12": 14}))
        with pytest.raises(ValueError, match="ids must be unique"):
            merge(ids=[1, 1, 2, 3, 4, 5])
        with pytest.raises(ValueError, match=r"same rows: got 6 and 5"):
            merge(y=y.iloc[:5])
        with pytest.raises(TypeError, match=r"y must be a DataFrame.*got ndarray"):
            merge(y=y.to_numpy())
        with pytest.raises(ValueError, match="none of y's targets: its columns are stellar_mass,"):
            merge(y=y[["sfr"]].rename(columns={"sfr": "SFR"}))
        with pytest.raises(ValueError, match="max_chi2=3 needs a column 'chi2'"):
            merge(results=results.drop(columns="chi2"), max_chi2=3)
        with pytest.raises(ValueError, match="requested must be positions from 0 to 5; got"):
            merge(requested=[6])

    def test_ids_other_than_the_index(self, X, y, results):
        ids = ["16", "14", "12", "x", "y", "z"]
        merged, record = triage.merge(X, y, results, **OPTIONS, ids=ids)
        assert merged["sfr"].iloc[1:3].tolist() == [0.5, -0.5]
        assert record["id"].tolist() == ids


class TestLabelsInAnotherOrder:
    """Rows are paired by position, so that labels must not say otherwise."""

    @pytest.fixture(name="X")
    def catalogue(self) -> pd.DataFrame:
        return pd.DataFrame({"Z": [0.1, 0.2, 0.3]}, index=[11, 12, 13])

    @pytest.fixture
    def y(self) -> pd.DataFrame:
        return pd.DataFrame({"sfr": [0.5, np.nan, np.nan]}, index=[11, 12, 13])

    @pytest.fixture
    def results(self) -> pd.DataFrame:
        return pd.DataFrame({"sfr": [-1.0, 1.0]}, index=["13", "12"])

    def test_of_x_and_y(self, X, y, results):
        with pytest.raises(ValueError, match=r"X and y have .*row 0, .* is 11 in one and 13"):
            triage.merge(X, y[::-1], results, **OPTIONS)
        X, y = X.reset_index(drop=True), y.reset_index(drop=True)
        with pytest.raises(ValueError, match=r"row 0, .* is 0 in one and 2 in the other"):
            triage.merge(X, y[::-1], results, ids=[11, 12, 13], **OPTIONS)

    def test_of_text_and_numbers(self, X, y, results):
        y = y.set_axis(["13", "12", "11"], axis=0)
        with pytest.raises(ValueError, match="X and y have"):
            triage.merge(X, y, results, **OPTIONS)
        y = y.set_axis([13.0, 12.0, 11.0], axis=0)
        with pytest.raises(ValueError, match="X and y have"):
            triage.merge(X, y, results, **OPTIONS)

    def test_of_ids(self, X, y, results, tmp_path):
        with pytest.raises(ValueError, match=r"X and ids have .*row 0, .* is 11 in one and 13"):
            triage.merge(X, y, results, ids=[13, 12, 11], **OPTIONS)
        with pytest.raises(ValueError, match=r"y and ids have .*row 0, .* is 11 in one and 13"):
            triage.merge(X.to_numpy(), y, results, ids=["13", "12", "11"], **OPTIONS)
        ids = pd.Series(["a", "b", "c"], index=[13, 12, 11])
        with pytest.raises(ValueError, match="X and ids have"):
            triage.merge(X, y, results, ids=ids, **OPTIONS)
        X = X.assign(r_flux=1.0, r_fluxerr=0.1)
        with pytest.raises(ValueError, match="X and ids have"):
            triage.write_magphys(X, tmp_path, bands=GAMA.only("r"), ids=[13, 12, 11])

    def test_results_are_matched_by_id(self, X, y, results):
        merged, _ = triage.merge(X, y, results, **OPTIONS)
        assert merged["sfr"].tolist() == [0.5, 1.0, -1.0]
        again, _ = triage.merge(X, y, results[::-1], **OPTIONS)
        pd.testing.assert_frame_equal(again, merged)
        with pytest.raises(ValueError, match=r"column 'id': make it the index"):
            triage.merge(X, y, results.rename_axis("id").reset_index(), **OPTIONS)

    def test_numbers_of_rows_say_nothing(self, X, y, results):
        """A default index counts rows; ids that are numbers may be the same in another order."""
        X, y = X.reset_index(drop=True), y.reset_index(drop=True)
        merged, _ = triage.merge(X, y, results.set_axis([0, 1]), ids=[2, 1, 0], **OPTIONS)
        assert merged["sfr"].tolist() == [0.5, 1.0, -1.0]
        other = y.set_axis(["x", "y", "z"], axis=0)
        merged, _ = triage.merge(X, other, results, ids=[11, 12, 13], **OPTIONS)
        assert merged["sfr"].tolist() == [0.5, 1.0, -1.0]

    def test_a_target_under_two_names(self, X, y, results):
        y["sfr_0_1Gyr_percentile50"] = np.nan
        column = GAMA_TARGET_COLUMNS["sfr"]
        y = y.rename(columns={"sfr_0_1Gyr_percentile50": column})
        with pytest.raises(ValueError, match=rf"y has sfr twice.*{column}"):
            triage.merge(X, y, results, **OPTIONS)

    @pytest.mark.parametrize("requested", [[True, False, True], [1.0, 2.0], ["1"]])
    def test_requested_are_positions(self, X, y, results, requested):
        with pytest.raises(ValueError, match="requested must be positions from 0 to 2"):
            triage.merge(X, y, results, requested=requested, **OPTIONS)


class TestIdentifiers:
    LONG = 1237650000000000123

    def find(self, ids) -> list[str]:
        return identifiers(np.zeros((len(ids), 1)), ids)

    def test_long_numbers_keep_their_digits(self):
        assert self.find([self.LONG, self.LONG + 1]) == [str(self.LONG), str(self.LONG + 1)]
        assert self.find(np.array([self.LONG])) == [str(self.LONG)]
        assert self.find(np.array([2**64 - 1], dtype=np.uint64)) == [str(2**64 - 1)]
        assert self.find([float(2**53 - 1), np.float32(2**24 - 1)]) == [
            str(2**53 - 1),
            str(2**24 - 1),
        ]

    @pytest.mark.parametrize("value", [float(LONG), np.float64(LONG), np.float32(2**24), -1e17])
    def test_floats_that_have_lost_digits(self, value):
        with pytest.raises(ValueError, match=r"is a float.*digits.*integers or as text"):
            self.find([value])

    @pytest.mark.parametrize(
        "value", [None, np.nan, pd.NA, pd.NaT, np.ma.masked, "", "  ", b"", np.inf]
    )
    def test_missing(self, value):
        with pytest.raises(ValueError, match="An id is missing"):
            self.find(["a", value])

    def test_one_galaxy_in_many_forms(self):
        forms = [6802, 6802.0, np.float32(6802), b"6802 ", " 6802", np.int8(1)]
        assert as_text(forms) == ["6802"] * 5 + ["1"]
        with pytest.raises(ValueError, match="must be unique; 1 repeat"):
            self.find(forms)


def test_the_loop_end_to_end(tmp_path):
    """Choose, hand over, let the mock's fitter be the SPS code, read back, merge."""
    X, y = make_mock_survey(60, n_templates=1000, random_state=0, return_X_y=True, percentiles=True)
    X, y = (table.set_axis(np.arange(60) + 500, axis=0) for table in (X, y))
    chosen = triage.choose(y, 12, by="width")
    known = y.copy()
    known.iloc[chosen] = np.nan
    triage.write_magphys(X.iloc[chosen], tmp_path)
    fitted = fit_mock_templates(triage.read_magphys_input(tmp_path), n_templates=1000)
    merged, record = triage.merge(X, known, fitted, code="mock", code_version="1", requested=chosen)
    assert (record["source"].iloc[chosen] == "mock").all()
    assert (record["source"] == "catalogue").sum() == 48
    np.testing.assert_allclose(merged, y, atol=0.011)
