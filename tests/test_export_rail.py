"""RAIL's stages around a pipeline."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import sfml
from sfml.export import from_qp

pytest.importorskip("rail.estimation", reason='RAIL is an extra: pip install "sfml[rail]"')
FOREST = {"method": "random_forest", "random_state": 0}


N = 300  # galaxies


@pytest.fixture(scope="module")
def stages():
    from sfml.export import rail

    return rail


@pytest.fixture(scope="module")
def data(_survey) -> dict[str, np.ndarray]:
    """A catalogue with labels and percentiles, as RAIL has it: a dict of arrays."""
    X, y = (part[:N].copy() for part in _survey)
    rejected = X.index[:3]
    X.loc[rejected, "Z"] = -1.0
    table = {name: column.to_numpy() for name, column in {**X, **y}.items()}
    return table | {"object_id": X.index.to_numpy()}


def inform(stages, data, **options):
    stage = stages.SfmlInformer.make_stage(
        **{"name": "inform", "hdf5_groupname": "", "output_mode": "return", "options": FOREST}
        | options
    )
    return stage.inform(data)


def estimate(stages, model, data, **options):
    stage = stages.SfmlEstimator.make_stage(
        **{"name": "estimate", "model": model, "hdf5_groupname": "", "output_mode": "return"}
        | options
    )
    return stage.estimate(data).data


@pytest.fixture(scope="module")
def model(stages, data):
    return inform(stages, data)


def test_rows_stay_and_quantiles_are_the_pipelines(stages, model, data):
    pipe = model.data
    for target in sfml.TARGETS:
        ensemble = estimate(stages, model, data, target=target)
        assert ensemble.npdf == N
        expected = pipe.predict_quantiles(data, [0.16, 0.5, 0.84])
        expected = expected[:, sfml.TARGETS.index(target)]
        known = ~np.isnan(expected[:, 0])
        assert not known[:3].any()
        assert known.sum() > 150
        got = from_qp(ensemble, [0.16, 0.5, 0.84])
        np.testing.assert_allclose(got[known], expected[known], atol=1e-6)
        assert np.isfinite(got).all()
        np.testing.assert_array_equal(ensemble.ancil["predicted"], known)
        np.testing.assert_array_equal(ensemble.ancil[target], expected[:, 1])
        np.testing.assert_array_equal(ensemble.ancil["flag"], pipe.predict_table(data)["flag"])
        np.testing.assert_array_equal(ensemble.ancil["id"], data["object_id"])
    assert pipe["regress"].posterior_ is not None  # learnt from the percentiles


@pytest.mark.parametrize("chunk_size", [10_000, 64])
def test_files_in_chunks(stages, model, data, tmp_path, monkeypatch, chunk_size):
    import tables_io

    monkeypatch.chdir(tmp_path)
    tables_io.write({"photometry": data}, str(tmp_path / "catalogue.hdf5"))
    from rail.core.data import TableHandle

    handle = TableHandle("input", path=str(tmp_path / "catalogue.hdf5"))
    got = estimate(
        stages,
        model,
        handle,
        hdf5_groupname="photometry",
        output_mode="default",
        chunk_size=chunk_size,
        target="sfr",
        output=str(tmp_path / "out.hdf5"),
    )
    expected = estimate(stages, model, data, target="sfr")
    assert got.npdf == N
    np.testing.assert_array_equal(from_qp(got, [0.16, 0.84]), from_qp(expected, [0.16, 0.84]))
    for name in ("flag", "predicted", "row"):
        if name != "row" or chunk_size > N:
            np.testing.assert_array_equal(got.ancil[name], expected.ancil[name])


def test_other_labels_bands_and_groups(stages, data):
    bands = sfml.GAMA.only("u", "g", "r", "i", "z", "J", "K")
    table = {
        **{f"f_{b}": data[f"{b}_flux"] for b in bands.names},
        **{f"e_{b}": data[f"{b}_fluxerr"] for b in bands.names},
        **{"z_spec": data["Z"], "mass": data["stellar_mass"]},
    }
    model = inform(
        stages,
        {"photometry": table},
        hdf5_groupname="photometry",
        labels={"stellar_mass": "mass"},
        bands={
            "names": list(bands.names),
            "wavelengths": list(bands.wavelengths),
            "flux": "f_{band}",
            "error": "e_{band}",
            "redshift": "z_spec",
        },
    )
    assert model.data["regress"].targets_ == ("stellar_mass",)
    assert estimate(stages, model, table).npdf == N


def test_errors(stages, model, data):
    with pytest.raises(ValueError, match="target='age' is none of the model's targets"):
        estimate(stages, model, data, target="age")


def test_without_rail_the_error_says_how_to_install_it():
    code = (
        "import sys; sys.modules['rail'] = None\n"
        "try:\n    import sfml.export.rail\n"
        "except ImportError as error:\n    assert 'sfml[rail]' in str(error)\n"
        "else:\n    raise SystemExit('no error')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
