"""Models in files: the same bits come back, and nothing else comes in."""

from __future__ import annotations

import copy
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

import sfml
from sfml.persistence import content_hash, read_card, write_readme
from sfml.persistence.container import read_arrays, read_header, to_json
from sfml.persistence.decoder import decode
from sfml.persistence.encoder import Encoded, digest_of, encode
from sfml.persistence.kinds import location_of
from sfml.persistence.known import ESTIMATOR, KNOWN, name_of

QUICK = {"hidden_layer_sizes": (8,), "epochs": 3, "batch_size": 64, "learning_rate": 0.1}
GOLDEN = Path(__file__).parent / "golden"


def make_forest(**parameters):
    """An unfitted pipeline of small forests."""
    pipe = sfml.make_star_formation_pipeline(
        method="random_forest", missing="reject", **{"random_state": 0, **parameters}
    )
    for _, forest in pipe["regress"].estimators:
        forest.set_params(n_estimators=3, max_depth=5)
    return pipe


def make_svr(**parameters):
    return sfml.make_star_formation_pipeline(
        "surana2020", method="svr", max_train_samples=80, random_state=0, **parameters
    )


@pytest.fixture(scope="session")
def forest_pipe(_survey):
    """Forests fitted to `survey`. Not to be changed."""
    return make_forest().fit(*_survey)


@pytest.fixture(scope="session")
def svr_pipe(_survey):
    """SVRs fitted to `survey`. Not to be changed."""
    return make_svr().fit(*_survey)


@pytest.fixture(scope="session")
def paper_pipe(_survey):
    """The paper's recipe with quick networks, fitted to `survey`. Not to be changed."""
    pipe = sfml.make_star_formation_pipeline("surana2020", random_state=0)
    for _, network in pipe["regress"].estimators:
        network.set_params(**QUICK)
    return pipe.fit(*_survey)


@pytest.fixture(params=["gappy_pipe", "complete_pipe", "paper_pipe", "forest_pipe", "svr_pipe"])
def fitted(request):
    """A fitted pipeline of each family. Not to be changed."""
    return request.getfixturevalue(request.param)


def answers(pipe, X) -> dict[str, np.ndarray]:
    """All that a pipeline says of a catalogue."""
    expected = pipe.expected_scores(X)
    table = pipe.predict_table(X)
    return {
        "predict": pipe.predict_quietly(X),
        "quantiles": pipe.predict_quantiles(X, [0.05, 0.5, 0.9]),
        "interval": pipe.predict_interval(X, 0.5),
        "posterior": pipe.predict_quantiles(X, [0.16, 0.84], uncertainty="total"),
        "table": table.drop(columns="reasons").to_numpy(),
        "reasons": table["reasons"].to_numpy(dtype=str),
        "expected": expected.scores.to_numpy(),
        "shares": expected.reasons.to_numpy(),
    }


def assert_same_answers(one, other, X):
    ours, theirs = answers(one, X), answers(other, X)
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


@pytest.fixture
def odd(survey):
    """Galaxies as catalogues have them: codes, gaps, none at all, and one far too bright."""
    X = survey[0].iloc[:200].copy()
    fluxes = [name for name in X.columns if name.endswith("_flux")]
    X.iloc[3, X.columns.get_loc(fluxes[2])] = -999.0
    X.loc[X.index[4], fluxes] = np.nan
    X.loc[X.index[5], fluxes] *= 1e4
    X.iloc[6, X.columns.get_loc("Z")] = -1.0
    X.iloc[7:20, [X.columns.get_loc(name) for name in fluxes[:3]]] = np.nan
    return X


class TestRoundTrip:
    def test_predictions_are_the_same_bits(self, fitted, odd, tmp_path):
        path = sfml.save(fitted, tmp_path / "model.safetensors")
        assert_same_answers(fitted, sfml.load(path), odd)

    def test_content_is_the_same(self, fitted, tmp_path):
        path = sfml.save(fitted, tmp_path / "model.safetensors")
        assert (
            content_hash(sfml.load(path)) == content_hash(fitted) == read_card(path)["content_hash"]
        )

    def test_a_fresh_process_needs_no_tensorflow(self, gappy_pipe, odd, tmp_path):
        sfml.save(gappy_pipe, tmp_path / "model.safetensors")
        odd.to_parquet(tmp_path / "X.parquet")
        program = (
            "import sys\n"
            "for name in ('tensorflow', 'keras', 'scikeras'): sys.modules[name] = None\n"
            "import numpy as np, pandas as pd, sfml\n"
            "from sfml.persistence import content_hash\n"
            "pipe = sfml.load('model.safetensors')\n"
            "X = pd.read_parquet('X.parquet')\n"
            "np.save('quantiles.npy', pipe.predict_quantiles(X, [0.05, 0.5, 0.9]))\n"
            "print(content_hash(pipe))\n"
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == content_hash(gappy_pipe)
        expected = gappy_pipe.predict_quantiles(odd, [0.05, 0.5, 0.9])
        np.testing.assert_array_equal(np.load(tmp_path / "quantiles.npy"), expected)

    def test_shifts_are_kept_and_stand_in_the_card(self, forest_pipe, odd, tmp_path):
        pipe = copy.deepcopy(forest_pipe)
        X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=9, return_X_y=True)
        pipe.calibrate(X, y + 0.4, shift=True)
        path = sfml.save(pipe, tmp_path / "model.safetensors")
        assert_same_answers(sfml.load(path), pipe, odd)
        shifts = read_card(path)["training"]["shifts_dex"]
        assert shifts == pipe["regress"].shifts_
        assert 0.2 < shifts["sfr"] < 0.6

    def test_what_was_loaded_fits_again_as_before(self, forest_pipe, survey, tmp_path):
        path = sfml.save(forest_pipe, tmp_path / "model.safetensors")
        again = clone(sfml.load(path)).fit(*survey)
        assert content_hash(again) == content_hash(forest_pipe)

    def test_what_was_loaded_trains_on(self, paper_pipe, survey, odd, tmp_path):
        path = sfml.save(paper_pipe, tmp_path / "model.safetensors")
        one, other = (sfml.load(path).refit(*survey) for _ in range(2))
        assert content_hash(one) == content_hash(other) != content_hash(paper_pipe)
        pickled = pickle.loads(pickle.dumps(paper_pipe)).refit(*survey)
        assert content_hash(pickled) == content_hash(one)

    def test_what_is_shared_stays_shared_and_is_stored_once(self, gappy_pipe, tmp_path):
        path = sfml.save(gappy_pipe, tmp_path / "model.safetensors")
        loaded = sfml.load(path)
        regress = loaded["regress"]
        first = regress.emulators_.estimators[0].coefs_[0]
        assert all(each.coefs_[0] is first for each in regress.estimators_)
        assert regress.named_estimators_["sfr"] is regress.estimators_[1]
        assert loaded.steps[0][1] is loaded._fitted_steps[0][1]
        shapes = [shape for shape in read_header(path).shapes.values() if shape == first.shape]
        assert len(shapes) == 2  # the targets' networks and that of the posterior's widths

    def test_equal_files_for_equal_pipelines(self, forest_pipe, tmp_path):
        one, other = (sfml.save(forest_pipe, tmp_path / name) for name in ("a.st", "b.st"))
        assert one.read_bytes() == other.read_bytes()

    def test_other_programs_can_open_it(self, gappy_pipe, tmp_path):
        safetensors = pytest.importorskip("safetensors")
        path = sfml.save(gappy_pipe, tmp_path / "model.safetensors")
        with safetensors.safe_open(path, framework="numpy") as file:
            document = json.loads(file.metadata()["sfml"])
            weights = file.get_tensor("regress.emulators_.estimators[0].coefs_[0]")
        assert document["format"] == 1
        np.testing.assert_array_equal(
            weights, gappy_pipe["regress"].emulators_.estimators[0].coefs_[0]
        )


class TestWhatIsSaved:
    @pytest.mark.parametrize(
        "pipe",
        [
            sfml.make_star_formation_pipeline(),
            sfml.make_star_formation_pipeline("surana2020", joint=True),
            sfml.make_star_formation_pipeline(
                bands=replace(sfml.GAMA, redshift_error="Z_err"), redshift="photometric"
            ),
            sfml.make_star_formation_pipeline(
                bands=sfml.BandSet(["r", "K"], [0.6, 2.1]),
                redshift="none",
                targets=("A_V", "redshift"),
            ),
            make_svr(),
        ],
        ids=["sfml", "joint", "photometric", "none", "svr"],
    )
    def test_unfitted_pipelines(self, pipe, tmp_path):
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        assert repr(loaded) == repr(pipe)
        assert content_hash(loaded) == content_hash(pipe)
        assert not hasattr(loaded, "_fitted_steps")

    @pytest.mark.parametrize("parameters", [{"joint": True}, {"redshift": "none"}])
    def test_other_pipelines(self, survey, odd, parameters, tmp_path):
        pipe = make_forest(**parameters).fit(*survey)
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        assert_same_answers(pipe, loaded, odd)

    def test_photometric_redshifts(self, survey, tmp_path):
        X, y = survey
        X = X.assign(Z_err=0.02)
        bands = replace(sfml.GAMA, redshift_error="Z_err")
        pipe = make_forest(bands=bands, redshift="photometric", upper_limits=3).fit(X, y)
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        assert_same_answers(pipe, loaded, X[:100])

    def test_one_target_and_names_of_ones_own(self, survey, tmp_path):
        X, y = survey
        own = y[["sfr"]].rename(columns={"sfr": "own"})
        pipe = make_forest(targets=("own",)).fit(X, own["own"])
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        np.testing.assert_array_equal(loaded.predict_quietly(X), pipe.predict_quietly(X))
        assert read_card(tmp_path / "model.safetensors")["targets"][0]["unit"] is None

    def test_parts_alone(self, forest_pipe, tmp_path):
        for k, (_, step) in enumerate(forest_pipe.steps):
            loaded = sfml.load(sfml.save(step, tmp_path / f"{k}.safetensors"))
            assert type(loaded) is type(step)
            assert content_hash(loaded) == content_hash(step)

    def test_sklearns_scaler(self, survey, odd, tmp_path):
        pipe = make_forest().set_params(scale=StandardScaler()).fit(*survey)
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        assert type(loaded["scale"]) is StandardScaler
        assert_same_answers(pipe, loaded, odd)

    def test_weighted_forests(self, survey, odd, tmp_path):
        weights = np.linspace(1, 2, len(survey[0]))
        pipe = make_forest().fit(*survey, sample_weight=weights)
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        assert_same_answers(pipe, loaded, odd)

    def test_steps_that_were_replaced_after_fit(self, survey, odd, tmp_path):
        pipe = make_forest().fit(*survey)
        pipe.set_params(scale=StandardScaler(with_mean=False))
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        assert_same_answers(pipe, loaded, odd)
        assert loaded["scale"].with_mean is False

    def test_random_states(self, tmp_path):
        state = np.random.RandomState(5)
        state.standard_normal()
        pipe = sfml.make_star_formation_pipeline(random_state=state)
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        np.testing.assert_array_equal(
            loaded["regress"].random_state.standard_normal(5), state.standard_normal(5)
        )

    def test_containers_that_were_asked_for(self, survey, tmp_path):
        pipe = make_forest().set_output(transform="pandas").fit(*survey)
        loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
        assert isinstance(loaded[:-1].transform(survey[0]), pd.DataFrame)

    def test_metadata_requests(self, tmp_path):
        import sklearn

        with sklearn.config_context(enable_metadata_routing=True):
            pipe = make_forest()
            pipe["regress"].set_fit_request(sample_weight="weights")
            loaded = sfml.load(sfml.save(pipe, tmp_path / "model.safetensors"))
            requests = loaded["regress"].get_metadata_routing().fit.requests
        assert requests["sample_weight"] == "weights"
        assert "weights" not in str(clone(make_forest())["regress"].get_metadata_routing())

    def test_arrays_keep_the_order_of_their_bytes(self, tmp_path):
        scaler = StandardScaler().fit(np.eye(3))
        network = copy.copy(scaler)
        network.mean_ = np.arange(6.0)[::2]
        loaded = sfml.load(sfml.save(network, tmp_path / "model.safetensors"))
        np.testing.assert_array_equal(loaded.mean_, [0, 2, 4])
        assert loaded.mean_.flags.writeable
        assert loaded.mean_.flags.owndata


class TestNothingIsForgotten:
    def test_an_attribute_that_is_not_known(self, forest_pipe, tmp_path):
        pipe = copy.deepcopy(forest_pipe)
        pipe["regress"].estimators_[0].callback = print
        with pytest.raises(
            TypeError, match=r"^regress\.\w+\S*\[0\]\.callback is an attribute of Ra"
        ):
            sfml.save(pipe, tmp_path / "model.safetensors")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["select", "features", "scale", "regress"])
    def test_in_every_step(self, forest_pipe, name):
        pipe = copy.deepcopy(forest_pipe)
        pipe[name].new_ = 1
        with pytest.raises(TypeError, match=rf"^{name}\.new_ is an attribute"):
            content_hash(pipe)

    def test_in_plain_objects_and_in_trees(self, forest_pipe):
        pipe = copy.deepcopy(forest_pipe)
        pipe["regress"].intervals_.new = 1
        with pytest.raises(TypeError, match=r"^regress\.intervals_\.new is"):
            content_hash(pipe)
        pipe = copy.deepcopy(forest_pipe)
        pipe["regress"].estimators_[1].estimators_[2].new_ = 1
        with pytest.raises(TypeError, match=r"estimators_\[2\]\.new_ is"):
            content_hash(pipe)

    def test_an_optimizer_of_keras(self, paper_pipe):
        import keras

        pipe = copy.copy(paper_pipe)
        pipe.steps = [*paper_pipe.steps[:-1], ("regress", clone(paper_pipe["regress"]))]
        pipe["regress"].set_params(sfr__optimizer=keras.optimizers.Adam())
        with pytest.raises(
            TypeError, match=r"regress\.estimators\[1\]\[1\]\.optimizer is a ker.*Give its name"
        ):
            content_hash(pipe)

    def test_callbacks_are_left_out(self, survey, tmp_path):
        """Loggers hold on to TensorFlow: a pipeline that had them can be saved all the same."""
        import keras

        X, y = survey
        pipe = sfml.make_star_formation_pipeline(targets=["sfr"], random_state=0)
        csv = partial(keras.callbacks.CSVLogger, str(tmp_path / "log.csv"))
        pipe.set_params(regress__sfr__epochs=2, regress__sfr__n_networks=1)
        pipe.set_params(regress__sfr__callbacks=[csv, keras.callbacks.TerminateOnNaN()])
        pipe.fit(X, y[["sfr"]])
        assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
        with pytest.warns(UserWarning, match="'callbacks' of networks is not saved"):
            path = sfml.save(pipe, tmp_path / "model.safetensors")
        again = sfml.load(path)
        assert again.get_params()["regress__sfr__callbacks"] is None
        np.testing.assert_array_equal(again.predict(X[:20]), pipe.predict(X[:20]))

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (Ridge(), "is a sklearn.linear_model._ridge.Ridge, which cannot be saved"),
            (lambda x: x, "is a builtins.function"),
            (np.array([1 + 1j]), "complex128"),
            (np.array([1.0], dtype=">f8"), "array of >f8"),
            (np.array([object()]), "not all texts"),
            (np.array(["a"], dtype="U5"), "wider than its texts"),
            ({1: 2}, "has the key 1"),
            ({1, 2}, "is a builtins.set"),
            (np.float16(1), "float16"),
            (pd.DataFrame({0: [1.0]}), "columns have no names"),
            (pd.Series([1.0]), "Series"),
        ],
    )
    def test_values_that_cannot_be_written(self, value, message):
        scaler = StandardScaler(copy=value)
        with pytest.raises(TypeError, match="copy") as error:
            content_hash(scaler)
        assert message in str(error.value)

    def test_lists_that_hold_themselves(self):
        endless: list = []
        endless.append(endless)
        with pytest.raises(TypeError, match="nested too deeply"):
            content_hash(StandardScaler(copy=endless))

    def test_subclasses_are_other_classes(self):
        class Mine(sfml.FluxFeatures):
            pass

        with pytest.raises(TypeError, match="Mine"):
            content_hash(Mine())

    def test_what_a_constructor_makes_must_not_be_changed(self, forest_pipe):
        pipe = copy.deepcopy(forest_pipe)
        pipe["regress"].estimators_[0].estimator_params = ("criterion",)
        with pytest.raises(TypeError, match="estimator_params was changed"):
            content_hash(pipe)

    def test_a_file_that_could_not_be_loaded_is_not_written(self, forest_pipe, tmp_path):
        pipe = copy.deepcopy(forest_pipe)
        pipe["scale"].mean_ = pipe["scale"].mean_[:-1]
        with pytest.raises(ValueError, match=r"could not be loaded again.*mean_ must have"):
            sfml.save(pipe, tmp_path / "model.safetensors")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", KNOWN)
    def test_known_classes_are_where_they_are_said_to_be(self, name):
        cls = KNOWN[name].load()
        assert location_of(cls) == KNOWN[name].location
        assert name_of(cls) == name


class TestContentHash:
    def test_is_the_same_after_pickling(self, fitted):
        again = pickle.loads(pickle.dumps(fitted))
        assert content_hash(again) == content_hash(fitted)
        assert content_hash(pickle.loads(pickle.dumps(again))) == content_hash(fitted)

    def test_is_that_of_the_content(self, forest_pipe):
        assert len(content_hash(forest_pipe)) == 64
        assert content_hash(forest_pipe) == content_hash(copy.deepcopy(forest_pipe))
        assert content_hash(clone(forest_pipe)) != content_hash(forest_pipe)

    def test_changes_with_every_number(self, gappy_pipe):
        """The last bit of any array, and any number among the attributes."""
        encoded = encode(gappy_pipe)
        before, seen = encoded.content_hash(), set()
        for name, array in encoded.arrays.items():
            changed = array.copy()
            if changed.size:
                changed.reshape(-1).view(np.uint8)[0] ^= 1
                digests = encoded.digests | {name: digest_of(changed)}
                seen.add(encoded._replace(digests=digests).content_hash())
        assert before not in seen
        assert len(seen) == sum(array.size > 0 for array in encoded.arrays.values())

    @pytest.mark.parametrize(
        "change",
        [
            lambda pipe: pipe["scale"].mean_.__setitem__(
                0, np.nextafter(pipe["scale"].mean_[0], 9)
            ),
            lambda pipe: setattr(pipe["features"], "least_log_snr_", 0.1),
            lambda pipe: pipe.set_params(select__min_bands=4),
            lambda pipe: pipe["regress"].intervals_.usual_widths.update(sfr=1.0),
        ],
    )
    def test_changes_with_the_pipeline(self, forest_pipe, change):
        pipe = copy.deepcopy(forest_pipe)
        change(pipe)
        assert content_hash(pipe) != content_hash(forest_pipe)

    def test_does_not_depend_on_where_bytes_lie(self):
        one, other = StandardScaler(copy=np.eye(3)[:, :2]), StandardScaler(copy=np.eye(3, 2))
        by_columns = StandardScaler(copy=np.asfortranarray(np.eye(3, 2)))
        assert content_hash(one) == content_hash(other) == content_hash(by_columns)

    def test_is_dasks_token(self, gappy_pipe):
        assert gappy_pipe.__dask_tokenize__() == content_hash(gappy_pipe)

    def test_pipelines_that_cannot_be_saved_have_a_token_too(self, survey):
        pipe = sfml.make_star_formation_pipeline(missing="reject", random_state=0)
        pipe.set_params(**{f"regress__{target}": Ridge() for target in sfml.TARGETS}).fit(*survey)
        token = pipe.__dask_tokenize__()
        assert token == pickle.loads(pickle.dumps(pipe)).__dask_tokenize__()
        pipe["scale"].mean_[0] += 1
        assert token != pipe.__dask_tokenize__()


class TestFiles:
    def test_nothing_is_overwritten(self, forest_pipe, tmp_path):
        path = tmp_path / "model.safetensors"
        path.write_text("mine")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            sfml.save(forest_pipe, path)
        assert path.read_text() == "mine"
        sfml.save(forest_pipe, path, overwrite=True)
        sfml.load(path)

    def test_a_write_that_fails_leaves_the_file_as_it_was(self, forest_pipe, tmp_path, monkeypatch):
        def fail(path, content):
            path.write_text("half of it")
            raise OSError("No space left on device")

        path = sfml.save(forest_pipe, tmp_path / "model.safetensors")
        before = path.read_bytes()
        monkeypatch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space"):
            sfml.save(forest_pipe, path, overwrite=True)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_others_may_read_it_as_any_file(self, tmp_path):
        path = sfml.save(sfml.make_star_formation_pipeline(), tmp_path / "model.safetensors")
        (tmp_path / "plain").write_text("")
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            sfml.load(tmp_path / "model.safetensors")

    def test_a_folder(self, tmp_path):
        with pytest.raises(OSError, match="directory"):
            sfml.load(tmp_path)


# What follows forges files. An attacker can compute the content hash of what he writes.


@pytest.fixture(scope="session")
def saved(forest_pipe, tmp_path_factory) -> Path:
    """A file of `forest_pipe`."""
    return sfml.save(forest_pipe, tmp_path_factory.mktemp("saved") / "model.safetensors")


class Forgery:
    """A file's document and arrays, to be changed and written again."""

    def __init__(self, path: Path) -> None:
        self.document = read_header(path).document
        self.arrays = {n: a.copy() for n, a in read_arrays(path, read_header(path)).items()}
        self.objects = self.document["objects"]

    def find(self, name: str, k: int = 0) -> dict:
        """The k-th fitted object of a class."""
        return [e for e in self.objects if e["class"] == name and e["attributes"]][k]

    def array(self, node: dict) -> np.ndarray:
        """The array of a node, to be changed in place."""
        return self.arrays[self.document["arrays"][node["array"]]["tensor"]]

    def replace(self, node: dict, array: np.ndarray) -> None:
        self.arrays[self.document["arrays"][node["array"]]["tensor"]] = array

    def write(self, path: Path) -> Path:
        from safetensors.numpy import save_file

        digests = {name: digest_of(array) for name, array in self.arrays.items()}
        if {"objects", "arrays", "card"} <= set(self.document):
            try:
                encoded = Encoded(self.objects, self.document["arrays"], self.arrays, digests)
                self.document["card"]["content_hash"] = encoded.content_hash()
            except (KeyError, TypeError):
                pass
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        save_file(arrays, path, {"sfml": to_json(self.document)})
        return path


@pytest.fixture
def forgery(saved):
    return Forgery(saved)


def raw_file(path: Path, header: str | bytes, data: bytes = b"") -> Path:
    text = header.encode() if isinstance(header, str) else header
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


ONE = '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'


def with_document(document: str, entries: str = ONE) -> str:
    return '{"__metadata__":{"sfml":' + json.dumps(document) + "}," + entries + "}"


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


FOREIGN = {
    "empty": (b"", "has 0 bytes"),
    "short": (b"\x01\x02", "has 2 bytes"),
    "pickle bomb": (pickle.dumps(Bomb()), "pickle"),
    "old pickle bomb": (pickle.dumps(Bomb(), protocol=0) + b" " * 100, "no safetensors file"),
    "joblib": (pickle.dumps({"a": np.ones(3)}), "pickle"),
    "zip": (b"PK\x03\x04" + bytes(100), "zip archive"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "json": (b'{"format": 1, "card": {}, "objects": []}', "JSON"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "gzip"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "zeros": (bytes(1000), "no safetensors file"),
    "100 GB of header": (struct.pack("<Q", 100 * 10**9) + b'{"a":', "claims 100000000000 bytes"),
    "2^64 of header": (struct.pack("<Q", 2**64 - 1) + b'{"a":', "claims 18446744073709551615"),
}

HEADERS = {
    "not JSON": ("{nonsense", b"", "property name"),
    "not UTF-8": (b'{"\xff":1}', b"", "utf-8"),
    "no object": ("[]", b"", "no safetensors"),
    "other model": ("{" + ONE + "}", b"1", "no model of sfml"),
    "metadata of numbers": ('{"__metadata__":{"sfml":1}}', b"", "no model of sfml"),
    "deep header": ('{"a":' + "[" * 200_000, b"", "nested too deeply"),
    "deep document": (with_document("[" * 200_000), b"1", "nested too deeply"),
    "document of NaN": (with_document('{"format":NaN}'), b"1", "holds NaN"),
    "two arrays of a name": (with_document("{}", f"{ONE},{ONE}"), b"1", "names 'a' twice"),
    "two keys of a name": (with_document('{"format":1,"format":1}'), b"1", "names 'format' twice"),
    "overlap": (with_document("{}", f"{ONE},{ONE.replace('a', 'b', 1)}"), b"1", "overlap"),
    "gap": (with_document("{}", ONE.replace("[0,1]", "[1,2]")), b"12", "overlap, or leave gaps"),
    "more": (with_document("{}"), b"12", "something was added"),
    "less": (with_document("{}"), b"", "cut short"),
    "huge shape": (
        with_document("{}", ONE.replace("[1]", "[4294967296,4294967296]")),
        b"1",
        "needs 18446744073709551616 bytes",
    ),
    "huge offsets": (
        with_document("{}", ONE.replace("1]", "1000000000000]")),
        b"1",
        "cut short",
    ),
    "negative shape": (with_document("{}", ONE.replace("[1]", "[-1]")), b"1", "has the shape"),
    "shape of truths": (with_document("{}", ONE.replace("[1]", "[true]")), b"1", "has the shape"),
    "shape of fractions": (with_document("{}", ONE.replace("[1]", "[1.0]")), b"1", "has the shape"),
    "backwards": (with_document("{}", ONE.replace("[0,1]", "[1,0]")), b"1", "needs 1 bytes"),
    "unknown type": (with_document("{}", ONE.replace("U8", "F8_E4M3")), b"1", "known are"),
    "extra key": (
        with_document("{}", ONE.replace("}", ',"x":1}')),
        b"1",
        "needs a dtype",
    ),
    "no format": (with_document("{}"), b"1", "format None"),
    "later format": (
        with_document('{"format":2,"card":{"versions":{"sfml":"9.9"}}}'),
        b"1",
        "sfml 9.9",
    ),
    "no card": (with_document('{"format":1}'), b"1", "should hold"),
    "empty card": (
        with_document('{"format":1,"card":{},"objects":[],"arrays":[]}'),
        b"1",
        "model card",
    ),
}


class TestForeignFiles:
    @pytest.mark.parametrize("name", FOREIGN)
    def test_are_refused_and_run_nothing(self, name, tmp_path, monkeypatch):
        content, message = FOREIGN[name]
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        self.assert_refused(path, message)
        assert not (tmp_path / "exploded").exists()

    @pytest.mark.parametrize("name", HEADERS)
    def test_headers_are_checked(self, name, tmp_path):
        header, data, message = HEADERS[name]
        self.assert_refused(raw_file(tmp_path / "model.safetensors", header, data), message)

    def assert_refused(self, path, message):
        for read in (sfml.load, read_card):
            tracemalloc.start()
            try:
                with pytest.raises(ValueError, match="cannot be loaded") as error:
                    read(path)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert message in str(error.value)
            assert str(path) in str(error.value)
            assert peak < 20_000_000

    def test_a_sparse_file_of_100_gb(self, tmp_path):
        path = tmp_path / "model.safetensors"
        with path.open("wb") as file:
            file.write(struct.pack("<Q", 100 * 10**9 - 8) + b'{"a":')
            try:
                file.truncate(100 * 10**9)
            except OSError:
                pytest.skip("this file system has no sparse files")
        self.assert_refused(path, "at most 50000000 are read")

    @pytest.mark.parametrize("share", np.linspace(0, 0.999, 12))
    def test_files_that_were_cut_short(self, saved, share, tmp_path):
        path, content = tmp_path / "model.safetensors", saved.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match="cannot be loaded"):
            sfml.load(path)

    def test_damaged_arrays(self, saved, tmp_path):
        path, content = tmp_path / "model.safetensors", bytearray(saved.read_bytes())
        start = 8 + struct.unpack("<Q", content[:8])[0]
        for place in np.random.default_rng(0).integers(start, len(content), 30):
            damaged = content.copy()
            damaged[place] ^= 1
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match="cannot be loaded"):
                sfml.load(path)

    def test_damaged_headers(self, saved, forest_pipe, tmp_path):
        """What is still a model is the same model: a word of its card may have changed."""
        path, content = tmp_path / "model.safetensors", bytearray(saved.read_bytes())
        end = 8 + struct.unpack("<Q", content[:8])[0]
        refused = 0
        for place in np.random.default_rng(0).integers(0, end, 60):
            damaged = content.copy()
            damaged[place] ^= 1
            path.write_bytes(damaged)
            try:
                loaded = sfml.load(path)
            except ValueError:
                refused += 1
            else:
                assert content_hash(loaded) == content_hash(forest_pipe)
        assert refused > 40


class TestForgedModels:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.path = tmp_path / "model.safetensors"

    def refuse(self, forgery, message):
        with pytest.raises(ValueError, match="cannot be loaded") as error:
            sfml.load(forgery.write(self.path))
        assert message in str(error.value)

    def test_a_forgery_without_changes_loads(self, forgery, forest_pipe):
        """Or else the tests below would prove nothing."""
        assert content_hash(sfml.load(forgery.write(self.path))) == content_hash(forest_pipe)

    @pytest.mark.parametrize(
        "name", ["os.system", "builtins.eval", "sfml.cli.main", "sklearn.Pipeline", "", None, 1, []]
    )
    def test_other_classes(self, forgery, name):
        forgery.objects[0]["class"] = name
        self.refuse(forgery, "is not known")

    def test_records_are_no_objects(self, forgery):
        forgery.objects[0] = {"class": "sfml.BandSet", "attributes": {}}
        self.refuse(forgery, "is a record")

    @pytest.mark.parametrize("place", [-1, 10**6, 1.0, True, "0", None, 10**30])
    @pytest.mark.parametrize("form", ["object", "array"])
    def test_places_that_are_not_there(self, forgery, form, place):
        forgery.find("sfml.StarFormationPipeline")["parameters"]["memory"] = {form: place}
        self.refuse(forgery, "places")

    def test_objects_that_hold_themselves(self, forgery):
        last = len(forgery.objects) - 1
        forgery.find("sfml.StarFormationPipeline")["parameters"]["memory"] = {"object": last}
        self.refuse(forgery, "places")

    def test_what_belongs_nowhere(self, forgery):
        forgery.arrays["stray"] = np.zeros(3)
        self.refuse(forgery, "belongs nowhere")
        del forgery.arrays["stray"]
        stray = {"class": "sfml.FluxFeatures", "parameters": {}, "attributes": {}}
        forgery.objects.insert(len(forgery.objects) - 1, stray)
        self.refuse(forgery, "belongs to no other")

    @pytest.mark.parametrize(
        "node",
        [
            {},
            {"eval": "1"},
            {"tuple": 1},
            {"tuple": [], "x": 1},
            {"dict": []},
            {"float": "1e5"},
            {"float": []},
            {"numpy": "object_", "value": 1},
            {"numpy": "int64", "value": 1.5},
            {"numpy": "uint8", "value": 300},
            {"numpy": "int64", "value": 10**40},
            {"names": [1], "objects": True},
            {"names": "abc", "objects": True},
            {"frame": {}, "index": 1, "name": None},
            {"record": "os.system", "fields": {}},
            {"record": "sfml.StandardScaler", "fields": {}},
            {"record": "sfml.RedshiftGrid", "fields": {"step": 1.0}},
            {"record": "sfml.RedshiftGrid", "fields": {"step": "1", "offset": 0}},
            {"random_state": {"key": 1, "position": 0, "has_gauss": 0, "gauss": 0.0}},
        ],
    )
    def test_values_of_no_form(self, forgery, node):
        forgery.find("sfml.FluxFeatures")["attributes"]["softening_"] = node
        self.refuse(forgery, "")

    def test_deep_values(self, forgery):
        node: object = 1
        for _ in range(300):
            node = [node]
        forgery.find("sfml.FluxFeatures")["parameters"]["missing"] = node
        self.refuse(forgery, "nested too deeply")

    def test_unknown_and_missing_attributes(self, forgery):
        features = forgery.find("sfml.FluxFeatures")
        features["attributes"]["transform"] = 1
        self.refuse(forgery, "'transform' is not known")
        del features["attributes"]["transform"], features["attributes"]["reference_"]
        self.refuse(forgery, "'reference_' is missing")

    def test_parameters(self, forgery):
        features = forgery.find("sfml.FluxFeatures")
        features["parameters"]["missing"] = "everything"
        self.refuse(forgery, "'missing' parameter")
        features["parameters"]["missing"] = "auto"
        features["parameters"]["unheard_of"] = 1
        self.refuse(forgery, "no parameter 'unheard_of' here")

    def test_parameters_that_came_later_have_their_defaults(self, forgery):
        del forgery.find("sfml.FluxFeatures")["parameters"]["redshift_grid"]
        assert sfml.load(forgery.write(self.path))["features"].redshift_grid == "auto"

    def test_every_attribute_has_a_type(self, forest_pipe):
        """Each in turn, of each class, is taken away and then replaced by a text."""
        encoded, tried = encode(forest_pipe), set()
        for k, entry in enumerate(encoded.objects):
            if entry["class"] in tried or not entry["attributes"]:
                continue
            tried.add(entry["class"])
            sometimes = {*KNOWN[entry["class"]].sometimes, "_fitted_steps"}
            for name in entry["attributes"]:
                others = {n: a for n, a in entry["attributes"].items() if n != name}
                for attributes in (others, others | {name: "text"}):
                    if attributes is others and name in sometimes:
                        continue
                    objects = [*encoded.objects]
                    objects[k] = entry | {"attributes": attributes}
                    with pytest.raises(ValueError, match=f"object {k}, a "):
                        decode(objects, encoded.places, encoded.arrays)
        assert len(tried) > 8

    @pytest.mark.parametrize(
        ("name", "k", "value", "message"),
        [
            ("children_left", 0, 10**6, "none of the nodes"),
            ("children_left", 0, -2, "none of the nodes"),
            ("children_left", 0, 0, "none of the nodes"),
            ("children_right", 0, -1, "one child only"),
            ("children_right", 0, 1, "one parent"),
            ("children_left", -1, 0, "one child only"),
            ("feature", 0, 10**6, "asks for no feature"),
            ("feature", 0, -1, "asks for no feature"),
            ("threshold", 0, np.nan, "threshold is NaN"),
            ("missing_go_to_left", 0, 2, "missing_go_to_left"),
            ("values", 0, np.inf, "values must be finite"),
        ],
    )
    def test_nodes_of_trees(self, forgery, name, k, value, message):
        forgery.array(forgery.find("sklearn.Tree")["attributes"][name])[k] = value
        self.refuse(forgery, message)

    def test_trees_that_turn_in_circles(self, forgery):
        tree = forgery.find("sklearn.Tree")["attributes"]
        left, right = (forgery.array(tree[f"children_{side}"]) for side in ("left", "right"))
        inner = np.flatnonzero(left != -1)[-1]
        left[inner] = right[inner] = inner
        self.refuse(forgery, "none of the nodes")

    @pytest.mark.parametrize("name", ["max_depth", "n_features"])
    @pytest.mark.parametrize("value", [0, 10**12])
    def test_sizes_of_trees(self, forgery, name, value):
        forgery.find("sklearn.Tree")["attributes"][name] = value
        self.refuse(forgery, "")

    def test_shapes_of_trees(self, forgery):
        node = forgery.find("sklearn.Tree")["attributes"]["threshold"]
        forgery.replace(node, forgery.array(node)[:-1])
        self.refuse(forgery, "entries")

    @pytest.mark.parametrize(
        ("cls", "attribute", "value", "message"),
        [
            ("sfml.GamaSampleSelector", "n_features_in_", 3, "n_features_in_"),
            ("sfml.FluxFeatures", "n_features_in_", 3, "n_features_in_"),
            ("sfml.StandardScaler", "n_features_in_", 3, "must have 3 entries"),
            ("sfml.DomainDetector", "n_features_in_", 1, "beyond n_features_in_"),
            ("sfml.DomainDetector", "offset_", "low", "offset_ must be a number"),
            ("sfml.StarFormationRegressor", "n_features_in_", 3, "other inputs"),
            ("sfml.StarFormationRegressor", "targets_", {"tuple": ["sfr"]}, "targets"),
            ("sklearn.RandomForestRegressor", "n_outputs_", 2, "other outputs"),
            ("sklearn.DecisionTreeRegressor", "n_features_in_", 2, "other inputs"),
        ],
    )
    def test_attributes_that_do_not_fit_together(self, forgery, cls, attribute, value, message):
        forgery.find(cls)["attributes"][attribute] = value
        self.refuse(forgery, message)

    def test_band_sets_are_checked(self, forgery):
        text = to_json(forgery.objects).replace('"unit":"Jy"', '"unit":"mag"')
        forgery.objects[:] = json.loads(text)
        self.refuse(forgery, "unit must be")

    @pytest.mark.parametrize("bands", [True, False])
    def test_many_bands(self, forgery, bands):
        def change(node):
            if isinstance(node, dict) and node.get("record") == "sfml.Layout":
                node["fields"] |= {"n_bands": 10**12} | ({} if bands else {"bands": None})
            for part in node.values() if isinstance(node, dict) else node:
                if isinstance(part, dict | list):
                    change(part)

        change(forgery.objects)
        tracemalloc.start()
        self.refuse(forgery, "")
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
        tracemalloc.stop()

    def test_versions_are_named_if_they_differ(self, forgery):
        forgery.document["card"]["versions"]["scikit-learn"] = "9.9"
        sfml.load(forgery.write(self.path))
        forgery.find("sklearn.RandomForestRegressor")["attributes"]["later_"] = 1
        self.refuse(forgery, "It was written with scikit-learn 9.9; here is scikit-learn")

    def test_the_content_hash_is_checked(self, forgery, monkeypatch):
        monkeypatch.setattr(Encoded, "content_hash", lambda self: "0" * 64)
        path = forgery.write(self.path)
        monkeypatch.undo()
        with pytest.raises(ValueError, match="content hash"):
            sfml.load(path)


class TestForgedNetworks:
    @pytest.fixture
    def forgery(self, gappy_pipe, tmp_path):
        return Forgery(sfml.save(gappy_pipe, tmp_path / "saved.safetensors"))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda a, f: f.array(a["coefs_"][0]).__setitem__((0, 0, 0), np.nan), "must be finite"),
            (lambda a, f: f.replace(a["coefs_"][0], f.array(a["coefs_"][0])[:, :-1]), "shape"),
            (lambda a, f: a["inputs_"]["fields"].update(columns={"tuple": [10**6]}), "columns"),
            (lambda a, f: a["inputs_"]["fields"].update(offset=10**6), "columns beyond"),
            (
                lambda a, f: a["inputs_"]["fields"].update(columns={"tuple": [-1]}),
                "columns must",
            ),
            (lambda a, f: a["network_"]["fields"].update(activation="eval"), "activation must be"),
            (lambda a, f: a["network_"]["fields"].update(loss="os.system('x')"), "plain name"),
            (lambda a, f: a["network_"]["fields"].update(quantiles={"tuple": [0.5, 0.1]}), "grow"),
            (lambda a, f: a.update(n_outputs_=10**9), "n_outputs_"),
            (lambda a, f: a.update(y_ndim_=7), "y_ndim_"),
            (lambda a, f: a["coefs_"].pop(), "layer"),
            (lambda a, f: a.update(coefs_=[], intercepts_=[]), "layer"),
        ],
    )
    def test_networks(self, forgery, change, message, tmp_path):
        change(forgery.find("sfml.KerasMLPRegressor")["attributes"], forgery)
        with pytest.raises(ValueError, match="cannot be loaded") as error:
            sfml.load(forgery.write(tmp_path / "forged.safetensors"))
        assert message in str(error.value) or "belongs nowhere" in str(error.value)

    def test_intervals(self, forgery, tmp_path):
        attributes = forgery.find("sfml.QuantileCalibrator")["attributes"]
        forgery.array(attributes["shifts_"])[0, 0] = np.nan
        with pytest.raises(ValueError, match="shifts_ must be finite"):
            sfml.load(forgery.write(tmp_path / "forged.safetensors"))


class TestForgedSVRs:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda e: e["attributes"].update(_sparse=True), "sparse"),
            (lambda e: e["parameters"].update(kernel="precomputed"), "kernel must be"),
            (lambda e: e["attributes"].update(shape_fit_={"tuple": [1, 22]}), "rows beyond"),
            (lambda e: e["attributes"].update(n_features_in_=3), "lack columns"),
            (lambda e: e["attributes"].update(_gamma={"float": "nan"}), "finite"),
            (
                lambda e: e["attributes"].update(dual_coef_=e["attributes"]["_probA"]),
                "shape",
            ),
        ],
    )
    def test_support_vectors(self, svr_pipe, change, message, tmp_path):
        forgery = Forgery(sfml.save(svr_pipe, tmp_path / "saved.safetensors"))
        change(forgery.find("sklearn.SVR"))
        with pytest.raises(ValueError, match=message):
            sfml.load(forgery.write(tmp_path / "forged.safetensors"))


class TestCard:
    def test_says_what_the_model_is(self, gappy_pipe, survey, tmp_path):
        X, y = survey
        card = read_card(sfml.save(gappy_pipe, tmp_path / "model.safetensors"))
        assert card["model"] == "StarFormationPipeline"
        assert card["steps"]["regress"] == "StarFormationRegressor"
        assert len(card["bands"]) == 21
        assert card["bands"][2] == {
            "name": "u",
            "wavelength_micron": 0.3557,
            "flux_column": "u_flux",
            "error_column": "u_fluxerr",
        }
        assert card["unit"] == "Jy"
        assert card["redshift"] == {"kind": "spectroscopic", "column": "Z", "error_column": None}
        assert card["columns"] == list(gappy_pipe["select"].feature_names_in_)
        sfr = card["targets"][1]
        assert (sfr["name"], sfr["unit"]) == ("sfr", "dex (Msun/yr)")
        assert (
            y["sfr"].min() <= sfr["training_range"][0] < sfr["training_range"][1] <= y["sfr"].max()
        )
        assert card["selection"]["n_galaxies"] == len(X)
        assert card["selection"]["cuts"][0]["name"] == "redshift"
        assert card["training"]["n_held_back"] == gappy_pipe["regress"].n_calibration_
        assert card["training"]["n_train"] == gappy_pipe["regress"].n_train_
        assert card["training"]["redshift_range"][0] > 0
        assert isinstance(card["training"]["seed"], int)
        assert card["versions"]["sfml"] == sfml.__version__
        assert card["licence"] is None
        assert "Surana" in card["citation"]

    def test_scores_of_galaxies_held_back(self, forest_pipe, survey, tmp_path):
        """They are the scores of predictions for those galaxies."""
        X, y = survey
        card = read_card(sfml.save(forest_pipe, tmp_path / "model.safetensors"))
        regress, selected = forest_pipe["regress"], forest_pipe[:-1].transform(X)
        from sfml.regressor.hold_back import draw_numbers, row_keys

        keys = row_keys(forest_pipe["select"].transform(X))
        aside = draw_numbers(keys, regress._root) <= regress._last_number
        aside &= ~np.isnan(selected).any(axis=1)
        residual = (forest_pipe.predict_quietly(X)[:, 1] - y["sfr"])[aside]
        scores = card["held_back_scores"]["sfr"]
        assert scores["n_galaxies"] == aside.sum() == card["training"]["n_held_back"]
        assert scores["sigma"] == pytest.approx(np.std(residual))
        assert scores["bias"] == pytest.approx(np.mean(residual))
        assert 0.5 < scores["coverage"] < 0.9

    def test_is_read_without_the_model(self, forest_pipe, tmp_path, monkeypatch):
        from sfml.persistence import files

        path = sfml.save(forest_pipe, tmp_path / "model.safetensors", card={"name": "Forest"})
        monkeypatch.setattr(files, "read_arrays", None)
        monkeypatch.setattr(files, "decode", None)
        assert read_card(path)["name"] == "Forest"

    def test_takes_what_the_author_says(self, forest_pipe, tmp_path):
        given = {
            "licence": "CC-BY-4.0",
            "citation": "A. Author 2026",
            "scores": {"test": [0.1, None, True]},
            "count": 3,
        }
        path = sfml.save(forest_pipe, tmp_path / "model.safetensors", card=given)
        assert read_card(path).items() >= given.items()

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"bands": []}, "card names bands"),
            ({"content_hash": "0"}, "card names content_hash"),
            ({"scores": {"sfr": float("nan")}}, r"card\['scores'\]\['sfr'\] is nan"),
            ({"array": np.ones(3)}, r"card\['array'\]"),
            ({"list": [1, {2: 3}]}, r"card\['list'\]\[1\] has the key 2"),
            ({1: 2}, "has the key 1"),
            ("text", "card must be a dict"),
        ],
    )
    def test_refuses_the_rest(self, forest_pipe, given, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            sfml.save(forest_pipe, tmp_path / "model.safetensors", card=given)
        assert not list(tmp_path.iterdir())

    def test_does_not_change_the_content(self, forest_pipe, tmp_path):
        paths = [
            sfml.save(forest_pipe, tmp_path / f"{k}.safetensors", card={"name": str(k)})
            for k in range(2)
        ]
        hashes = {read_card(path)["content_hash"] for path in paths}
        assert hashes == {content_hash(forest_pipe)}


class TestReadme:
    def test_of_a_file(self, gappy_pipe, tmp_path):
        given = {"name": "GAMA | model", "licence": "CC-BY-4.0", "training_data": "GAMA <DR4>"}
        path = sfml.save(gappy_pipe, tmp_path / "model.safetensors", card=given)
        text = write_readme(path, tmp_path / "README.md").read_text()
        _, head, body = text.split("---\n", 2)
        fields = {
            line.split(": ", 1)[0]: json.loads(line.split(": ", 1)[1]) for line in head.splitlines()
        }
        assert fields["license"] == "cc-by-4.0"
        assert fields["library_name"] == "sfml"
        assert "astronomy" in fields["tags"]
        assert "# GAMA | model" in body
        assert "| u | 0.3557 | u_flux | u_fluxerr |" in body
        assert "| sfr | dex (Msun/yr) |" in body
        assert "GAMA &lt;DR4>" in body
        assert content_hash(gappy_pipe) in body

    def test_the_head_is_yaml(self, forest_pipe, tmp_path):
        yaml = pytest.importorskip("yaml")
        nasty = 'x"\n---\nlicense: mit # '
        path = sfml.save(forest_pipe, tmp_path / "model.safetensors", card={"licence": nasty})
        head = write_readme(path, tmp_path / "README.md").read_text().split("\n---\n")[0]
        assert yaml.safe_load(head)["license"] == nasty.lower()

    def test_of_a_card_and_unfitted(self, tmp_path):
        path = sfml.save(sfml.make_star_formation_pipeline(), tmp_path / "model.safetensors")
        text = write_readme(read_card(path), tmp_path / "README.md").read_text()
        assert "not stated" in text
        with pytest.raises(FileExistsError):
            write_readme(path, tmp_path / "README.md")

    def test_of_something_else(self, tmp_path):
        good = {"versions": {}, "content_hash": "0" * 64}
        for card in ({}, {"bands": 1}, good | {"targets": [1]}, good | {"bands": [{}]}):
            with pytest.raises(ValueError, match="card"):
                write_readme(card, tmp_path / "README.md")
        assert not list(tmp_path.iterdir())


class TestGolden:
    """Files of earlier versions load for ever, and predict what they did."""

    @pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.safetensors")), ids=lambda p: p.stem)
    def test_loads_and_predicts_as_it_did(self, path):
        expected = json.loads(path.with_suffix(".json").read_text())
        assert path.stat().st_size < 200_000
        X = pd.DataFrame(expected["catalogue"])
        pipe = sfml.load(path)
        assert read_card(path)["content_hash"] == expected["content_hash"]
        table = pipe.predict_table(X)
        assert table["flag"].tolist() == expected["flag"]
        # Machines add up in other orders: the last digits of single precision differ.
        for name, values in expected["table"].items():
            known = np.array([np.nan if value is None else value for value in values])
            np.testing.assert_allclose(table[name], known, rtol=0, atol=5e-6, err_msg=name)

    @pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.safetensors")), ids=lambda p: p.stem)
    def test_every_number_is_read_as_it_was_written(self, path):
        """Bit by bit, whatever the machine."""
        expected = json.loads(path.with_suffix(".json").read_text())["arrays"]
        arrays = encode(sfml.load(path)).arrays
        found = {digest_of(array) for array in arrays.values()}
        assert set(expected) <= found

    def test_there_are_some(self):
        assert {path.stem for path in GOLDEN.glob("*.safetensors")} >= {"forest-1", "network-1"}


def test_estimators_among_the_known_classes_keep_their_parameters():
    """A parameter that is new needs nothing here; an attribute that is new needs an entry."""
    for known in KNOWN.values():
        if known.style == ESTIMATOR:
            cls = known.load()
            assert not set(known.attributes) & set(cls._get_param_names())
