"""Pipelines as ONNX models: the same numbers from onnxruntime and from ONNX's own reference."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import MinMaxScaler
from sklearn.preprocessing import StandardScaler as PlainScaler

import sfml
from sfml.export import to_onnx
from sfml.flags import Flag
from sfml.persistence import content_hash

onnx = pytest.importorskip("onnx", reason='onnx is an extra: pip install "sfml[share]"')
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime comes with sfml[test]")

LEVELS = (0.05, 0.16, 0.5, 0.77, 0.95)
QUICK = {"hidden_layer_sizes": (8, 6), "epochs": 3, "batch_size": 64, "learning_rate": 0.1}
TOLERANCE = 1e-5  # dex


def make_quick(recipe="sfml", *, network=None, **parameters):
    """An unfitted pipeline of small networks."""
    pipe = sfml.make_star_formation_pipeline(recipe, random_state=0, **parameters)
    for _, each in pipe["regress"].estimators:
        each.set_params(**QUICK, **(network or {}))
        if recipe == "sfml":
            each.set_params(n_networks=2)
    return pipe


@pytest.fixture(scope="module")
def others() -> pd.DataFrame:
    """Galaxies that no pipeline here has seen, with all that is odd about catalogues."""
    X = sfml.make_mock_survey(400, n_templates=2000, random_state=7)
    fluxes = [name for name in X.columns if name.endswith("_flux")]
    errors = [name for name in X.columns if name.endswith("_fluxerr")]
    rng = np.random.default_rng(0)
    gaps = rng.random((150, len(fluxes))) < rng.random((150, 1))
    X.loc[X.index[:150], fluxes] = X.loc[X.index[:150], fluxes].mask(gaps)
    X.loc[X.index[20:40], errors[3]] = -999.0
    X.loc[X.index[40:60], fluxes[5]] = np.float64(np.float32(-99.0))
    X.loc[X.index[60:70], fluxes] *= 30.0
    X.loc[X.index[70:80], fluxes + errors] *= 1000.0
    X.loc[X.index[80:90], errors] *= 20.0
    X.loc[X.index[90:95], "Z"] = [0.0, -1.0, np.nan, 3.0, 1e-4]
    X.loc[X.index[95], fluxes] = np.nan
    X.loc[X.index[96:100], fluxes] *= -1.0
    X.loc[X.index[100:105], errors[0]] = 1e31
    X.loc[X.index[105:110], errors[1]] = 0.0
    X.loc[X.index[110:120], fluxes[2]] *= 100.0
    return X


def run(path, X: np.ndarray, *, reference: bool = False) -> dict[str, np.ndarray]:
    """The model's answers by onnxruntime, or by ONNX's own implementation in Python."""
    if reference:
        from onnx.reference import ReferenceEvaluator

        with np.errstate(all="ignore"):
            answers = ReferenceEvaluator(str(path)).run(None, {"catalogue": X})
    else:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        answers = session.run(None, {"catalogue": X})
    return dict(zip(("medians", "quantiles", "flags"), answers, strict=True))


def assert_equal(pipe, path, X: pd.DataFrame, *, reference=False, tolerance=TOLERANCE) -> None:
    """The model says of a catalogue what the pipeline says.

    Quantiles of networks that hardly learnt lie many dex apart: their tolerance grows with that.
    """
    columns = list(pipe["select"].feature_names_in_)
    found = run(path, X[columns].to_numpy(np.float64), reference=reference)
    medians = pipe.predict_quietly(X).reshape(len(X), -1)
    quantiles = pipe.predict_quantiles(X, LEVELS).reshape(*medians.shape, len(LEVELS))
    np.testing.assert_allclose(found["medians"], medians, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(np.isnan(found["quantiles"]), np.isnan(quantiles))
    width = np.nan_to_num(quantiles[..., -1:] - quantiles[..., :1])
    difference = np.nan_to_num(found["quantiles"] - quantiles)
    np.testing.assert_array_less(np.abs(difference / np.maximum(width, 1)), tolerance)
    np.testing.assert_array_equal(found["flags"], pipe.predict_table(X)["flag"])


@pytest.mark.parametrize("reference", [False, True], ids=["onnxruntime", "reference"])
@pytest.mark.parametrize("name", ["gappy_pipe", "complete_pipe"])
def test_recipe_sfml(name, reference, others, request, tmp_path):
    pipe = request.getfixturevalue(name)
    path = to_onnx(pipe, tmp_path / "model.onnx", levels=LEVELS)
    assert_equal(pipe, path, others[:160] if reference else others, reference=reference)


def test_shifted_predictions(gappy_pipe, survey, others, tmp_path):
    pipe = copy.deepcopy(gappy_pipe)
    X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=9, return_X_y=True)
    pipe.calibrate(X, y + 0.4, shift=True)
    assert pipe["regress"].shifts_["sfr"] > 0.2
    assert_equal(pipe, to_onnx(pipe, tmp_path / "model.onnx", levels=LEVELS), others)


def test_odd_galaxies_are_among_those_compared(gappy_pipe, others):
    """Or else the test above would say little."""
    flags = gappy_pipe.predict_table(others)["flag"].to_numpy()
    raised = {flag for flag in Flag.__members__.values() if (flags & flag).any()}
    assert raised >= {
        *(Flag.REDSHIFT, Flag.FEW_BANDS, Flag.LOW_SNR, Flag.COLOURS, Flag.WIDE_INTERVAL),
        *(Flag.NOT_PREDICTED, Flag.UNIT),
    }
    assert (flags == 0).sum() > 50


@pytest.mark.parametrize(
    "parameters",
    [
        {"recipe": "surana2020"},
        pytest.param({"recipe": "surana2020", "joint": True}, marks=pytest.mark.slow),
        {"targets": ("sfr",)},
        {"targets": ("sfr", "stellar_mass"), "upper_limits": 3.0, "noise_factor": 1},
        {"redshift": "none", "targets": ("stellar_mass", "redshift")},
        {"bands": sfml.GAMA.only("u", "g", "r", "i", "z"), "z_range": None},
    ],
    ids=["surana2020", "joint", "one target", "limits", "no redshift", "few bands"],
)
@pytest.mark.slow
def test_other_pipelines(parameters, survey, others, tmp_path):
    X, y = survey
    if "redshift" in parameters.get("targets", ()):
        y = y.assign(redshift=X["Z"].to_numpy())
    if parameters.get("targets") == ("sfr",):
        y = y["sfr"]
    elif "targets" in parameters:
        y = y[list(parameters["targets"])]
    pipe = make_quick(**parameters).fit(X, y)
    path = to_onnx(pipe, tmp_path / "model.onnx", levels=LEVELS)
    if parameters.get("upper_limits"):
        errors = [name for name in others.columns if name.endswith("_fluxerr")]
        others = others.copy()
        others.loc[others.index[200:260], errors[4]] *= -1
    assert_equal(pipe, path, others)


def test_photometric_redshifts(survey, others, tmp_path):
    X, y = survey
    bands = replace(sfml.GAMA, redshift_error="Z_err")
    rng = np.random.default_rng(0)
    X = X.assign(Z_err=0.03 * rng.random(len(X)))
    others = others.assign(Z_err=0.03 * rng.random(len(others)))
    others.loc[others.index[120:125], "Z_err"] = [np.nan, 0.0, -1.0, 1e3, 1e-9]
    pipe = make_quick(bands=bands, redshift="photometric").fit(X, y)
    assert_equal(pipe, to_onnx(pipe, tmp_path / "model.onnx", levels=LEVELS), others)


@pytest.mark.parametrize("grid", [(0.02, 0.5), None])
@pytest.mark.slow
def test_redshift_grids(grid, survey, others, tmp_path):
    pipe = make_quick()
    pipe.set_params(features__redshift_grid=grid).fit(*survey)
    assert_equal(pipe, to_onnx(pipe, tmp_path / "model.onnx", levels=LEVELS), others)
    if grid:
        pipe["features"].follows_grid_ = True
        assert_equal(pipe, to_onnx(pipe, tmp_path / "follow.onnx", levels=LEVELS), others)


@pytest.mark.parametrize(
    "activation", ["elu", "gelu", "leaky_relu", "linear", "relu", "sigmoid", "softplus", "tanh"]
)
def test_activations(activation, complete_pipe, others, tmp_path):
    """Weights need not fit: the activation of a trained network is exchanged."""
    import copy

    pipe = copy.deepcopy(complete_pipe)
    for network in pipe["regress"].emulators_.estimators:
        network.network_ = network.network_._replace(activation=activation)
    assert_equal(pipe, to_onnx(pipe, tmp_path / "model.onnx", levels=LEVELS), others[200:300])


@pytest.mark.slow
def test_scikit_learns_scaler_and_none(survey, others, tmp_path):
    # Single precision costs NumPy's networks more digits of inputs that are not standardised.
    for k, (scaler, tolerance) in enumerate(
        [(PlainScaler(), TOLERANCE), (PlainScaler(with_mean=False), 1e-4), ("passthrough", 1e-4)]
    ):
        pipe = make_quick(missing="reject").set_params(scale=scaler).fit(*survey)
        path = to_onnx(pipe, tmp_path / f"{k}.onnx", levels=LEVELS)
        assert_equal(pipe, path, others[150:], tolerance=tolerance)


def test_no_galaxies_and_one(gappy_pipe, others, tmp_path):
    path = to_onnx(gappy_pipe, tmp_path / "model.onnx", levels=LEVELS)
    assert_equal(gappy_pipe, path, others[:1])
    found = run(path, np.empty((0, 43)))
    assert found["medians"].shape == (0, 3)
    assert found["quantiles"].shape == (0, 3, len(LEVELS))
    assert found["flags"].shape == (0,)


def test_what_the_model_says_of_itself(gappy_pipe, tmp_path):
    model = onnx.load(to_onnx(gappy_pipe, tmp_path / "model.onnx"))
    facts = {prop.key: prop.value for prop in model.metadata_props}
    assert facts["content_hash"] == content_hash(gappy_pipe)
    assert json.loads(facts["columns"]) == list(gappy_pipe["select"].feature_names_in_)
    assert json.loads(facts["targets"]) == list(sfml.TARGETS)
    assert json.loads(facts["levels"]) == [0.16, 0.5, 0.84]
    assert json.loads(facts["unit"]) == "Jy"
    assert json.loads(facts["flags"])["colours"] == int(Flag.COLOURS)
    assert model.producer_name == "sfml"
    with pytest.raises(FileExistsError):
        to_onnx(gappy_pipe, tmp_path / "model.onnx")


def test_what_cannot_be_exported(survey, complete_pipe, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(TypeError, match="exports a StarFormationPipeline; got Ridge"):
        to_onnx(Ridge(), path)
    forest = sfml.make_star_formation_pipeline(method="random_forest", missing="reject")
    forest.set_params(**{f"regress__{target}__n_estimators": 2 for target in sfml.TARGETS})
    with pytest.raises(TypeError, match="got RandomForestRegressor"):
        to_onnx(forest.fit(*survey), path)
    with pytest.raises(TypeError, match="'scale' \\(MinMaxScaler\\)"):
        to_onnx(forest.set_params(scale=MinMaxScaler()).fit(*survey), path)
    with pytest.raises(ValueError, match="cannot tell the quantiles"):
        to_onnx(complete_pipe, path, levels=[0.0001])
    with pytest.raises(ValueError, match="levels between 0 and 1"):
        to_onnx(complete_pipe, path, levels=[16, 84])
    uncalibrated = make_quick(calibration_fraction=None, missing="reject").fit(*survey)
    with pytest.raises(ValueError, match="not calibrated"):
        to_onnx(uncalibrated, path)
    assert not path.exists()


def test_without_onnx_the_error_says_how_to_install_it(complete_pipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"sfml\[share\]"):
        to_onnx(complete_pipe, tmp_path / "model.onnx")
