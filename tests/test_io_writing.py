"""Catalogues out: round trips in every format, units, provenance, cards."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse as parse_votable
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from io_tables import BIG, SUFFIXES, assert_same, everything

from sfml.io import (
    make_provenance,
    open_catalogue,
    read_catalogue,
    write_catalogue,
)


class TestRoundTrips:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_every_type(self, tmp_path, suffix):
        frame = everything()
        path = write_catalogue(frame, tmp_path / f"t{suffix}")
        found = read_catalogue(path)
        if suffix.startswith(".csv"):  # which has no types, but loses nothing
            found = found.astype({n: frame[n].dtype for n in ("flux", "short", "flag", "byte")})
        assert_same(found, frame)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_no_rows(self, tmp_path, suffix):
        frame = everything().iloc[:0]
        reader = open_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert reader.names == list(frame)
        assert len(reader.read()) == 0
        assert [len(batch) for batch in reader.batches(10)] == [0]

    @pytest.mark.parametrize("suffix", [".fits", ".csv", ".parquet", ".feather", ".hdf5", ".ecsv"])
    def test_integers_of_every_size(self, tmp_path, suffix):
        kinds = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
        ends = {kind: [np.iinfo(kind).min, np.iinfo(kind).max, 1] for kind in kinds}
        frame = pd.DataFrame({kind: np.array(values, kind) for kind, values in ends.items()})
        for kind, values in ends.items():
            frame[f"{kind}_null"] = pd.array(
                [*values[1:], None], dtype=kind.replace("i", "I", 1).replace("uI", "UI")
            )
        found = read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert_same(found, frame, dtypes=suffix != ".csv")

    def test_votable_widens_what_it_lacks(self, tmp_path):
        frame = pd.DataFrame({"a": np.array([-1, 2], np.int8), "b": np.array([1, 2], np.uint64)})
        path = write_catalogue(frame, tmp_path / "t.vot")
        assert_same(read_catalogue(path), frame, dtypes=False)
        with pytest.raises(
            ValueError, match=r"Cannot write .*t\.vot.*'b' has 18446744073709551615"
        ):
            write_catalogue(frame.assign(b=np.uint64(2**64 - 1)), path, overwrite=True)

    @pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv", ".hdf5", ".fits"])
    def test_empty_text_is_not_null(self, tmp_path, suffix):
        frame = pd.DataFrame({"reasons": ["", None, "colours"]})
        assert_same(read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}")), frame)

    @pytest.mark.parametrize("suffix", [".vot", ".ecsv"])
    def test_empty_text_is_null_in(self, tmp_path, suffix):
        frame = pd.DataFrame({"reasons": ["", None, "colours"]})
        found = read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert found["reasons"].isna().tolist() == [True, True, False]

    @pytest.mark.parametrize("suffix", [s for s in SUFFIXES if not s.startswith(".fits")])
    def test_text_beyond_ascii(self, tmp_path, suffix):
        frame = pd.DataFrame({"größe": [1.5], "name": ["Ångström–λ 星"]})
        assert_same(read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}")), frame)

    def test_fits_is_ascii(self, tmp_path):
        with pytest.raises(ValueError, match=r"ASCII only; got 'é' in row 1 of column 'name'"):
            write_catalogue({"name": ["e", "é"]}, tmp_path / "t.fits")
        with pytest.raises(ValueError, match="'größe'"):
            write_catalogue({"größe": [1]}, tmp_path / "t.fits")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_dates(self, tmp_path, suffix):
        frame = pd.DataFrame(
            {"when": pd.to_datetime(["2026-11-26 07:30:00", "2020-01-01 00:00:01"])}
        )
        found = read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert pd.to_datetime(found["when"]).tolist() == frame["when"].tolist()

    @pytest.mark.parametrize(
        "suffix", [s for s in SUFFIXES if "." in s[1:2] or s not in (".parquet", ".feather")]
    )
    def test_lists_are_refused(self, tmp_path, suffix):
        frame = pd.DataFrame({"pdf": [[1.0], [2.0, 3.0]]})
        with pytest.raises(ValueError, match="Cannot write"):
            write_catalogue(frame, tmp_path / f"t{suffix}")
        assert not list(tmp_path.iterdir())

    def test_nearly_full_bytes(self, tmp_path):
        values = [*range(255), None]
        frame = pd.DataFrame({"a": pd.array(values, dtype="UInt8")})
        assert_same(read_catalogue(write_catalogue(frame, tmp_path / "t.fits")), frame)
        with pytest.raises(ValueError, match="'a' has every value of uint8, and nulls too"):
            write_catalogue(
                {"a": pd.array([*range(256), None], dtype="UInt8")}, tmp_path / "u.fits"
            )


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8).map(str.rstrip)
COLUMN = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3),
    st.lists(st.floats(width=64), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), TEXT.filter(bool)), min_size=3, max_size=3).filter(any),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=3, max_size=3).map(
        lambda values: pd.array(values, dtype="boolean")
    ),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=3, max_size=3).map(
        lambda values: pd.array(values, dtype="Int64")
    ),
)


class TestAnyTable:
    """Whatever is written comes back: hypothesis looks for what does not."""

    @pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet", ".feather", ".hdf5"])
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(columns=st.lists(COLUMN, min_size=1, max_size=3))
    def test_round_trip(self, tmp_path, suffix, columns):
        frame = pd.DataFrame({f"c{i}": column for i, column in enumerate(columns)})
        path = write_catalogue(frame, tmp_path / f"t{suffix}", overwrite=True)
        assert_same(read_catalogue(path), frame, dtypes=False)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        cells=st.lists(
            st.one_of(
                st.integers().map(str),
                st.floats(allow_nan=False).map(repr),
                st.sampled_from(
                    ["", "NaN", "NULL", "007", "+5", "1e5", "True", "x y", '"q"', "--"]
                ),
                TEXT,
            ),
            min_size=1,
            max_size=6,
        ),
        n_rows=st.integers(1, 3),
    )
    def test_cells_of_csv(self, tmp_path, cells, n_rows):
        """Numbers are those of the cells, text is the cells; and batches are what `read` gives."""
        path = tmp_path / "t.csv"
        pd.DataFrame({"a": cells, "b": "x"}).to_csv(path, index=False)
        reader = open_catalogue(path)
        found = reader.read()["a"]
        for cell, value in zip(cells, found, strict=True):
            if pd.isna(value):
                assert cell.strip() in (
                    "",
                    "NaN",
                    "NULL",
                    "nan",
                    "NA",
                    "null",
                    "None",
                    "N/A",
                    "n/a",
                )
            elif isinstance(value, str):
                assert value == cell
            elif isinstance(value, bool | np.bool_):
                assert str(value) == cell.capitalize()
            elif isinstance(value, int | np.integer):
                assert int(value) == int(cell)
            else:
                assert float(value) == float(cell)
        pd.testing.assert_frame_equal(pd.concat(reader.batches(n_rows)), reader.read())


class TestWriting:
    UNITS = {"ra": "deg", "flux": "mJy"}
    PROVENANCE = {"sfml_version": "1.2", "model_hash": "ab" * 32, "note": "x" * 200}

    @pytest.mark.parametrize("suffix", [s for s in SUFFIXES if not s.startswith(".csv")])
    def test_units(self, tmp_path, suffix):
        path = write_catalogue(everything(), tmp_path / f"t{suffix}", units=self.UNITS)
        assert open_catalogue(path).units == self.UNITS

    def test_units_of_the_table(self, tmp_path):
        table = Table({"a": [1.0], "b": [2.0]}, units={"a": "Jy", "b": "m"})
        path = write_catalogue(table, tmp_path / "t.fits", units={"b": "km"})
        assert open_catalogue(path).units == {"a": "Jy", "b": "km"}
        with pytest.raises(ValueError, match=r"lacks: \['c'\]"):
            write_catalogue(table, tmp_path / "u.fits", units={"c": "km"})

    def test_provenance(self, tmp_path):
        def write(suffix):
            return write_catalogue(
                everything(), tmp_path / f"t{suffix}", provenance=self.PROVENANCE
            )

        assert json.loads(fits.getheader(write(".fits"), 1)["SFMLPROV"]) == self.PROVENANCE
        assert (
            json.loads(pq.read_schema(write(".parquet")).metadata[b"sfml.provenance"])
            == self.PROVENANCE
        )
        with pa.ipc.open_file(write(".feather")) as reader:
            assert json.loads(reader.schema.metadata[b"sfml.provenance"]) == self.PROVENANCE
        with h5py.File(write(".hdf5")) as file:
            assert json.loads(file["catalogue"].attrs["provenance"]) == self.PROVENANCE
        assert Table.read(write(".ecsv"), format="ascii.ecsv").meta["provenance"] == self.PROVENANCE
        infos = parse_votable(write(".vot")).resources[0].infos
        assert {info.name: info.value for info in infos} == self.PROVENANCE
        write(".csv")
        for card in tmp_path.glob("*.README.md"):
            assert f"| model_hash | {self.PROVENANCE['model_hash']} |" in card.read_text()
        assert len(list(tmp_path.iterdir())) == 14

    def test_votable_in_parquet(self, tmp_path):
        """As the IVOA's note on VOParquet has it: a VOTable without data, in the metadata."""
        path = write_catalogue(everything(), tmp_path / "t.parquet", units=self.UNITS)
        metadata = pq.read_schema(path).metadata
        assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
        (tmp_path / "t.vot").write_bytes(metadata[b"IVOA.VOTable-Parquet.content"])
        (table,) = parse_votable(tmp_path / "t.vot", verify="exception").iter_tables()
        assert [field.name for field in table.fields] == list(everything())
        assert {f.name: str(f.unit) for f in table.fields if f.unit} == self.UNITS

    def test_others_can_open_it(self, tmp_path):
        frame = everything()
        write_catalogue(frame, tmp_path / "t.parquet")
        assert pd.read_parquet(tmp_path / "t.parquet")["objid"].tolist() == frame["objid"].tolist()
        write_catalogue(frame, tmp_path / "t.feather")
        assert pd.read_feather(tmp_path / "t.feather")["objid"].tolist() == frame["objid"].tolist()
        write_catalogue(frame, tmp_path / "t.csv")
        assert pd.read_csv(tmp_path / "t.csv")["objid"].tolist() == frame["objid"].tolist()
        for suffix in ("fits", "vot", "ecsv"):
            # Of a null among booleans in FITS, astropy warns.
            write_catalogue(frame.drop(columns="maybe"), tmp_path / f"t.{suffix}")
            table = Table.read(tmp_path / f"t.{suffix}")
            assert table["objid"].tolist() == frame["objid"].tolist()
            assert table["match"].mask.tolist() == [False, True, False, False]

    def test_card(self, tmp_path):
        frame = pd.DataFrame(
            {
                "ID": [1],
                "sfr": [0.1],
                "sfr_p16": [0.0],
                "sfr_p84": [0.2],
                "flag": [0],
                "reasons": [""],
            }
        )
        path = write_catalogue(frame, tmp_path / "out.parquet")
        card = (tmp_path / "out.parquet.README.md").read_text()
        assert "1 rows and 6 columns" in card
        assert 'sfml.io.read_catalogue("out.parquet")' in card
        assert 'pandas.read_parquet("out.parquet")' in card
        assert "| `sfr` | float64 | dex (Msun/yr) | predicted median |" in card
        assert "| `sfr_p16` | float64 | dex (Msun/yr) | percentile 16 of sfr |" in card
        assert "| 16 | colours |" in card
        assert open_catalogue(path).units["sfr_p84"] == "dex (Msun/yr)"
        write_catalogue({"sfr": [1.0]}, tmp_path / "mine.parquet")  # of which sfml knows nothing
        assert open_catalogue(tmp_path / "mine.parquet").units == {}

    def test_an_index_becomes_a_column(self, tmp_path):
        frame = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index([BIG, 5], name="CATAID"))
        assert read_catalogue(write_catalogue(frame, tmp_path / "t.csv"))["CATAID"].tolist() == [
            BIG,
            5,
        ]
        some = pd.DataFrame({"a": [1.0, 2.0, 3.0]}).iloc[[0, 2]]
        assert read_catalogue(write_catalogue(some, tmp_path / "u.csv"))["index"].tolist() == [0, 2]

    @pytest.mark.parametrize("taken", ["t.parquet", "t.parquet.README.md"])
    def test_nothing_is_overwritten(self, tmp_path, taken):
        (tmp_path / taken).write_text("mine")
        with pytest.raises(FileExistsError, match=re.escape(taken)):
            write_catalogue({"a": [1]}, tmp_path / "t.parquet")
        assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [(taken, "mine")]
        write_catalogue({"a": [1]}, tmp_path / "t.parquet", overwrite=True)
        assert read_catalogue(tmp_path / "t.parquet")["a"].tolist() == [1]
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_failure_leaves_nothing(self, tmp_path, monkeypatch):
        def fail(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pq, "write_table", fail)
        with pytest.raises(OSError, match="No space left"):
            write_catalogue({"a": [1]}, tmp_path / "new" / "t.parquet")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["t.xlsx", "t", "t.parquet.gz", "t.txt"])
    def test_formats_that_are_not_written(self, tmp_path, name):
        with pytest.raises(ValueError, match=re.escape(name)):
            write_catalogue({"a": [1]}, tmp_path / name)

    @pytest.mark.parametrize("name", ["a/b", ".", ""])
    def test_names_that_hdf5_cannot_have(self, tmp_path, name):
        with pytest.raises(ValueError, match="names of columns"):
            write_catalogue({name: [1]}, tmp_path / "t.hdf5")

    def test_too_many_columns_for_fits(self, tmp_path):
        with pytest.raises(ValueError, match="at most 999 columns; got 1000"):
            write_catalogue({f"c{i}": [1] for i in range(1000)}, tmp_path / "t.fits")


class TestProvenance:
    def test_of_a_file(self, tmp_path):
        path = tmp_path / "t.csv"
        path.write_text("a\n1\n")
        found = make_provenance(path, model_hash="ab", survey="GAMA")
        assert found["input"] == "t.csv"
        assert found["input_sha256"] == __import__("hashlib").sha256(b"a\n1\n").hexdigest()
        assert found["model_hash"] == "ab"
        assert found["survey"] == "GAMA"
        assert datetime.fromisoformat(found["created"]).tzinfo is not None

    def test_of_a_folder(self, tmp_path):
        write_catalogue({"a": [1]}, tmp_path / "part.0.parquet")
        one = make_provenance(tmp_path)["input_sha256"]
        assert make_provenance(tmp_path)["input_sha256"] == one
        write_catalogue({"a": [2]}, tmp_path / "part.0.parquet", overwrite=True)
        assert make_provenance(tmp_path)["input_sha256"] != one

    def test_of_a_table(self):
        assert set(make_provenance({"a": [1]})) == {"sfml_version", "created"}


class TestRealFiles:
    """Nothing of them is lost, on the way through any format."""

    @pytest.mark.parametrize(
        "suffix", [".fits", ".vot", ".ecsv", ".parquet", ".feather", ".hdf5", ".csv"]
    )
    def test_candels(self, shared_data, tmp_path, suffix):
        path = shared_data / "candels_magphys.csv"
        found = read_catalogue(path)
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(found) == list(rows[0])
        for name in found:
            expected = [float(row[name]) if row[name] else np.nan for row in rows]
            np.testing.assert_array_equal(found[name], expected)
        written = write_catalogue(found, tmp_path / f"t{suffix}")
        assert_same(read_catalogue(written), found)
