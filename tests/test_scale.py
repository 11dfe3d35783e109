"""Predictions for catalogues in parts: the same bits as for the whole, wherever the parts lie."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sfml
from sfml.flags import Flag
from sfml.scale import predict_catalog, predict_dataset, write_parquet

TARGETS = [f"{target}{end}" for target in sfml.TARGETS for end in ("", "_p16", "_p84")]
PREDICTED = [*TARGETS, "flag", "reasons"]


@pytest.fixture(scope="module")
def forest(_survey):
    """A pipeline with small forests, fitted to `survey`. Not to be changed."""
    pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    pipe.set_params(**{f"regress__{target}__n_estimators": 5 for target in sfml.TARGETS})
    return pipe.fit(*_survey)


@pytest.fixture(params=["forest", "gappy_pipe"])
def pipe(request):
    """Forests, and networks that cope with missing bands."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def sky(_survey) -> pd.DataFrame:
    """The catalogue with identifiers of 19 digits and coordinates, in two corners of the sky.

    Not to be changed.
    """
    X, _ = _survey
    rng = np.random.default_rng(2)
    return X.reset_index(drop=True).assign(
        CATAID=np.arange(len(X)) + 6_800_000_000_000_000_001,
        ra=rng.uniform(129, 141, len(X)) + 45 * (np.arange(len(X)) % 2),
        dec=rng.uniform(-2, 3, len(X)),
    )


def assert_same_bits(predicted, expected):
    """Compare predictions, whatever their types, in all their bits."""
    for name in TARGETS:
        got = predicted[name].to_numpy(dtype=np.float64, na_value=np.nan)
        assert got.tobytes() == expected[name].to_numpy().tobytes(), name
    assert predicted["flag"].tolist() == expected["flag"].tolist()
    assert predicted["reasons"].tolist() == expected["reasons"].tolist()


class TestRowSplits:
    @settings(
        max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(st.integers(0, 900), max_size=6), st.randoms(use_true_random=False))
    def test_parts_have_the_bits_of_the_whole(self, pipe, survey, cuts, random):
        X, _ = survey
        expected = pipe.predict_table(X)
        order = list(range(len(X)))
        random.shuffle(order)
        parts = np.split(np.array(order), sorted(cuts))
        got = pd.concat([pipe.predict_table(X.iloc[part]) for part in parts if len(part)])
        pd.testing.assert_frame_equal(got.loc[X.index], expected, check_exact=True)

    @pytest.mark.parametrize("n", [0, 1, 2])
    def test_few_rows_have_the_types_of_many(self, pipe, survey, n):
        X, _ = survey
        assert pipe.predict_table(X[:n]).dtypes.equals(pipe.predict_table(X).dtypes)


class TestToken:
    def test_it_stays_the_same_after_pickling_and_in_another_process(self, pipe, tmp_path):
        again = pickle.loads(pickle.dumps(pipe))
        assert again.__dask_tokenize__() == pipe.__dask_tokenize__()
        (tmp_path / "pipe.pkl").write_bytes(pickle.dumps(again))
        code = (
            "import pickle, sys;"
            f"pipe = pickle.load(open({str(tmp_path / 'pipe.pkl')!r}, 'rb'));"
            "print(pipe.__dask_tokenize__())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == pipe.__dask_tokenize__()

    def test_it_tells_other_fits_apart(self, survey, forest):
        X, y = survey
        other = sfml.make_star_formation_pipeline(method="random_forest", random_state=1)
        other.set_params(**{f"regress__{target}__n_estimators": 5 for target in sfml.TARGETS})
        assert other.fit(X, y).__dask_tokenize__() != forest.__dask_tokenize__()


class TestDask:
    @pytest.fixture
    def dd(self):
        return pytest.importorskip("dask.dataframe", reason='dask comes with "sfml[lsdb]"')

    def test_it_is_lazy_and_gives_the_table_of_the_whole(self, dd, pipe, survey):
        X, _ = survey
        X = X.sort_index()
        lazy = predict_catalog(dd.from_pandas(X, npartitions=7), pipe, keep=["Z"])
        assert isinstance(lazy, dd.DataFrame)
        expected = pd.concat([X[["Z"]], pipe.predict_table(X)], axis=1)
        got = lazy.compute(scheduler="threads", num_workers=2)
        pd.testing.assert_frame_equal(got, expected, check_exact=True)
        assert lazy.dtypes.equals(expected.dtypes)

    def test_the_same_question_has_the_same_name(self, dd, pipe, survey):
        X, _ = survey
        catalogue = dd.from_pandas(X, npartitions=2, sort=False)
        again = pickle.loads(pickle.dumps(pipe))
        name = predict_catalog(catalogue, pipe)._name
        assert predict_catalog(catalogue, again)._name == name
        assert predict_catalog(catalogue, pipe, keep=["Z"])._name != name

    def test_columns_of_another_name(self, dd, forest, survey):
        X, _ = survey
        other = X.rename(columns={"r_flux": "r_psfFlux", "Z": "z_best"}).assign(r_flux=-1.0)
        lazy = predict_catalog(
            dd.from_pandas(other, npartitions=2, sort=False),
            forest,
            columns={"r_flux": "r_psfFlux", "Z": "z_best"},
        )
        assert_same_bits(lazy.compute(scheduler="synchronous"), forest.predict_table(X))

    def test_bands_that_are_not_there_count_as_missing_with_one_warning(
        self, dd, gappy_pipe, survey
    ):
        X = survey[0].drop(columns=["W4_flux", "W4_fluxerr"])
        with pytest.warns(UserWarning, match=r"no columns of 1 of 21 bands.*W4"):
            lazy = predict_catalog(dd.from_pandas(X, npartitions=3, sort=False), gappy_pipe)
        got = lazy.compute(scheduler="synchronous")  # a warning would be an error
        with pytest.warns(UserWarning, match="W4"):
            assert_same_bits(got, gappy_pipe.predict_table(X))

    def test_a_part_in_another_unit_is_flagged_and_not_refused(self, dd, forest, survey):
        X = survey[0].copy()
        fluxes = [name for name in X if "flux" in name]
        X.iloc[:300, X.columns.get_indexer(fluxes)] *= 1000
        with pytest.raises(ValueError, match="another unit"):
            forest.predict_table(X[:300])
        lazy = predict_catalog(dd.from_pandas(X, npartitions=3, sort=False), forest)
        flags = lazy["flag"].compute(scheduler="synchronous").to_numpy()
        unit = (flags & Flag.UNIT) > 0
        assert unit[:300].mean() > 0.9
        assert unit[300:].mean() < 0.1

    def test_errors_come_when_it_is_called(self, dd, forest, survey):
        X, _ = survey
        catalogue = dd.from_pandas(X.assign(sfr=0.0), npartitions=2, sort=False)
        with pytest.raises(ValueError, match=r"lacks 1 .*'Z'"):
            predict_catalog(catalogue.drop(columns="Z"), forest)
        with pytest.raises(ValueError, match=r"keep: The catalogue lacks 1.*'CATAID'"):
            predict_catalog(catalogue, forest, keep=["CATAID"])
        with pytest.raises(TypeError, match=r"such as \['Z'\]"):
            predict_catalog(catalogue, forest, keep="Z")
        with pytest.raises(ValueError, match="keep has sfr, which predictions are called too"):
            predict_catalog(catalogue, forest, keep=["sfr"])
        with pytest.raises(ValueError, match="columns names 'r', which the pipeline does not read"):
            predict_catalog(catalogue, forest, columns={"r": "r_flux"})
        with pytest.raises(ValueError, match=r"columns: The catalogue lacks 1 .*'r_mag'"):
            predict_catalog(catalogue, forest, columns={"r_flux": "r_mag"})
        with pytest.raises(TypeError, match="columns must map names"):
            predict_catalog(catalogue, forest, columns=["r_flux"])
        with pytest.raises(TypeError, match=r"got pandas.*DataFrame. Use predict_dataset"):
            predict_catalog(X, forest)
        from sklearn.exceptions import NotFittedError

        with pytest.raises(NotFittedError):
            predict_catalog(catalogue, sfml.make_star_formation_pipeline())

    def test_nested_quantiles(self, dd, forest, survey):
        pytest.importorskip("nested_pandas")
        X, _ = survey
        lazy = predict_catalog(dd.from_pandas(X, npartitions=3, sort=False), forest, nested=True)
        got = lazy.compute(scheduler="synchronous")
        check_nested(got, forest, X)


def check_nested(got, pipe, X):
    expected = pipe.predict_table(X)
    for target in sfml.TARGETS:
        ends = {"median": "", "err68_low": "_p16", "err68_high": "_p84"}
        for name, end in ends.items():
            np.testing.assert_array_equal(
                got[f"sfml_{target}_{name}"].to_numpy(np.float64, na_value=np.nan),
                expected[f"{target}{end}"],
            )
    assert got["sfml_flag"].tolist() == expected["flag"].tolist()
    row = got["sfml_quantiles"].iloc[3]
    levels = row["level"].tolist()
    quantiles = pipe.predict_quantiles(X, levels)
    assert list(row.columns) == ["level", *sfml.TARGETS]
    np.testing.assert_array_equal(row["sfr"], quantiles[3, 1])
    assert len(levels) > 3


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # in LSDB 0.11
class TestLSDB:
    @pytest.fixture(scope="class")
    @classmethod
    def lsdb(cls):
        return pytest.importorskip("lsdb", reason='LSDB is an extra: pip install "sfml[lsdb]"')

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, lsdb, sky, tmp_path_factory):
        """Folder of a HATS catalogue of several partitions, with a margin."""
        catalog = lsdb.from_dataframe(
            sky,
            ra_column="ra",
            dec_column="dec",
            catalog_name="mock",
            partition_rows=250,
            margin_threshold=600.0,
        )
        folder = tmp_path_factory.mktemp("hats") / "mock"
        catalog.write_catalog(folder, progress_bar=False)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def catalog(cls, lsdb, folder):
        catalog = lsdb.open_catalog(folder, columns="all")
        assert catalog.npartitions > 3
        assert catalog.margin is not None
        return catalog

    def expected(self, pipe, sky, got):
        table = pipe.predict_table(sky).set_axis(sky["CATAID"])
        return table.loc[got["CATAID"].to_numpy()]

    def test_it_is_lazy_and_gives_what_is_given_in_memory(self, pipe, sky, catalog):
        lazy = predict_catalog(catalog, pipe, keep=["CATAID"])
        assert type(lazy) is type(catalog)
        assert list(lazy.columns) == ["CATAID", "ra", "dec", *PREDICTED]
        got = lazy.compute(progress_bar=False)
        assert len(got) == len(sky)
        assert got.index.name == "_healpix_29"
        assert_same_bits(got, self.expected(pipe, sky, got))
        assert str(got["sfr"].dtype) == "double[pyarrow]"
        assert str(got["flag"].dtype) == "int64[pyarrow]"
        assert "string" in str(got["reasons"].dtype)

    def test_margins_are_predicted_too(self, pipe, sky, catalog):
        lazy = predict_catalog(catalog, pipe, keep=["CATAID"])
        margin = lazy.margin.compute(progress_bar=False)
        assert len(margin) > 0
        assert_same_bits(margin, self.expected(pipe, sky, margin))

    def test_written_and_reopened(self, lsdb, forest, sky, catalog, tmp_path):
        lazy = predict_catalog(catalog, forest, keep=["CATAID"], nested=True)
        lazy.write_catalog(tmp_path / "out", progress_bar=False)
        got = lsdb.open_catalog(tmp_path / "out", columns="all").compute(progress_bar=False)
        rows = sky.set_index("CATAID").loc[got["CATAID"].to_numpy()]
        check_nested(got, forest, rows)

    def test_empty_partitions(self, forest, catalog):
        none = predict_catalog(catalog.query("Z > 99"), forest).compute(progress_bar=False)
        assert len(none) == 0
        assert list(none.columns) == ["ra", "dec", *PREDICTED]
        few = catalog.query("dec > 2.5")  # partitions to the south are empty
        assert min(len(part.compute()) for part in few.to_delayed()) == 0
        got = predict_catalog(few, forest, keep=["CATAID"]).compute(progress_bar=False)
        assert 0 < len(got) < 300

    def test_float32_columns(self, lsdb, forest, sky):
        low = sky.astype({name: np.float32 for name in sky if "flux" in name})
        catalog = lsdb.from_dataframe(low, ra_column="ra", dec_column="dec", partition_rows=200)
        assert str(catalog.dtypes["r_flux"]) == "float[pyarrow]"
        got = predict_catalog(catalog, forest, keep=["CATAID"]).compute(progress_bar=False)
        assert_same_bits(got, self.expected(forest, low, got))

    def test_the_same_question_has_the_same_name(self, forest, catalog):
        again = pickle.loads(pickle.dumps(forest))
        names = [predict_catalog(catalog, each)._operation.key_name for each in (forest, again)]
        assert names[0] == names[1]

    def test_columns_that_were_not_loaded(self, lsdb, gappy_pipe, folder):
        catalog = lsdb.open_catalog(
            folder, columns=["Z", *(n for n in sfml.GAMA.columns if "W4" not in n and n != "Z")]
        )
        with (
            pytest.warns(UserWarning, match="W4"),
            pytest.raises(ValueError, match="has W4_flux, W4_fluxerr, but they were not loaded"),
        ):
            predict_catalog(catalog, gappy_pipe)


class TestDatasets:
    @pytest.fixture
    def dataset(self, sky, tmp_path):
        """Three files, one of them empty, with row groups of 100 rows."""
        import pyarrow.dataset

        for k, part in enumerate((sky[:500], sky[:0], sky[500:])):
            part.to_parquet(tmp_path / f"part{k}.parquet", index=False, row_group_size=100)
        return pyarrow.dataset.dataset(tmp_path)

    def test_batches_have_the_bits_of_the_whole(self, pipe, sky, dataset):
        batches = predict_dataset(dataset, pipe, keep=["CATAID", "ra"], batch_rows=64)
        assert batches.schema.names == ["CATAID", "ra", *PREDICTED]
        read = list(batches)
        assert all(0 < batch.num_rows <= 64 for batch in read)
        import pyarrow as pa

        got = pa.Table.from_batches(read).to_pandas()
        assert_same_bits(got, pipe.predict_table(sky))
        assert got["CATAID"].tolist() == sky["CATAID"].tolist()

    def test_it_is_lazy(self, forest, dataset, monkeypatch):
        batches = predict_dataset(dataset, forest, batch_rows=64)
        asked = []
        monkeypatch.setattr(type(forest), "predict_table", lambda self, X: asked.append(X) or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            next(iter(batches))
        assert len(asked) == 1

    def test_written_to_one_file(self, forest, sky, dataset, tmp_path):
        out = tmp_path / "out" / "predictions.parquet"
        assert write_parquet(predict_dataset(dataset, forest, keep=["CATAID"]), out) == out
        assert_same_bits(pd.read_parquet(out), forest.predict_table(sky))
        with pytest.raises(FileExistsError):
            write_parquet(predict_dataset(dataset, forest), out)
        write_parquet(predict_dataset(dataset, forest), out, overwrite=True)
        assert "CATAID" not in pd.read_parquet(out)

    def test_a_failure_leaves_no_file(self, forest, dataset, tmp_path):
        import pyarrow as pa

        good = predict_dataset(dataset, forest)

        def fails():
            yield next(iter(good))
            raise RuntimeError("the disk is gone")

        bad = pa.RecordBatchReader.from_batches(good.schema, fails())
        with pytest.raises(RuntimeError, match="the disk is gone"):
            write_parquet(bad, tmp_path / "out.parquet")
        assert not list(tmp_path.glob("*out.parquet*"))

    def test_pyarrow_writes_them_too(self, forest, sky, dataset, tmp_path):
        import pyarrow.dataset

        batches = predict_dataset(dataset, forest, batch_rows=100)
        pyarrow.dataset.write_dataset(
            batches,
            tmp_path / "out",
            format="parquet",
            max_rows_per_file=300,
            max_rows_per_group=300,
        )
        assert_same_bits(pd.read_parquet(tmp_path / "out"), forest.predict_table(sky))

    def test_a_dataset_without_rows(self, forest, dataset):
        import pyarrow.dataset

        empty = pyarrow.dataset.dataset(dataset.head(0))
        batches = predict_dataset(empty, forest, keep=["CATAID"])
        assert batches.read_all().num_rows == 0
        assert batches.schema.names == ["CATAID", *PREDICTED]

    def test_nested_quantiles(self, forest, sky, dataset):
        pytest.importorskip("nested_pandas")
        table = predict_dataset(dataset, forest, nested=True).read_all()
        row = table.column("sfml_quantiles")[3].as_py()
        np.testing.assert_array_equal(
            row["sfr"], forest.predict_quantiles(sky[3:4], row["level"])[0, 1]
        )

    def test_other_things_are_refused(self, forest, sky):
        with pytest.raises(TypeError, match=r"must be a pyarrow.dataset.Dataset.*got pandas"):
            predict_dataset(sky, forest)


def test_threads_give_the_same_bits(pipe, survey):
    X, _ = survey
    expected, got = pipe.predict_table(X), {}

    def predict(k):
        got[k] = pipe.predict_table(X)

    threads = [threading.Thread(target=predict, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    for table in got.values():
        pd.testing.assert_frame_equal(table, expected, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_give_the_same_bits(method, gappy_pipe, survey, tmp_path):
    X, _ = survey
    expected = gappy_pipe.predict_table(X)
    (tmp_path / "pipe.pkl").write_bytes(pickle.dumps(gappy_pipe))
    X.to_pickle(tmp_path / "X.pkl")
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, pickle, sys\n"
        "import numpy as np, pandas as pd\n"
        "def load(name): return pickle.load(open(f'{sys.argv[2]}/{name}.pkl', 'rb'))\n"
        "def predict(rows): return load('pipe').predict_table(load('X').iloc[rows])\n"
        "if __name__ == '__main__':\n"
        "    load('pipe').predict_table(load('X'))  # threads and BLAS have run\n"
        "    rows = np.array_split(np.arange(len(load('X'))), 4)\n"
        "    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:\n"
        "        pd.concat(pool.map(predict, rows)).to_pickle(f'{sys.argv[2]}/out.pkl')\n"
        "    assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, str(program), method, str(tmp_path)], check=True, timeout=300)
    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "out.pkl"), expected, check_exact=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # dask's own, of its workers and ports
class TestCluster:
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls):
        distributed = pytest.importorskip("distributed", reason='it comes with "sfml[lsdb]"')
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client

    def test_workers_need_no_tensorflow(self, client, gappy_pipe, survey):
        import dask.dataframe as dd

        X, _ = survey
        lazy = predict_catalog(dd.from_pandas(X, npartitions=6, sort=False), gappy_pipe)
        pd.testing.assert_frame_equal(lazy.compute(), gappy_pipe.predict_table(X), check_exact=True)
        loaded = client.run(lambda: "tensorflow" in sys.modules)
        assert len(loaded) == 2
        assert not any(loaded.values())

    def test_a_killed_worker_loses_nothing(self, client, gappy_pipe, survey):
        import os
        import signal

        import dask.dataframe as dd

        X, _ = survey
        lazy = predict_catalog(dd.from_pandas(X, npartitions=40, sort=False), gappy_pipe)
        future = client.compute(lazy)
        pid = next(iter(client.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)
        pd.testing.assert_frame_equal(
            future.result(timeout=120), gappy_pipe.predict_table(X), check_exact=True
        )

    def test_grid_search_on_dask_equals_the_local_one(self, client, selected):
        from joblib import parallel_config
        from sklearn.model_selection import GridSearchCV

        pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
        grid = {f"regress__{target}__n_estimators": [2, 5] for target in sfml.TARGETS[:1]}
        search = GridSearchCV(pipe, grid, cv=2, error_score="raise")
        local = search.fit(*selected).cv_results_["mean_test_score"]
        with parallel_config("dask"):
            again = search.fit(*selected).cv_results_["mean_test_score"]
        np.testing.assert_array_equal(again, local)
