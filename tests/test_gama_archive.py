from __future__ import annotations

import hashlib
import sys
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from local_server import Handler, break_off, hang, refuse, serve

from sfml import BandSet, fetch_gama, load_gama, query_gama

BANDS = BandSet(["g", "r"], [0.47, 0.6176])
LAMBDAR = pd.DataFrame(
    {
        "CATAID": [300, 100, 500, 200],
        "RA": [130.0, 131.0, 132.0, 133.0],
        "g_flux": [3e-5, -999.0, 5e-5, -2e-6],
        "g_fluxerr": [3e-6, -999.0, 5e-6, 2e-6],
        "r_flux": [6e-5, 7e-5, 8e-5, 9e-5],
        "r_fluxerr": [6e-6, 7e-6, 8e-6, 9e-6],
    }
)
MAGPHYS = pd.DataFrame(
    {
        "CATAID": [100, 200, 300],
        "Z": [0.1, 0.2, 0.3],
        "mass_stellar_best_fit": [1e9, 2e10, 3e11],
        **{
            f"{name}_percentile{level}": [start + offset + i / 10 for i in range(3)]
            for name, start in (("mass_stellar", 9.0), ("SFR_0_1Gyr", -1.0), ("L_dust", 8.0))
            for level, offset in ((16, -0.1), (50, 0.0), (84, 0.2))
        },
    }
)
LAMBDAR_PATH = "/cat/LambdarPhotometry/v01/LambdarCatv01.fits"
MAGPHYS_PATH = "/cat/MagPhys/v06/MagPhysv06.fits"


@pytest.fixture(scope="module")
def fits_files(tmp_path_factory) -> dict[str, bytes]:
    """Both tables as the FITS files that the site has, by their paths on it."""
    folder = tmp_path_factory.mktemp("fits")
    files = {}
    for path, frame in ((LAMBDAR_PATH, LAMBDAR), (MAGPHYS_PATH, MAGPHYS)):
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((64, 64)))]
        hdus.append(fits.table_to_hdu(Table.from_pandas(frame)))
        fits.HDUList(hdus).writeto(folder / "table.fits", overwrite=True)
        files[path] = (folder / "table.fits").read_bytes()
    return files


@pytest.fixture
def server(fits_files, tmp_path, monkeypatch):
    """GAMA's site, with the folder of downloaded data in tmp_path."""
    monkeypatch.setenv("SFML_DATA_DIR", str(tmp_path))
    with serve() as server:
        server.files |= fits_files
        yield server


def fetch(server, **parameters):
    return fetch_gama(bands=BANDS, site=f"{server.address}/cat/", **parameters)


def check_same(result, expected) -> None:
    for found, wanted in zip(result, expected, strict=True):
        pd.testing.assert_frame_equal(found, wanted, check_exact=True)
        assert found.attrs == wanted.attrs


class TestFetch:
    def test_is_what_load_gama_reads(self, server, tmp_path):
        expected = load_gama(LAMBDAR, MAGPHYS, bands=BANDS)
        check_same(fetch(server), expected)
        assert [request.path for request in server.asked] == [LAMBDAR_PATH, MAGPHYS_PATH]
        files = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
        assert files == {
            *("LambdarCatv01.fits", "LambdarCatv01.fits.sha256"),
            *("MagPhysv06.fits", "MagPhysv06.fits.sha256"),
        }
        check_same(fetch(server), expected)
        assert len(server.asked) == 2

    def test_offline_with_the_files(self, fits_files, tmp_path):
        for path, data in fits_files.items():
            (tmp_path / path.rsplit("/", 1)[1]).write_bytes(data)
        with serve() as server:
            pass
        X, _ = fetch(server, data_home=tmp_path)
        assert list(X.index) == [300, 100, 200]

    def test_other_results(self, server):
        check_same(
            fetch(server, percentiles=True),
            load_gama(LAMBDAR, MAGPHYS, bands=BANDS, percentiles=True),
        )
        joined = fetch(server, return_X_y=False)
        assert {"RA", "mass_stellar_best_fit"} <= set(joined)
        assert joined.attrs["gama_join"]["n_joined"] == 3

    def test_a_broken_download(self, server):
        server.faults = [break_off(16_384)]
        X, _ = fetch(server)
        assert len(X) == 3
        assert [request.headers.get("Range") for request in server.asked] == [
            *(None, "bytes=16384-", None)
        ]

    def test_hashes(self, server, fits_files, tmp_path):
        right = hashlib.sha256(fits_files[MAGPHYS_PATH]).hexdigest()
        fetch(server, known_hash={"MagPhysv06": right})
        with pytest.raises(ValueError, match=r"LambdarCatv01\.fits' is not the file with known_h"):
            fetch(server, known_hash={"LambdarCatv01": right})

    @pytest.mark.parametrize("known_hash", [{"MagPhys": "0" * 64}, "0" * 64, ["MagPhysv06"]])
    def test_what_is_no_mapping_of_the_files(self, server, known_hash):
        with pytest.raises(ValueError, match=r"mapping of 'LambdarCatv01' or 'MagPhysv06' to a ha"):
            fetch(server, known_hash=known_hash)
        assert not server.asked

    def test_a_wrong_hash(self, server, tmp_path):
        with pytest.raises(
            ValueError, match=r"MagPhysv06\.fits' is not the file with this known_h"
        ):
            fetch(server, known_hash={"MagPhysv06": "0" * 64})
        assert not (tmp_path / "MagPhysv06.fits").exists()
        assert len(fetch(server)[0]) == 3

    def test_refused(self, server, tmp_path):
        server.faults = [refuse(403)]
        with pytest.raises(ConnectionError) as caught:
            fetch(server)
        message = str(caught.value)
        assert "answers 403 (Forbidden)" in message
        assert f"{server.address}{LAMBDAR_PATH}" in message
        assert f"save the file as '{tmp_path / 'LambdarCatv01.fits'}'" in message

    def test_a_time_out(self, server):
        server.faults = [hang()]
        with pytest.raises(ConnectionError, match=r"within the timeout of 0\.2 seconds"):
            fetch(server, timeout=0.2)

    def test_a_page_in_place_of_the_file(self, server, tmp_path):
        """As a portal of a hotel answers."""
        page = b"<html>Please log in</html>"
        data, server.files[LAMBDAR_PATH] = server.files[LAMBDAR_PATH], page
        with pytest.raises(
            ConnectionError, match=r"is another file, and was not kept: it begins wi"
        ):
            fetch(server)
        assert [path.name for path in tmp_path.iterdir()] == [".LambdarCatv01.fits.lock"]
        server.files[LAMBDAR_PATH] = data
        assert len(fetch(server)[0]) == 3

    def test_the_site_is_gamas(self):
        import inspect

        defaults = inspect.signature(fetch_gama).parameters
        assert defaults["site"].default == "https://www.gama-survey.org/dr4/data/cat/"


# The columns of the answers, of which one service changes the capitals.
COLUMNS = ["CATAID", "g_flux", "r_flux", "g_fluxerr", "r_fluxerr", "Z"]
COLUMNS += [f"{name}_percentile50" for name in ("mass_stellar", "SFR_0_1Gyr", "L_dust")]
ROWS = [
    [300, 3e-5, 6e-5, 3e-6, 6e-6, 0.3, 9.2, -0.8, 8.2],
    [100, None, 7e-5, None, 7e-6, 0.1, 9.0, -1.0, 8.0],
]


def votable(rows=ROWS, columns=COLUMNS, status="OK", text="", after="", units=None) -> bytes:
    """Answer of a TAP service; `after` is the status that follows the table."""
    fields = "".join(
        f'<FIELD name="{name}" datatype="{"long" if i == 0 else "double"}"'
        f'{f""" unit="{units[name]}" """ if name in (units or {}) else ""}/>'
        for i, name in enumerate(columns)
    )
    cells = [["" if value is None else repr(value) for value in row] for row in rows]
    lines = "".join(f"<TR><TD>{'</TD><TD>'.join(row)}</TD></TR>" for row in cells)
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{lines}</TABLEDATA></DATA></TABLE>"
    last = f'<INFO name="QUERY_STATUS" value="{after}"/>' if after else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="{status}">{text}</INFO>'
        f"{table if status != 'ERROR' else ''}{last}</RESOURCE></VOTABLE>"
    ).encode()


@pytest.fixture
def tap():
    with serve() as server:
        server.files["/tap/sync"] = votable()
        yield server


def ask(server, *args, **parameters):
    return query_gama(*args, bands=BANDS, service=f"{server.address}/tap", **parameters)


def sent(server) -> dict[str, str]:
    """Parameters of the last request."""
    return {key: values[0] for key, values in parse_qs(server.asked[-1].body.decode()).items()}


class TestQuery:
    def test_as_load_gama_returns_it(self, tap):
        X, y = ask(tap)
        assert list(X.columns) == list(BANDS.columns)
        np.testing.assert_array_equal(X.index, [300, 100])
        np.testing.assert_array_equal(X["g_flux"], [3e-5, np.nan])
        np.testing.assert_array_equal(X["Z"], [0.3, 0.1])
        np.testing.assert_array_equal(y["sfr"], [-0.8, -1.0])
        assert list(y.columns) == ["stellar_mass", "sfr", "dust_luminosity"]
        assert X.attrs["gama_join"]["n_joined"] == 2

    def test_the_query(self, tap):
        ask(tap)
        assert sent(tap)["QUERY"] == (
            "SELECT l.CATAID, l.g_flux, l.r_flux, l.g_fluxerr, l.r_fluxerr, m.Z, "
            "m.mass_stellar_percentile50, m.SFR_0_1Gyr_percentile50, m.L_dust_percentile50 "
            "FROM gama_dr4.LambdarCatv01 AS l JOIN gama_dr4.MagPhysv06 AS m ON l.CATAID = m.CATAID"
        )
        assert "MAXREC" not in sent(tap)
        assert tap.asked[-1].headers["User-Agent"].startswith("Mozilla/5.0 ")
        ask(tap, "m.Z < 0.5", maxrec=10)
        assert sent(tap)["QUERY"].endswith(" ON l.CATAID = m.CATAID WHERE m.Z < 0.5")
        assert sent(tap)["MAXREC"] == "10"

    def test_percentiles_are_asked_for(self, tap):
        with pytest.raises(ValueError, match="mass_stellar_percentile16"):
            ask(tap, percentiles=True)
        assert "m.L_dust_percentile84" in sent(tap)["QUERY"]

    def test_names_that_are_not_plain_are_quoted(self, tap):
        bands = BandSet(["r"], [0.6176], flux="flux-{band}", error="{band}.err")
        with pytest.raises(ValueError, match="flux-r"):
            query_gama(bands=bands, service=f"{tap.address}/tap")
        assert 'l."flux-r", l."r.err", m.Z' in sent(tap)["QUERY"]

    def test_capitals_that_a_service_changes(self, tap):
        expected = ask(tap)
        tap.files["/tap/sync"] = votable(columns=[name.lower() for name in COLUMNS])
        check_same(ask(tap), expected)

    def test_units_that_a_service_states(self, tap):
        tap.files["/tap/sync"] = votable(units={"r_flux": "mJy", "mass_stellar": "dex(solMass)"})
        X, _ = ask(tap)
        np.testing.assert_allclose(X["r_flux"], [6e-8, 7e-8], rtol=1e-12)
        np.testing.assert_array_equal(X["r_fluxerr"], [6e-6, 7e-6])


class TestOverflow:
    @pytest.mark.parametrize("answer", [{"status": "OVERFLOW"}, {"after": "OVERFLOW"}])
    def test_raises(self, tap, answer):
        tap.files["/tap/sync"] = votable(**answer)
        with pytest.raises(
            ValueError, match=r"returns 2 galaxies and leaves others out.*maxrec=2 "
        ):
            ask(tap)

    def test_unless_asked_for(self, tap):
        tap.files["/tap/sync"] = votable(after="OVERFLOW")
        X, _ = ask(tap, maxrec=2)
        assert len(X) == 2

    def test_raises_if_the_service_returns_fewer_than_asked_for(self, tap):
        tap.files["/tap/sync"] = votable(after="OVERFLOW")
        with pytest.raises(ValueError, match="leaves others out"):
            ask(tap, maxrec=3)

    def test_not_if_there_are_no_more(self, tap):
        assert len(ask(tap, maxrec=3)[0]) == 2

    @pytest.mark.parametrize("maxrec", [0, -1])
    def test_maxrec_is_a_number_of_galaxies(self, tap, maxrec):
        with pytest.raises(ValueError, match=f"at least 1, or None; got {maxrec}"):
            ask(tap, maxrec=maxrec)
        assert not tap.asked


class TestServicesThatFail:
    def test_a_query_that_is_refused(self, tap):
        tap.files["/tap/sync"] = votable(status="ERROR", text="no column m.redshift")
        with pytest.raises(ValueError, match=r"refuses the query 'SELECT.*no column m\.redshift"):
            ask(tap, "m.redshift < 1")

    def test_a_query_that_is_refused_with_400(self, tap):
        def bad_request(handler: Handler) -> None:
            body = votable(status="ERROR", text="no column m.redshift")
            handler.head(400, len(body))
            handler.wfile.write(body)

        tap.faults = [bad_request]
        with pytest.raises(ValueError, match=r"refuses the query .*no column m\.redshift"):
            ask(tap, "m.redshift < 1")

    def test_no_galaxy(self, tap):
        tap.files["/tap/sync"] = votable(rows=[])
        with pytest.raises(ValueError, match=r"finds no galaxy: the query is .*WHERE m\.Z > 9"):
            ask(tap, "m.Z > 9")

    @pytest.mark.parametrize("fault", [refuse(404), refuse(503), hang()])
    def test_no_answer(self, tap, fault):
        tap.faults = [fault]
        with pytest.raises(ConnectionError, match=r"does not answer as a TAP service should"):
            ask(tap, timeout=0.3)

    def test_another_page(self, tap):
        tap.files["/tap/sync"] = b"<html>Please log in</html>"
        with pytest.raises(ConnectionError, match=r"does not answer as a TAP service should"):
            ask(tap)

    def test_no_network(self):
        with serve() as server:
            pass
        with pytest.raises(ConnectionError, match=r"does not answer.*use fetch_gama"):
            ask(server)

    def test_without_pyvo(self, tap, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyvo", None)
        with pytest.raises(
            ImportError, match=r"pyvo is needed for this: pip install 'sfml\[data\]"
        ):
            ask(tap)
