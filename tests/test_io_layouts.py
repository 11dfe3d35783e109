"""What FITS, HDF5, VOTable and text files hold, as other programs write them."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from io_tables import BANDS, BIG, assert_same, everything

from sfml.io import (
    open_catalogue,
    read_catalogue,
    write_catalogue,
)


class TestFits:
    def test_vectors(self, tmp_path):
        flux = np.arange(10, dtype=">f4").reshape(2, 5)
        columns = [
            fits.Column("NMGY", "5E", unit="nanomaggy", array=flux),
            fits.Column("Z", "D", array=[0.1, 0.2]),
        ]
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
        columns = {"g_flux": "NMGY[1]", "r_flux": "NMGY[2]", "{band}_fluxerr": None}
        reader = open_catalogue(tmp_path / "t.fits", BANDS, columns)
        assert reader.names == ["NMGY[0]", "g_flux", "r_flux", "NMGY[3]", "NMGY[4]", "Z"]
        np.testing.assert_allclose(reader.read()["r_flux"], flux[:, 2] * 3.631e-6)

    def test_vectors_of_parquet_and_hdf5(self, tmp_path):
        flux = np.arange(6.0).reshape(2, 3)
        column = pa.FixedSizeListArray.from_arrays(flux.ravel(), 3)
        pq.write_table(pa.table({"NMGY": column, "x": [1, 2]}), tmp_path / "t.parquet")
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            file["NMGY"], file["x"] = flux, [1, 2]
        for suffix in ("parquet", "hdf5"):
            reader = open_catalogue(tmp_path / f"t.{suffix}")
            assert set(reader.names) == {"NMGY[0]", "NMGY[1]", "NMGY[2]", "x"}
            assert reader.only("NMGY[2]").read()["NMGY[2]"].tolist() == [2.0, 5.0]

    def test_the_table_with_the_columns(self, tmp_path):
        hdus = [
            fits.PrimaryHDU(),
            fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])], name="META"),
            fits.BinTableHDU.from_columns(
                [fits.Column(n, "D", array=[0.1]) for n in BANDS.columns], name="PHOT"
            ),
        ]
        fits.HDUList(hdus).writeto(tmp_path / "t.fits")
        assert open_catalogue(tmp_path / "t.fits").names == ["a"]
        reader = open_catalogue(tmp_path / "t.fits", BANDS)
        assert reader.names == list(BANDS.columns)
        assert "FITS, HDU 2 'PHOT'" in str(reader.report)
        assert "Of 2 tables, HDU 2 was read; the others are 1." in str(reader.report)

    def test_what_fits_has(self, tmp_path):
        columns = [
            fits.Column("null", "K", null=-1, array=[BIG, -1]),
            fits.Column("scaled", "E", bscale=0.5, bzero=1, array=[1.0, 2.0]),
            fits.Column("bits", "3X", array=np.array([[1, 0, 1], [0, 1, 0]], bool)),
            fits.Column(
                "any", "PD()", array=np.array([np.arange(2.0), np.arange(3.0)], dtype=object)
            ),
            fits.Column("matrix", "6D", dim="(3,2)", array=np.arange(12.0).reshape(2, 2, 3)),
            fits.Column("complex", "C", array=[1 + 2j, 3]),
        ]
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
        frame = read_catalogue(tmp_path / "t.fits")
        assert frame["null"].tolist() == [BIG, pd.NA]
        assert frame["scaled"].tolist() == [1.0, 2.0]
        assert frame["bits[2]"].tolist() == [True, False]
        assert [row.tolist() for row in frame["any"]] == [[0, 1], [0, 1, 2]]
        assert frame["matrix[1,0]"].tolist() == [3.0, 9.0]
        assert frame["complex"].tolist() == [1 + 2j, 3]

    def test_ascii_tables(self, tmp_path):
        columns = [
            fits.Column("a", "I10", ascii=True, array=[1, 2]),
            fits.Column("b", "F8.3", array=[1.5, 2.5]),
        ]
        fits.TableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
        assert read_catalogue(tmp_path / "t.fits")["b"].tolist() == [1.5, 2.5]

    def test_cut_short(self, tmp_path):
        path = write_catalogue({"a": np.arange(5000)}, tmp_path / "t.fits")
        path.write_bytes(path.read_bytes()[:30_000])
        with pytest.raises(
            ValueError, match=r"Cannot read .*t\.fits.*cut short.*5000 rows of 8 bytes"
        ):
            open_catalogue(path)

    def test_no_file_is_left_open(self, tmp_path):
        path = write_catalogue({"a": np.arange(5000)}, tmp_path / "t.fits")
        frame = read_catalogue(path)
        path.write_bytes(b"\0" * path.stat().st_size)
        assert frame["a"].tolist() == list(range(5000))


class TestHdf5:
    @pytest.mark.parametrize("format_", ["fixed", "table"])
    def test_pandas(self, tmp_path, format_):
        pytest.importorskip("tables")
        frame = everything()[["objid", "ra", "flux", "good", "field"]]
        frame.to_hdf(tmp_path / "t.h5", key="phot/df", format=format_)
        reader = open_catalogue(tmp_path / "t.h5")
        assert_same(reader.read(), frame)
        assert_same(pd.concat(reader.batches(3)), frame)
        assert reader.n_rows == 4
        assert "The index of the DataFrame, which has no name, was left out." in str(reader.report)

    def test_pandas_with_an_index(self, tmp_path):
        pytest.importorskip("tables")
        frame = everything()[["objid", "ra"]]
        frame.set_index("objid").to_hdf(
            tmp_path / "t.h5", key="df", format="table", data_columns=True
        )
        assert_same(read_catalogue(tmp_path / "t.h5"), frame)

    def test_pickles_that_run_code_are_refused(self, tmp_path):
        pytest.importorskip("tables")
        pd.DataFrame({"a": [1]}).to_hdf(tmp_path / "t.h5", key="df")
        ran = tmp_path / "ran"

        class Bomb:
            def __reduce__(self):
                return Path.touch, (ran,)

        with h5py.File(tmp_path / "t.h5", "a") as file:
            file["df"].attrs["info"] = np.bytes_(pickle.dumps(Bomb(), protocol=0))
        with pytest.raises(ValueError, match=r"a pickle that would run .*getattr"):
            open_catalogue(tmp_path / "t.h5")
        assert not ran.exists()

    def test_astropy(self, tmp_path):
        table = Table(
            {"objid": [BIG, 2], "flux": [1.0, 2.0], "s": ["a", "b"]}, units={"flux": "mJy"}
        )
        table.write(tmp_path / "t.hdf5", path="data", serialize_meta=True)
        reader = open_catalogue(tmp_path / "t.hdf5")
        assert reader.units == {"flux": "mJy"}
        assert reader.read()["objid"].tolist() == [BIG, 2]
        assert reader.read()["s"].tolist() == ["a", "b"]

    def test_several_groups(self, tmp_path):
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            file["meta/version"] = [1]
            for name in BANDS.columns:
                file[f"photometry/{name}"] = np.arange(3.0)
            file["photometry/edges"] = np.arange(7.0)
            file["photometry/g_flux"].attrs["unit"] = "uJy"
        reader = open_catalogue(tmp_path / "t.hdf5", BANDS)
        assert reader.read()["g_flux"].tolist() == [0, 1e-6, 2e-6]
        assert "'/photometry/' was read" in str(reader.report)
        assert "length differs: edges" in str(reader.report)

    def test_vaex(self, tmp_path):
        texts = [b"ab", b"", b"cde", b"f"] * 5
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            columns = file.create_group("table/columns")
            columns["x/data"] = np.arange(20.0)
            columns["x"].attrs["unit"] = "Jy"
            columns["i/data"], columns["i/mask"] = np.arange(20), np.arange(20) % 3 == 0
            columns["s/data"] = np.frombuffer(b"".join(texts), np.uint8)
            columns["s/data"].attrs["dtype"] = "str"
            columns["s/indices"] = np.cumsum([0, *map(len, texts)])
            columns["s/null_bitmap"] = np.packbits(np.arange(20) != 13, bitorder="little")
        reader = open_catalogue(tmp_path / "t.hdf5")
        assert reader.units == {"x": "Jy"}
        expected = [None if i == 13 else text.decode() for i, text in enumerate(texts)]
        for frame in (reader.read(), pd.concat(reader.batches(3))):
            assert [None if pd.isna(text) else text for text in frame["s"]] == expected
            assert frame["i"].isna().tolist() == (np.arange(20) % 3 == 0).tolist()
            assert frame["x"].tolist() == list(range(20))

    def test_a_heap_without_an_end(self, tmp_path):
        """HDF5's library would read it for ever."""
        path = write_catalogue({"name": ["x"] * 3}, tmp_path / "t.hdf5")
        content = path.read_bytes()
        heap = content.index(b"GCOL") + 16
        free = content.index(b"\0" * 8, heap + 3 * 24)  # index 0, where the objects end
        path.write_bytes(content[: free + 8] + b"\0" * 8 + content[free + 16 :])
        with pytest.raises(ValueError, match="one of its heaps, which hold text, has no end"):
            open_catalogue(path)

    def test_without_a_table(self, tmp_path):
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            file["image"] = 3
        with pytest.raises(ValueError, match="there is no table in it"):
            open_catalogue(tmp_path / "t.hdf5")

    @pytest.mark.parametrize(("module", "name"), [("h5py", "h5py"), ("tables", "PyTables")])
    def test_a_library_that_is_not_installed(self, tmp_path, monkeypatch, module, name):
        if module == "tables":
            pytest.importorskip("tables")
        pd.DataFrame({"a": [1]}).to_hdf(
            tmp_path / "t.h5", key="df"
        ) if module == "tables" else write_catalogue({"a": [1]}, tmp_path / "t.h5")
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(ValueError, match=rf"need {name}.*pip install 'sfml\[data\]'"):
            open_catalogue(tmp_path / "t.h5")


class TestText:
    def test_identifiers_that_begin_with_zeros_stay_text(self, tmp_path):
        (tmp_path / "t.csv").write_text("plate,id,n\n0266,12345678901234567890123,1\n0267,2,-0\n")
        frame = read_catalogue(tmp_path / "t.csv")
        assert frame["plate"].tolist() == ["0266", "0267"]
        assert frame["id"].tolist() == ["12345678901234567890123", "2"]
        assert frame["n"].tolist() == [1, 0]

    def test_signs_and_blanks(self, tmp_path):
        (tmp_path / "t.dat").write_text('ra    dec      name\n 1.5  +2.5  "NGC 1"\n 2.5  -0.1  x\n')
        frame = read_catalogue(tmp_path / "t.dat")
        assert frame.to_dict("list") == {
            "ra": [1.5, 2.5],
            "dec": [2.5, -0.1],
            "name": ["NGC 1", "x"],
        }

    def test_separators_at_the_end_of_rows(self, tmp_path):
        (tmp_path / "t.csv").write_text("a,b\n1,2,\n3,4,\n")
        assert read_catalogue(tmp_path / "t.csv")[["a", "b"]].to_numpy().tolist() == [
            [1, 2],
            [3, 4],
        ]

    def test_lines_in_quotes(self, tmp_path):
        (tmp_path / "t.csv").write_text('a,b\n1,"two\nlines"\n3,"x, ""y"""\n')
        assert read_catalogue(tmp_path / "t.csv")["b"].tolist() == ["two\nlines", 'x, "y"']

    def test_ipac(self, tmp_path):
        (tmp_path / "t.tbl").write_text(
            "\\ a comment\n|  id| w1flux|\n| int| double|\n|    |     Jy|\n    1     2.5 \n"
        )
        reader = open_catalogue(tmp_path / "t.tbl")
        assert reader.units == {"w1flux": "Jy"}
        assert reader.read()["w1flux"].tolist() == [2.5]

    def test_a_late_type_is_that_of_all_batches(self, tmp_path):
        rows = "\n".join(["1,2"] * 500 + ["1,x", ",0.5"])
        (tmp_path / "t.csv").write_text(f"a,b\n{rows}\n")
        batches = list(open_catalogue(tmp_path / "t.csv").batches(100))
        assert all(batch["b"].map(type).eq(str).all() for batch in batches)
        assert pd.concat(batches)["a"].dtype == "Int64"


class TestVotable:
    def test_the_table_with_the_columns(self, tmp_path):
        field = '<FIELD name="{}" datatype="double" unit="{}"/>'
        table = "<TABLE>{}<DATA><TABLEDATA><TR>{}</TR></TABLEDATA></DATA></TABLE>"
        first = table.format(field.format("a", "m"), "<TD>1</TD>")
        second = table.format(
            "".join(field.format(name, "uJy" if "flux" in name else "") for name in BANDS.columns),
            "<TD>2</TD>" * 5,
        )
        text = f'<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>{first}{second}</RESOURCE></VOTABLE>'
        (tmp_path / "t.xml").write_text(text)
        assert open_catalogue(tmp_path / "t.xml").units == {"a": "m"}
        reader = open_catalogue(tmp_path / "t.xml", BANDS)
        np.testing.assert_allclose(reader.read()["g_flux"], [2e-6])
        assert "Of 2 tables, number 2 was read." in str(reader.report)
