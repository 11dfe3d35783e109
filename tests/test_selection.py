"""The selection: its cuts, its funnel, and that it keeps every row in its place."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from sfml import GAMA, TARGETS, BandSet, GamaSampleSelector
from sfml.flags import describe

SURVEY = BandSet(["a", "b", "c"], [1.0, 2.0, 3.0])
CUTS = ["redshift", "stellar_mass", "missing", "negative", "snr"]


def survey_selector(**parameters):
    return GamaSampleSelector(SURVEY, **{"min_bands": 2, **parameters})


def galaxy(a=(10.0, 1.0), b=(10.0, 1.0), c=(10.0, 1.0), z=0.1):
    bands = {"a": a, "b": b, "c": c}
    row = {f"{band}_flux": value[0] for band, value in bands.items()}
    row |= {f"{band}_fluxerr": value[1] for band, value in bands.items()}
    return row | {"Z": z}


@pytest.mark.parametrize(
    ("row", "rejected_by"),
    [
        (galaxy(), []),
        (galaxy(z=0.5), []),
        (galaxy(z=np.nextafter(0.5, 1)), ["redshift"]),
        (galaxy(z=0.0), ["redshift"]),
        (galaxy(z=np.nan), ["redshift"]),
        (galaxy(z=-9.0), ["redshift"]),
        (galaxy(a=(-999.0, -999.0)), ["missing"]),
        (galaxy(a=(np.nan, 1.0)), ["missing"]),
        (galaxy(a=(10.0, 0.0)), ["missing"]),
        (galaxy(a=(10.0, -1.0)), ["missing"]),
        (galaxy(a=(10.0, np.nan)), ["missing"]),
        (galaxy(a=(-0.5, 1.0)), ["negative"]),
        (galaxy(a=(-998.0, 1.0)), ["negative"]),
        (galaxy(a=(0.0, 1.0)), []),
        (galaxy(a=(3.0, 1.0), b=(3.0, 1.0), c=(1.0, 1.0)), []),
        (galaxy(a=(3.0, 1.0), b=(2.999, 1.0), c=(1.0, 1.0)), ["snr"]),
        (
            galaxy(a=(-1.0, 1.0), b=(-999.0, -999.0), z=0.7),
            ["redshift", "missing", "negative", "snr"],
        ),
    ],
)
def test_each_cut(row, rejected_by):
    reasons = survey_selector().reasons(pd.DataFrame([row]))
    assert reasons.columns[reasons.iloc[0]].tolist() == rejected_by


@pytest.mark.parametrize(("mass", "rejected"), [(9.0, False), (8.999, True), (np.nan, True)])
def test_the_mass_cut_applies_where_y_is_given(mass, rejected):
    X = pd.DataFrame([galaxy()])
    y = pd.DataFrame({"stellar_mass": [mass]})
    assert survey_selector().reasons(X, y)["stellar_mass"].item() is rejected
    assert "stellar_mass" not in survey_selector().reasons(X)
    assert len(survey_selector().select(X, y)[0]) == (0 if rejected else 1)
    assert not np.isnan(survey_selector().fit(X, y).transform(X)).any()


def test_the_funnel_counts_alone_and_in_sequence():
    rows = [galaxy(), galaxy(z=0.9), galaxy(z=0.9, a=(-999.0, -999.0)), galaxy(a=(-1.0, 1.0))]
    y = pd.DataFrame({"stellar_mass": [10.0, 8.0, 10.0, 10.0]})
    report = survey_selector().fit(pd.DataFrame(rows), y).report_
    table = report.to_frame()
    assert table.index.tolist() == CUTS
    assert table["rejected_alone"].tolist() == [2, 1, 1, 1, 0]
    assert table["rejected_in_sequence"].tolist() == [2, 0, 0, 1, 0]
    assert table["left"].tolist() == [2, 2, 2, 1, 1]
    assert (report.n_galaxies, report.n_selected) == (4, 1)
    assert "0 < z <= 0.5" in str(report)
    assert "at least 2 bands with SNR >= 3" in str(report)


def test_every_cut_can_be_switched_off():
    selector = survey_selector(
        z_range=None, stellar_mass_range=None, missing="allow", negative="allow", min_bands=0
    )
    X = pd.DataFrame([galaxy(z=2.0, a=(-1.0, 1.0)), galaxy(a=(-999.0, -999.0))])
    selector.fit(X, pd.DataFrame({"stellar_mass": [1.0, 2.0]}))
    assert selector.report_.to_frame().empty
    assert selector.report_.n_selected == 2
    expected = [[-1.0, 10.0, 10.0, 2.0], [np.nan, 10.0, 10.0, 0.1]]
    np.testing.assert_array_equal(selector.transform(X), expected)


def test_errors_are_not_needed_where_nothing_asks_for_them():
    X = pd.DataFrame([galaxy()]).drop(columns=list(SURVEY.error_columns))
    assert survey_selector(min_bands=0).fit_transform(X).shape == (1, 4)
    with pytest.raises(ValueError, match=r"a_fluxerr.*b_fluxerr.*c_fluxerr"):
        survey_selector().fit(X)


def test_errors_can_be_kept():
    X = pd.DataFrame([galaxy(a=(4.0, 0.5))])
    selector = survey_selector(keep_errors=True).set_output(transform="pandas")
    assert selector.fit_transform(X).columns.tolist() == [*SURVEY.columns[:-1], "redshift"]


def test_rows_stay_in_their_place_whatever_their_labels():
    X = pd.DataFrame([galaxy(z=0.9), galaxy(z=0.2), galaxy(z=0.3)], index=[5, 5, 0])
    blanked = survey_selector().set_output(transform="pandas").fit_transform(X)
    assert blanked.index.tolist() == [5, 5, 0]
    np.testing.assert_array_equal(blanked["redshift"], [np.nan, 0.2, 0.3])
    assert blanked.iloc[0].isna().all()
    selected, y = survey_selector().select(X, [1.0, 2.0, 3.0])
    assert selected["Z"].tolist() == [0.2, 0.3]
    assert list(y) == [2.0, 3.0]


def test_galaxies_are_flagged_for_the_cuts_that_reject_them():
    X = pd.DataFrame(
        [
            galaxy(),
            galaxy(z=0.9),
            galaxy(a=(-999.0, -999.0)),
            galaxy(a=(-1.0, 1.0)),
            galaxy(a=(1.0, 1.0), b=(1.0, 1.0)),
            galaxy(a=(-1.0, 1.0), b=(-999.0, -999.0), z=0.7),
        ]
    )
    flags = survey_selector().flag(X)
    assert describe(flags).tolist() == [
        *("", "redshift", "few_bands", "negative_flux", "low_snr"),
        "redshift|few_bands|low_snr|negative_flux",
    ]
    np.testing.assert_array_equal(flags > 0, survey_selector().reasons(X).any(axis=1))
    assert survey_selector().flag(X[:0]).shape == (0,)


def test_select_keeps_the_kind_and_all_columns_of_a_table():
    X = pl.DataFrame([galaxy(z=0.9), galaxy()]).with_columns(name=pl.Series(["far", "near"]))
    selected = survey_selector().select(X)
    assert isinstance(selected, pl.DataFrame)
    assert selected["name"].to_list() == ["near"]


def test_input_is_never_changed():
    X = pd.DataFrame([galaxy(a=(-999.0, -999.0), z=0.9)])
    before = X.copy()
    survey_selector(missing="allow").fit(X).transform(X)
    pd.testing.assert_frame_equal(X, before)
    array = before.to_numpy()
    survey_selector().fit(array).transform(array)
    np.testing.assert_array_equal(array, before.to_numpy())


def test_columns_are_found_by_name_after_fit_in_any_order():
    X = pd.DataFrame([galaxy(), galaxy(z=0.4)])
    selector = survey_selector().fit(X.assign(extra="text"))
    np.testing.assert_array_equal(selector.transform(X[X.columns[::-1]]), selector.transform(X))
    assert selector.feature_names_in_.tolist() == list(SURVEY.columns)
    assert selector.n_features_in_ == 7


def test_an_array_has_the_columns_of_feature_names_in():
    X = pd.DataFrame([galaxy(b=(7.0, 1.0))])
    selector = survey_selector().fit(X)
    array = X[list(selector.feature_names_in_)].to_numpy()
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        blanked = selector.transform(array)
    np.testing.assert_array_equal(blanked, selector.transform(X))
    np.testing.assert_array_equal(survey_selector().fit(array).transform(array), blanked)


def test_positional_columns():
    X = np.array([[1.0, 2.0, 0.3], [1.0, -999.0, 0.3], [1.0, 2.0, 0.7]])
    selector = GamaSampleSelector("positional", min_bands=0)
    blanked = selector.fit_transform(X)
    assert np.isnan(blanked).all(axis=1).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="'positional' has no flux errors"):
        GamaSampleSelector("positional").fit(X)


def test_scaler_ignores_blanked_rows():
    X = pd.DataFrame([galaxy(a=(1.0, 0.1)), galaxy(a=(3.0, 0.1)), galaxy(a=(1e9, 1.0), z=0.9)])
    scaler = StandardScaler().fit(survey_selector().fit_transform(X))
    assert scaler.mean_[0] == 2.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"missing": "drop"}, "'missing' parameter .* Got 'drop'"),
        ({"negative": True}, "'negative' parameter .* Got True"),
        ({"z_range": (0.5, 0)}, "z_range must be a pair of growing limits"),
        ({"z_range": (0, 1, 2)}, "z_range must be a pair such as"),
        ({"stellar_mass_range": ("9", None)}, "stellar_mass_range must be a pair such as"),
        ({"min_bands": 4}, "min_bands=4 can never be reached with 3 bands"),
        ({"min_bands": -1}, "'min_bands' parameter .* Got -1"),
        ({"min_snr": "3"}, "'min_snr' parameter .* Got '3'"),
        ({"bands": "GAMA"}, r"'bands' parameter .* instance of 'sfml\.bands\.BandSet'"),
        ({"bands": ["u", "g"]}, "'bands' parameter .* Got "),
        ({"upper_limits": 0}, "'upper_limits' parameter .* Got 0"),
        ({"redshift": "photo"}, "'redshift' parameter .* Got 'photo'"),
        ({"redshift": "photometric"}, "needs the name of the column with the redshift's error"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        survey_selector().set_params(**parameters).fit(pd.DataFrame([galaxy()]))


def test_infinity_is_refused_by_column():
    with pytest.raises(ValueError, match="infinity in 1 places, in the columns b_flux"):
        survey_selector().fit(pd.DataFrame([galaxy(b=(np.inf, 1.0))]))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([-999.0, -1.0, 0.0, 1.0, 5.0, np.nan]),
            st.sampled_from([-999.0, 0.0, 1.0]),
            st.sampled_from([-9.0, 0.0, 0.2, 0.5, 0.9, np.nan]),
        ),
        min_size=1,
        max_size=9,  # of which no cut rejects too many to go unannounced
    )
)
def test_all_views_of_a_selection_agree(rows):
    X = pd.DataFrame([galaxy(a=(flux, error), z=z) for flux, error, z in rows])
    selector = survey_selector().fit(X)
    rejected = selector.reasons(X).any(axis=1).to_numpy()
    blanked = selector.transform(X)
    assert np.isnan(blanked).all(axis=1).tolist() == rejected.tolist()
    assert not np.isnan(blanked[~rejected]).any()
    assert len(selector.select(X)) == selector.report_.n_selected == np.sum(~rejected)
    table = selector.report_.to_frame()
    assert table["rejected_in_sequence"].sum() == rejected.sum()
    assert (table["rejected_in_sequence"] <= table["rejected_alone"]).all()


def test_the_simulated_survey_gives_the_known_sample(shared_data):
    catalogue = pd.read_parquet(shared_data / "bagpipes_survey.parquet")
    with pytest.warns(UserWarning, match=r"The cut 'negative' .* rejects \d+ of 40000"):
        report = GamaSampleSelector().fit(catalogue, catalogue).report_
    table = report.to_frame()
    fluxes = catalogue[list(GAMA.flux_columns)].to_numpy()
    errors = catalogue[list(GAMA.error_columns)].to_numpy()
    measured = (fluxes != -999) & (errors > 0)
    assert report.n_galaxies == 40_000
    assert table.loc["missing", "rejected_alone"] == (~measured).any(axis=1).sum()
    assert table.loc["negative", "rejected_alone"] == ((fluxes < 0) & measured).any(axis=1).sum()
    assert report.missing["S500"] == (~measured[:, -1]).sum()
    assert TARGETS[0] in table.index


class TestWarnings:
    """A cut that rejects more than half of a fit is named."""

    def test_a_survey_beyond_the_cut_in_redshift(self):
        X = pd.DataFrame([galaxy(z=z) for z in np.linspace(0.1, 2, 20)])
        with pytest.warns(UserWarning, match=r"The cut 'redshift' .*0 < z <= 0\.5.* 15 of 20"):
            survey_selector().fit(X)

    def test_few_galaxies_say_nothing_of_a_survey(self):
        survey_selector().fit(pd.DataFrame([galaxy(z=2.0)] * 9))

    def test_half_is_not_more_than_half(self):
        survey_selector().fit(pd.DataFrame([galaxy(z=2.0), galaxy()] * 10))


def test_a_galaxy_without_any_band_has_too_few_bands():
    X = pd.DataFrame(
        [galaxy(*[(-999.0, -999.0)] * 3), galaxy(), galaxy(a=(1.0, 1.0), b=(1.0, 1.0))]
    )
    for selector in (survey_selector(missing="allow"), survey_selector(missing="allow").fit(X)):
        assert describe(selector.flag(X)).tolist() == ["few_bands", "", "low_snr"]


def test_absent_bands_count_as_missing_with_one_warning():
    X = pd.DataFrame([galaxy()] * 3)
    selector = survey_selector(missing="allow", keep_errors=True).fit(X)
    without = X.drop(columns=["b_flux", "b_fluxerr"])
    with pytest.warns(UserWarning, match=r"no columns of 1 of 3 bands.*: b\.$") as caught:
        found = selector.transform(without)
    assert len(caught) == 1
    expected = selector.transform(X.assign(b_flux=np.nan, b_fluxerr=np.nan))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="lacks 1 of the 7 columns"):
        selector.transform(X.drop(columns=["b_flux"]))
    with pytest.raises(ValueError, match="b_flux"):
        survey_selector(missing="allow").fit(without)
    with pytest.raises(ValueError, match="b_flux"):
        survey_selector().fit(X).transform(without)
