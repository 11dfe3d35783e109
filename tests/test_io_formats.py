"""Files as other programs write them: dialects of text, folders of Parquet, and what is none."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from sfml import BandSet
from sfml.io import open_catalogue, read_catalogue
from sfml.io.formats import open_source
from sfml.tables import extract

COLUMNS = ["CATAID", "r_flux", "r_fluxerr"]
PLAIN = "CATAID,r_flux,r_fluxerr\n1,0.00045,1e-6\n2,0.00012,2e-6\n"
EXPECTED = [[1.0, 0.00045, 1e-6], [2.0, 0.00012, 2e-6]]
ECSV = (
    "# %ECSV 1.0\n# ---\n# datatype:\n"
    "# - {name: CATAID, datatype: int64}\n"
    "# - {name: r_flux, unit: mJy, datatype: float64}\n"
    "# - {name: r_fluxerr, unit: mJy, datatype: float64}\n" + PLAIN.replace(",", " ")
)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def load(path: str | Path, columns: list[str] | None = COLUMNS):
    reader = open_catalogue(path)
    assert reader.names[:2] == ["CATAID", "r_flux"]
    if columns is None:
        return reader.read()
    return reader.only(*(name for name in columns if name in reader.names)).read()


def load_flux(path: Path) -> np.ndarray:
    """Fluxes and errors in Jy, whatever the file has."""
    bands = BandSet(["r"], [0.62])
    frame = read_catalogue(path, bands, {"Z": None})
    return frame[COLUMNS].to_numpy()


DIALECTS = {
    "plain": PLAIN,
    "byte_order_mark": "\ufeff" + PLAIN,
    "utf_16": PLAIN.encode("utf-16"),
    "utf_16_without_mark": PLAIN.encode("utf-16-le"),
    "utf_16_big_endian": PLAIN.encode("utf-16-be"),
    "savetxt": "# " + PLAIN,
    "savetxt_with_comments": "# made, by, hand\n# 2020\n#" + PLAIN,
    "savetxt_with_spaces": "# " + PLAIN.replace(",", " "),
    "comments": "# from the archive, 2020\n#\n" + PLAIN,
    "blank_lines": "\n\n" + PLAIN + "\n\n",
    "space_after_commas": PLAIN.replace(",", ", "),
    "space_before_commas": PLAIN.replace(",", " ,"),
    "semicolons": PLAIN.replace(",", ";"),
    "decimal_commas": PLAIN.replace(",", ";").replace(".", ","),
    "decimal_commas_and_tabs": PLAIN.replace(",", "\t").replace(".", ","),
    "tabs": PLAIN.replace(",", "\t"),
    "bars": PLAIN.replace(",", " | "),
    "aligned": "  CATAID   r_flux  r_fluxerr\n    1  0.00045  1e-6\n    2  0.00012  2e-6\n",
    "windows": PLAIN.replace("\n", "\r\n"),
    "trailing_commas": PLAIN.replace("\n", ",\n"),
    "quoted": PLAIN.replace("r_flux,", '"r_flux",').replace("1,", '"1",', 1),
    "number_as_name": "# comment\n" + PLAIN.replace("err\n", "err,2\n").replace("e-6\n", "e-6,7\n"),
    "zipped": gzip.compress(PLAIN.encode(), mtime=0),
    "zipped_utf_16": gzip.compress(PLAIN.encode("utf-16"), mtime=0),
}


class TestCsv:
    @pytest.mark.parametrize("content", DIALECTS.values(), ids=list(DIALECTS))
    @pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
    @pytest.mark.parametrize("columns", [COLUMNS, None])
    def test_dialects(self, tmp_path, content, suffix, columns):
        # Browsers unzip what they load, and servers zip it, and neither changes the name.
        table = load(write(tmp_path / f"t{suffix}", content), columns)
        np.testing.assert_array_equal(extract(table, COLUMNS), EXPECTED)

    @pytest.mark.parametrize("n_lines", [2, 100_000])
    def test_latin_1(self, tmp_path, n_lines):
        text = "CATAID,r_flux,note\n" + "1,2,x\n" * n_lines + "1,2,caf\u00e9\n"
        table = load(write(tmp_path / "t.csv", text.encode("latin-1")), None)
        assert table["note"].iloc[-1] == "caf\u00e9"

    def test_latin_1_in_a_name(self, tmp_path):
        text = PLAIN.replace("err\n", "err,\u00e9\n").replace("e-6\n", "e-6,7\n")
        path = write(tmp_path / "t.csv", text.encode("latin-1"))
        assert open_catalogue(path).names[3] == "\u00e9"
        assert read_catalogue(path)["\u00e9"].tolist() == [7, 7]

    def test_text_is_left_alone(self, tmp_path):
        text = 'CATAID,r_flux,note\n1,2,NGC#5\n2,2,"a, b"\n3,2,"3,5"\n'
        table = load(write(tmp_path / "t.csv", text), None)
        assert table["note"].tolist() == ["NGC#5", "a, b", "3,5"]

    def test_empty_cells_are_missing(self, tmp_path):
        text = "CATAID,r_flux,r_fluxerr\n1,, \n2,1,NaN\n3,NULL ,2\n"
        out = extract(load(write(tmp_path / "t.csv", text)), COLUMNS)
        nan = np.nan
        np.testing.assert_array_equal(out, [[1, nan, nan], [2, 1, nan], [3, nan, 2]])

    @pytest.mark.parametrize("cell", ["--", "NULL?", "1.2D-04", "0..5", "n/a?"])
    def test_a_cell_that_is_no_number(self, tmp_path, cell):
        table = load(write(tmp_path / "t.csv", PLAIN.replace("0.00012", cell)))
        with pytest.raises(ValueError, match="'r_flux' holds text: ") as error:
            extract(table, COLUMNS)
        assert f"{cell!r} in row 1." in str(error.value)

    def test_a_decimal_comma_too_late_to_be_one(self, tmp_path):
        text = "CATAID;r_flux\n" + "1;0.5\n" * 300 + "1;0,5\n"
        with pytest.raises(ValueError, match="'r_flux' holds text: '0,5' in row 300"):
            extract(load(write(tmp_path / "t.csv", text)), ["r_flux"])

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "the file is empty"),
            ("\n", "no line with the names of columns"),
            ("# a\n# b\n", "no line with the names of columns"),
            ("1,2,3\n4,5,6\n", "no line with the names of columns"),
            ("# a comment\n1,2,3\n", "no line with the names of columns"),
            (PLAIN + "3,1\n", "line 4 has 2 cells, but there are 3 columns: '3,1'"),
            (PLAIN + "3,a,b,1,1\n", "line 4 has 5 cells, but there are 3 columns"),
            (PLAIN.replace("e-6", "e-6,7"), "line 2 has 4 cells, but there are 3 columns"),
            ("# x\n" + PLAIN + "# the end\n", "line 5 has 1 cells.*: '# the end'"),
            (PLAIN.replace("err", ""), "more than one column named 'r_flux'"),
            (gzip.compress(PLAIN.encode() * 99, mtime=0)[:60], "ended before the end-of-stream"),
        ],
    )
    def test_unreadable(self, tmp_path, content, reason):
        path = write(tmp_path / "t.csv", content)
        with pytest.raises(ValueError, match=rf"'.*t\.csv'.*: .*{reason}"):
            read_catalogue(path)

    def test_repeated_names_of_others(self, tmp_path):
        path = write(tmp_path / "t.csv", "CATAID,n,n,r_flux\n1,2,3,4\n")
        assert open_source(path).read(["CATAID", "r_flux"]).to_dict("list") == {
            "CATAID": [1],
            "r_flux": [4],
        }

    def test_none_of_the_columns(self, tmp_path):
        assert len(open_source(write(tmp_path / "t.csv", PLAIN)).read([]).columns) == 0


class TestEcsv:
    @pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".csv.gz"])
    def test_with_units(self, tmp_path, suffix):
        content = gzip.compress(ECSV.encode(), mtime=0) if suffix.endswith("gz") else ECSV
        out = load_flux(write(tmp_path / f"t{suffix}", content))
        np.testing.assert_allclose(out, np.array(EXPECTED) * [1, 1e-3, 1e-3], rtol=1e-15)


class TestParquet:
    def test_folder_of_parts(self, tmp_path):
        (tmp_path / "z").mkdir()
        float32 = pa.array([1.0], pa.float32())
        first = pa.table({"CATAID": [1], "r_flux": float32, "r_fluxerr": [1.0]})
        second = pa.table({"r_flux": pa.nulls(1), "CATAID": [2], "r_fluxerr": [1.0]})
        pq.write_table(first, tmp_path / "part.0.parquet")
        pq.write_table(second, tmp_path / "z" / "part.1.parquet")
        write(tmp_path / "_metadata", "x")
        write(tmp_path / "README.md", "x")
        out = extract(load(tmp_path), COLUMNS)
        np.testing.assert_array_equal(out, [[1, 1, 1], [2, np.nan, 1]])
        assert extract(load(str(tmp_path), ["r_flux", "CATAID"]), ["CATAID"]).shape == (2, 1)

    def test_parts_with_other_columns(self, tmp_path):
        pq.write_table(pa.table({"CATAID": [1], "r_flux": [1.0]}), tmp_path / "a.parquet")
        pq.write_table(pa.table({"CATAID": [2]}), tmp_path / "b.parquet")
        with pytest.raises(ValueError, match=r"'b.parquet' lacks the columns \['r_flux'\]"):
            load(tmp_path)
        assert len(load(tmp_path, ["CATAID"])) == 2

    def test_units_that_astropy_wrote(self, tmp_path):
        units = {"r_flux": "mJy", "r_fluxerr": "uJy"}
        table = Table({"CATAID": [1], "r_flux": [2.0], "r_fluxerr": [3.0]}, units=units)
        table.write(tmp_path / "t.parquet")
        np.testing.assert_allclose(
            load_flux(tmp_path / "t.parquet"), [[1, 0.002, 3e-6]], rtol=1e-15
        )

    def test_names_of_folders_are_no_columns(self, tmp_path):
        folder = tmp_path / "field=G09"
        folder.mkdir()
        pq.write_table(pa.table({"CATAID": [1], "r_flux": [1.0]}), folder / "a.parquet")
        assert list(load(folder / "a.parquet", None)) == ["CATAID", "r_flux"]


class TestPaths:
    def test_home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        write(tmp_path / "t.csv", PLAIN)
        assert isinstance(load("~/t.csv"), pd.DataFrame)

    def test_folder_without_parts(self, tmp_path):
        with pytest.raises(ValueError, match=r"folder '.*' has no file whose name ends in \.parq"):
            open_catalogue(tmp_path)

    @pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".parquet"])
    def test_an_error_page_saved_as_a_table(self, tmp_path, suffix):
        path = write(tmp_path / f"t{suffix}", "<html>Not found</html>")
        with pytest.raises(ValueError, match=rf"Cannot read '.*t\{suffix}': .*is a web page"):
            open_catalogue(path)
