"""Catalogues in: streams, tables in memory, what is refused."""

from __future__ import annotations

import re
import shutil

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from io_tables import BANDS, BIG, STREAMED, SUFFIXES, assert_same, everything

from sfml.io import (
    open_catalogue,
    read_catalogue,
    write_catalogue,
)
from sfml.io.formats import FORMATS


class TestStreams:
    @pytest.fixture
    def frame(self):
        rng = np.random.default_rng(0)
        ids = BIG + np.arange(1000)
        match = pd.array(np.where(ids % 7 == 0, 0, ids), dtype="Int64")
        match[ids % 7 == 0] = None
        names = np.where(ids % 5 == 0, None, ids.astype(str) + "x")
        return pd.DataFrame(
            {
                "id": ids,
                "x": rng.normal(size=1000),
                "match": match,
                "name": names,
                "late": [0] * 999 + [0.5],
            }
        )

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("n_rows", [1000, 64, 5000])
    def test_batches_are_the_whole(self, tmp_path, frame, suffix, n_rows):
        reader = open_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        batches = list(reader.batches(n_rows))
        assert [len(batch) for batch in batches[:-1]] == [n_rows] * (len(batches) - 1)
        pd.testing.assert_frame_equal(pd.concat(batches), reader.read())
        assert_same(reader.read(), frame)
        assert reader.n_rows in (1000, None)

    @pytest.mark.parametrize("suffix", STREAMED)
    @pytest.mark.parametrize("start", [1, 300, 999, 1000, 2000])
    def test_from_a_row_on(self, tmp_path, frame, suffix, start):
        path = tmp_path / f"t{suffix}"
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pandas(frame), path, row_group_size=300)
        else:
            write_catalogue(frame, path)
        found = pd.concat(open_catalogue(path).batches(128, start=start))
        assert found["id"].tolist() == frame["id"][start:].tolist()
        assert start >= 1000 or found.index[0] == start

    def test_parquet_in_row_groups_and_parts(self, tmp_path, frame):
        for i in range(12):  # part.10 comes after part.2
            part = frame.iloc[i * 80 : (i + 1) * 80 if i < 11 else None]
            pq.write_table(
                pa.Table.from_pandas(part, preserve_index=False),
                tmp_path / f"part.{i}.parquet",
                row_group_size=33,
            )
        reader = open_catalogue(tmp_path)
        assert reader.n_rows == 1000
        assert "folder of 12 Parquet files" in str(reader.report)
        assert_same(reader.read(), frame)
        for start in (0, 79, 80, 100, 850):
            found = pd.concat(reader.batches(70, start=start))
            assert found["id"].tolist() == frame["id"][start:].tolist()

    def test_only(self, tmp_path, frame):
        reader = open_catalogue(write_catalogue(frame, tmp_path / "t.parquet")).only("x", "id")
        assert list(reader.read()) == reader.names == ["x", "id"]
        assert list(next(reader.batches(10))) == ["x", "id"]
        with pytest.raises(ValueError, match=r"no column 'y'. It has \['x', 'id'\]"):
            reader.only("y")

    @pytest.mark.parametrize(("n_rows", "start"), [(0, 0), (-1, 0), (1, -1)])
    def test_wrong_numbers(self, n_rows, start):
        with pytest.raises(ValueError, match="must be at least"):
            open_catalogue({"a": [1]}).batches(n_rows, start)


class TestInMemory:
    TABLE = pd.DataFrame(
        {
            "objid": [BIG, BIG + 1],
            "FLUX_R": [2.0, -999.0],
            "match": pd.array([BIG, None], dtype="Int64"),
        }
    )

    @pytest.mark.parametrize(
        "kind",
        [
            lambda frame: frame,
            pl.from_pandas,
            lambda frame: pl.from_pandas(frame).lazy(),
            lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
            lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
            lambda frame: ds.dataset(pa.Table.from_pandas(frame, preserve_index=False)),
            Table.from_pandas,
            QTable.from_pandas,
            lambda frame: {name: frame[name] for name in frame},
        ],
        ids=["pandas", "polars", "lazy", "arrow", "batch", "dataset", "Table", "QTable", "dict"],
    )
    def test_kinds(self, kind):
        reader = open_catalogue(kind(self.TABLE))
        assert_same(reader.read(), self.TABLE)
        assert reader.n_rows == 2
        assert [batch["objid"].tolist() for batch in reader.batches(1)] == [[BIG], [BIG + 1]]

    def test_arrays(self):
        records = np.array(
            [(BIG, 1.5, [1, 2])], dtype=[("id", ">i8"), ("x", ">f4"), ("v", "<i4", 2)]
        )
        expected = pd.DataFrame(
            {"id": [BIG], "x": np.float32([1.5]), "v[0]": np.int32([1]), "v[1]": np.int32([2])}
        )
        assert_same(read_catalogue(records), expected)
        assert_same(read_catalogue({name: records[name] for name in records.dtype.names}), expected)
        assert_same(read_catalogue(records.view(np.recarray)), expected)

    def test_hdus(self, tmp_path):
        path = write_catalogue(everything(), tmp_path / "t.fits")
        with fits.open(path) as hdus:
            assert read_catalogue(hdus[1])["objid"].tolist() == everything()["objid"].tolist()
            assert read_catalogue(hdus[1].data)["objid"].tolist() == everything()["objid"].tolist()
            with pytest.raises(TypeError, match=r"Pass one table of it: hdus\[1\]\.data"):
                open_catalogue(hdus)

    def test_h5py_groups(self, tmp_path):
        path = write_catalogue(everything(), tmp_path / "t.hdf5")
        with h5py.File(path) as file:
            assert (
                read_catalogue(file["catalogue"])["objid"].tolist()
                == everything()["objid"].tolist()
            )

    def test_units_of_quantities(self):
        table = QTable(
            {"r_flux": [1.0, 2.0] * u.mJy, "r_fluxerr": [1.0, 1.0] * u.uJy, "Z": [0.1, 0.2]}
        )
        reader = open_catalogue(table, BANDS.only("r"))
        frame = reader.read()
        np.testing.assert_allclose(frame["r_flux"], [1e-3, 2e-3], rtol=1e-15)
        np.testing.assert_allclose(frame["r_fluxerr"], [1e-6, 1e-6], rtol=1e-15)
        assert reader.units == {"r_flux": "Jy", "r_fluxerr": "Jy"}

    def test_masked_columns(self):
        table = Table(
            {
                "a": MaskedColumn([BIG, 2], mask=[False, True]),
                "s": MaskedColumn(["x", "y"], mask=[True, False]),
            }
        )
        frame = read_catalogue(table)
        assert frame["a"].tolist() == [BIG, pd.NA]
        assert frame["s"].isna().tolist() == [True, False]

    def test_the_index_of_a_dataframe_stays(self):
        frame = self.TABLE.set_index("objid")
        assert read_catalogue(frame).index.tolist() == [BIG, BIG + 1]
        assert next(open_catalogue(frame).batches(1)).index.tolist() == [BIG]

    def test_coordinates_are_no_column(self):
        table = Table({"coord": SkyCoord([1, 2] * u.deg, [3, 4] * u.deg)})
        with pytest.raises(ValueError, match=r"'coord' is a SkyCoord.*table\['ra'\]"):
            open_catalogue(table)

    def test_what_is_no_table(self):
        with pytest.raises(ValueError, match="columns of an array have no names"):
            open_catalogue(np.zeros((2, 3)))
        with pytest.raises(ValueError, match="columns have no names"):
            open_catalogue(pd.DataFrame(np.zeros((2, 3))))
        with pytest.raises(TypeError, match="Expected a table"):
            open_catalogue(3)
        with pytest.raises(ValueError, match="equal length"):
            open_catalogue({"a": [1, 2], "b": [1]})
        with pytest.raises(ValueError, match="more than one column named 'a'"):
            open_catalogue(pd.DataFrame([[1, 2]], columns=["a", "a"]))


class TestErrors:
    def test_no_such_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no file '.*t\.fits'"):
            open_catalogue(tmp_path / "t.fits")

    def test_unknown_suffix(self, tmp_path):
        (tmp_path / "t.xlsx").write_text("x")
        with pytest.raises(ValueError, match=r"format of '.*t\.xlsx'.*\.fits, \.fit"):
            open_catalogue(tmp_path / "t.xlsx")

    @pytest.mark.parametrize("suffix", [suffix for ends in FORMATS.values() for suffix in ends])
    def test_empty_file(self, tmp_path, suffix):
        (tmp_path / f"t{suffix}").touch()
        with pytest.raises(ValueError, match=rf"Cannot read '.*t\{suffix}': the file is empty"):
            open_catalogue(tmp_path / f"t{suffix}")

    @pytest.mark.parametrize(
        "suffix", [".fits", ".vot", ".csv", ".ecsv", ".parquet", ".feather", ".hdf5"]
    )
    @pytest.mark.parametrize("other", [".fits", ".vot", ".parquet", ".feather", ".hdf5"])
    def test_another_format_behind_a_suffix(self, tmp_path, suffix, other):
        if suffix == other:
            return
        path = write_catalogue({"a": [1]}, tmp_path / f"t{other}")
        shutil.copy(path, tmp_path / f"u{suffix}")
        with pytest.raises(
            ValueError, match=rf"'.*u\{suffix}': its name says .*Rename it to end in \."
        ) as error:
            open_catalogue(tmp_path / f"u{suffix}")
        assert f"Rename it to end in {other}" in str(error.value).replace(".votable", ".vot")

    @pytest.mark.parametrize(
        ("start", "what"),
        [
            (b"<html>", "a web page"),
            (b"PK\x03\x04xx", "a zip archive"),
            (b"\x80\x05\x95xx", "a pickle"),
        ],
    )
    @pytest.mark.parametrize("suffix", [".fits", ".csv", ".parquet"])
    def test_no_table_at_all(self, tmp_path, start, what, suffix):
        (tmp_path / f"t{suffix}").write_bytes(start)
        with pytest.raises(ValueError, match=f"but it is {what}"):
            open_catalogue(tmp_path / f"t{suffix}")

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_cut_short(self, tmp_path, suffix):
        frame = pd.DataFrame({"a": np.random.default_rng(0).normal(size=3000), "s": ["x"] * 3000})
        path = write_catalogue(frame, tmp_path / f"t{suffix}")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3 - 1])
        if suffix in (".csv", ".ecsv"):  # may end anywhere
            path.write_bytes(content[: content.rindex(b",")])
        for read in (read_catalogue, lambda path: list(open_catalogue(path).batches(500))):
            with pytest.raises(ValueError, match=re.escape(f"Cannot read {str(path)!r}")):
                read(path)

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_repeated_names(self, tmp_path, suffix):
        path = tmp_path / f"t{suffix}"
        if suffix == ".csv":
            path.write_text("a,a\n1,2\n")
        else:
            pq.write_table(pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), path)
        with pytest.raises(ValueError, match=rf"t\{suffix}'.*more than one column named 'a'"):
            open_catalogue(path)

    def test_repeated_names_in_fits(self, tmp_path):
        hdu = fits.BinTableHDU.from_columns([fits.Column(n, "J", array=[1]) for n in "ab"])
        hdu.writeto(tmp_path / "t.fits")
        content = (tmp_path / "t.fits").read_bytes()
        (tmp_path / "t.fits").write_bytes(content.replace(b"'b       '", b"'a       '"))
        with pytest.raises(ValueError, match="more than one column named 'a'"):
            open_catalogue(tmp_path / "t.fits")

    def test_absent_columns_name_the_file(self, tmp_path):
        write_catalogue({"FLUX_R": [1.0]}, tmp_path / "t.parquet")
        with pytest.raises(
            ValueError, match=r"The catalogue '.*t\.parquet' lacks.*columns=\{'r_flux': 'FLUX_R'\}"
        ):
            open_catalogue(tmp_path / "t.parquet", BANDS.only("r"))

    @pytest.mark.parametrize(("one", "other"), [([1], ["x"]), ([BIG], [0.5]), ([True], [1])])
    def test_parts_that_disagree(self, tmp_path, one, other):
        pq.write_table(pa.table({"a": one}), tmp_path / "1.parquet")
        pq.write_table(pa.table({"a": other}), tmp_path / "2.parquet")
        with pytest.raises(ValueError, match=r"files disagree: 'a' is of type .* in '2\.parquet'"):
            open_catalogue(tmp_path)

    def test_parts_with_other_columns(self, tmp_path):
        pq.write_table(pa.table({"a": [1], "b": [1]}), tmp_path / "1.parquet")
        pq.write_table(pa.table({"a": [1]}), tmp_path / "2.parquet")
        with pytest.raises(ValueError, match=r"'2\.parquet' lacks the columns \['b'\]"):
            read_catalogue(tmp_path)
        assert len(open_catalogue(tmp_path).only("a").read()) == 2

    def test_parts_that_agree(self, tmp_path):
        pq.write_table(
            pa.table({"a": pa.array([1], pa.int32()), "b": pa.nulls(1)}), tmp_path / "1.parquet"
        )
        pq.write_table(pa.table({"b": ["x"], "a": [BIG]}), tmp_path / "2.parquet")
        frame = read_catalogue(tmp_path)
        assert frame["a"].tolist() == [1, BIG]
        assert frame["b"].isna().tolist() == [True, False]

    def test_hats_thumbnails_are_no_rows(self, tmp_path):
        (tmp_path / "dataset" / "Norder=0").mkdir(parents=True)
        for name in ("Norder=0/Npix=4.parquet", "data_thumbnail.parquet"):
            pq.write_table(pa.table({"a": [1]}), tmp_path / "dataset" / name)
        reader = open_catalogue(tmp_path)
        assert len(reader.read()) == 1
        assert "'Norder=0', are not read as columns" in str(reader.report)
