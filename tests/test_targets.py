"""Reading y: by name, by GAMA's name or by position, in dex."""

import itertools
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from sfml.targets import (
    TARGETS,
    check_target_names,
    declare_target,
    is_one_column,
    known_target,
    read_one_target,
    read_posterior,
    read_targets,
)


def table(**columns):
    return pd.DataFrame({name: [value, value + 0.5] for name, value in columns.items()})


def test_names_decide_the_order():
    values, names = read_targets(table(sfr=1.0, dust_luminosity=10.0, stellar_mass=9.0), TARGETS)
    assert names == TARGETS
    assert values.tolist() == [[9.0, 1.0, 10.0], [9.5, 1.5, 10.5]]


def test_gama_names_decide_too():
    y = table(L_dust_percentile50=10.0, mass_stellar_percentile50=9.0, SFR_0_1Gyr_percentile50=1.0)
    assert read_targets(y, TARGETS)[0][0].tolist() == [9.0, 1.0, 10.0]
    values, names = read_targets(y)
    assert names == TARGETS
    assert values[0].tolist() == [9.0, 1.0, 10.0]


@pytest.mark.parametrize("order", list(itertools.permutations(TARGETS)))
def test_the_order_of_the_columns_plays_no_part(order):
    y = table(stellar_mass=9.0, sfr=1.0, dust_luminosity=10.0)
    for targets in (None, TARGETS):
        values, names = read_targets(y[list(order)], targets)
        assert names == TARGETS
        assert values[0].tolist() == [9.0, 1.0, 10.0]


def test_other_names_go_by_position_with_a_warning():
    y = table(magphys_Mstar50=9.0, magphys_SFR50=1.0, magphys_Ldust50=10.0)
    message = "magphys_Mstar50, magphys_SFR50, .* taken to be stellar_mass, sfr, dust_luminosity"
    with pytest.warns(UserWarning, match=message):
        assert read_targets(y, TARGETS)[0][0].tolist() == [9.0, 1.0, 10.0]
    # One column cannot be in another's place.
    assert read_targets(y[["magphys_SFR50"]], ["sfr"])[0][0].tolist() == [1.0]


@pytest.mark.parametrize(
    ("columns", "targets"),
    [
        ({"sfr": 1.0}, ["stellar_mass"]),
        ({"stellar_mass": 9.0, "other": 1.0, "sfr": 1.0}, TARGETS),
        ({"L_dust_percentile50": 9.0, "b": 1.0}, ["stellar_mass", "sfr"]),
    ],
)
def test_a_target_in_anothers_place_is_refused(columns, targets):
    with pytest.raises(ValueError, match="y has no column for"):
        read_targets(table(**columns), targets)


def test_the_number_of_columns_must_fit():
    with pytest.raises(ValueError, match=r"3 columns, one each for stellar_mass.*got 2: a, b"):
        read_targets(table(a=1.0, b=1.0), TARGETS)


@pytest.mark.parametrize(
    "y",
    [
        [9.0, np.nan],
        np.array([9.0, np.nan]),
        pd.Series([9.0, None], index=[7, 3]),
        pl.Series("stellar_mass", [9.0, None]),
        pa.chunked_array([[9.0, None]]),
        MaskedColumn([9.0, 1.0], mask=[False, True]),
        np.array([9.0, np.nan], dtype=">f4"),
    ],
)
def test_one_column_of_any_kind(y):
    values, _ = read_targets(y, ["stellar_mass"])
    np.testing.assert_array_equal(values, [[9.0], [np.nan]])
    assert is_one_column(y)


@pytest.mark.parametrize(
    "y",
    [
        pl.DataFrame({"stellar_mass": [9.0, None]}),
        pa.table({"stellar_mass": [9.0, None]}),
        Table({"stellar_mass": MaskedColumn([9.0, 1.0], mask=[False, True])}),
        np.array([(9.0,), (np.nan,)], dtype=[("stellar_mass", ">f8")]),
        [[9.0], [np.nan]],
    ],
)
def test_tables_of_any_kind(y):
    values, _ = read_targets(y, ["stellar_mass"])
    np.testing.assert_array_equal(values, [[9.0], [np.nan]])
    assert not is_one_column(y)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("wrong", [3e10, -999.0, -99.0, -9.0, 99.0])
def test_values_out_of_dex_are_refused(target, wrong):
    """-9 is in the range of a star-formation rate in dex, and means that there is none."""
    with pytest.raises(
        ValueError, match=rf"{target} must be in dex.*got {re.escape(f'{wrong:g}')} in 1 of 2"
    ):
        read_targets(pd.DataFrame({target: [2.5, wrong]}))


@given(st.sampled_from(TARGETS), st.floats(-30, 30))
def test_labels_are_taken_within_the_plausible_range_and_not_beyond(name, value):
    target = known_target(name)
    if target.low <= value <= target.high and value != -9:
        assert read_targets([value], [name])[0].item() == value
    else:
        with pytest.raises(ValueError, match=f"{name} must be in"):
            read_targets([value], [name])


def test_unknown_targets_may_hold_any_number_but_a_code():
    assert read_targets([1e10, 2e10, -9.0], ["age"])[0].max() == 2e10
    with pytest.raises(ValueError, match=r"age must be in any unit, with NaN .* got -999"):
        read_targets([1e10, -999.0], ["age"])


def test_a_target_can_be_declared():
    assert known_target("cold_gas") is None
    declared = declare_target("cold_gas", unit="dex (Msun)", low=4, high=13)
    assert known_target("cold_gas") == declared
    assert read_targets([9.0], ["cold_gas"])[0].item() == 9
    with pytest.raises(ValueError, match=r"cold_gas must be in dex \(Msun\), from 4 to 13"):
        read_targets([14.0], ["cold_gas"])
    with pytest.raises(ValueError, match="the range of 'cold_gas' must be a pair of growing"):
        declare_target("cold_gas", unit="", low=1, high=1)
    with pytest.raises(ValueError, match="names of their own"):
        declare_target("flag", unit="", low=0, high=1)


@pytest.mark.parametrize(
    "names", [["flag"], ["reasons"], ["sfr", "sfr_p16"], ["sfr", "sfr"], ["a__b"], [""]]
)
def test_names_that_would_hide_another_column_are_refused(names):
    with pytest.raises(ValueError, match="Targets must have names of their own"):
        check_target_names(names)
    check_target_names(["sfr_p16"])  # no target of this name, no percentile


def test_no_y():
    with pytest.raises(ValueError, match="requires y to be passed"):
        read_targets(None)


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinite_labels_are_named_counted_and_explained(infinity):
    """The logarithm of a star-formation rate of zero."""
    y = table(stellar_mass=9.0, sfr=1.0)
    y.loc[1, "sfr"] = infinity
    message = r"1 infinite values in 'sfr', such as the log10 of zero, first in row 1.*a floor"
    with pytest.raises(ValueError, match=message):
        read_targets(y)


def test_one_target_is_found_by_name_or_by_position():
    y = table(sfr=1.0, mass_stellar_percentile50=9.0)
    assert read_one_target(y, "stellar_mass").tolist() == [9.0, 9.5]
    assert read_one_target(y, "dust_luminosity") is None
    assert read_one_target(np.array([[9.0, 1.0, 10.0]]), "sfr").tolist() == [1.0]
    assert read_one_target(np.array([[9.0, 1.0]]), "sfr") is None
    assert read_one_target(np.array([[9.0, 1.0]]), "sfr", ("stellar_mass", "sfr")).tolist() == [1.0]


class TestPosterior:
    Y = table(stellar_mass=9.0, sfr=1.0)

    def with_ends(self, target="stellar_mass", low=8.8, high=9.1):
        step = np.array([0.0, 0.5])
        return self.Y.assign(**{f"{target}_p16": low + step, f"{target}_p84": high + step})

    def test_half_widths_of_the_targets_that_have_them(self):
        widths = read_posterior(self.with_ends(), ("stellar_mass", "sfr"))
        assert widths.shape == (2, 2, 2)
        np.testing.assert_allclose(widths[:, 0], [[0.2, 0.1]] * 2)
        assert np.isnan(widths[:, 1]).all()

    def test_percentiles_are_no_targets(self):
        values, names = read_targets(self.with_ends())
        assert names == ("stellar_mass", "sfr")
        np.testing.assert_array_equal(values, self.Y)
        np.testing.assert_array_equal(read_targets(self.with_ends(), names)[0], self.Y)

    def test_columns_in_any_order_and_kind(self):
        y = self.with_ends()
        expected = read_posterior(y, ("stellar_mass", "sfr"))
        shuffled = y[["sfr", "stellar_mass_p84", "stellar_mass_p16", "stellar_mass"]]
        for other in (shuffled, pl.DataFrame(y.to_dict("list")), Table.from_pandas(y)):
            np.testing.assert_array_equal(read_posterior(other, ("stellar_mass", "sfr")), expected)

    def test_gamas_names(self):
        y = table(
            mass_stellar_percentile16=8.9,
            mass_stellar_percentile50=9.0,
            mass_stellar_percentile84=9.3,
        )
        np.testing.assert_allclose(read_posterior(y, ["stellar_mass"])[:, 0], [[0.1, 0.3]] * 2)
        assert read_targets(y)[1] == ("stellar_mass",)

    @pytest.mark.parametrize("y", [Y, Y.to_numpy(), Y["sfr"], Y.assign(age_p16=1.0)])
    def test_none(self, y):
        assert read_posterior(y, ("stellar_mass", "sfr")[: np.shape(y)[-1]]) is None

    def test_one_of_two(self):
        y = self.with_ends().drop(columns="stellar_mass_p16")
        with pytest.raises(ValueError, match=r"needs both .*'stellar_mass_p84' alone"):
            read_posterior(y, ("stellar_mass", "sfr"))

    def test_out_of_order(self):
        with pytest.raises(ValueError, match=r"must grow .*in 2 of 2 rows, .* row 0: 9.2, 9,"):
            read_posterior(self.with_ends(low=9.2), ("stellar_mass", "sfr"))

    def test_rounding_is_no_disorder(self):
        widths = read_posterior(self.with_ends(low=9.0 + 1e-8), ("stellar_mass", "sfr"))
        assert (widths[:, 0] >= 0).all()

    def test_gaps(self):
        y = self.with_ends()
        y.loc[0, "stellar_mass_p16"] = np.nan
        assert np.isnan(read_posterior(y, ("stellar_mass", "sfr"))[0, 0, 0])


@pytest.mark.parametrize("code", [-999.0, 1e10])
def test_a_percentile_that_is_a_code_or_linear_is_an_error(code):
    """Else -999 for a 16th percentile would be a posterior a thousand dex wide."""
    y = pd.DataFrame(
        {"stellar_mass": [10.0, 10.5], "stellar_mass_p16": [9.9, 10.4], "stellar_mass_p84": 10.7}
    )
    y.loc[1, "stellar_mass_p84" if code > 0 else "stellar_mass_p16"] = code
    with pytest.raises(ValueError, match=r"stellar_mass must be in dex .* got .* in 1 of 2 rows"):
        read_posterior(y, ["stellar_mass"])
