"""Training on more galaxies than fit in memory: equal to training in memory, within noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import make_quick_pipeline

import sfml
from sfml.scale import fit_dataset
from sfml.scale.training import Catalogue


@pytest.fixture
def table(survey) -> pd.DataFrame:
    """Galaxies with labels, without the SPS code's percentiles."""
    X, y = survey
    return pd.concat([X, y[list(sfml.TARGETS)]], axis=1).reset_index(drop=True)


def quick(epochs: int = 3, **parameters):
    """Make a pipeline with one small network."""
    return make_quick_pipeline("sfml", network={"n_networks": 1, "epochs": epochs}, **parameters)


@pytest.fixture
def dataset(table, tmp_path):
    """Two files with row groups of 100 rows."""
    import pyarrow.dataset

    for k, part in enumerate((table[:400], table[400:])):
        part.to_parquet(tmp_path / f"part{k}.parquet", index=False, row_group_size=100)
    return pyarrow.dataset.dataset(tmp_path)


def catalogue_of(table: pd.DataFrame, n_pieces: int, chunk_rows: int) -> Catalogue:
    rows = np.array_split(np.arange(len(table)), n_pieces)
    pieces = [lambda part=part: table.iloc[part] for part in rows]
    return Catalogue(pieces, {"Z": "Z"}, ["sfr"], chunk_rows)


class TestCatalogue:
    @pytest.mark.parametrize("chunk_rows", [1, 7, 100, 5000])
    def test_chunks_hold_every_row_once(self, table, chunk_rows):
        catalogue = catalogue_of(table, 9, chunk_rows)
        chunks = list(catalogue.chunks(0))
        assert [len(X) for X, *_ in chunks[:-1]] == [chunk_rows] * (len(chunks) - 1)
        X, y = (pd.concat(parts) for parts in list(zip(*chunks, strict=True))[:2])
        got = pd.DataFrame({"Z": X["Z"], "sfr": y["sfr"]}).sort_values(["Z", "sfr"])
        expected = table[["Z", "sfr"]].sort_values(["Z", "sfr"])
        np.testing.assert_array_equal(got, expected)

    def test_order_belongs_to_the_seed(self, table):
        catalogue = catalogue_of(table, 9, 200)
        first, again, other = (
            pd.concat([X for X, _, _ in catalogue.chunks(seed)])["Z"].tolist() for seed in (1, 1, 2)
        )
        assert first == again
        assert first != other
        assert first != table["Z"].tolist()

    def test_rows_of_several_pieces_are_mixed(self, table):
        table = table.assign(Z=np.arange(len(table)) // 100)
        X, _, _ = next(catalogue_of(table, 9, 300).chunks(0))
        assert X["Z"].nunique() >= 3
        assert (np.diff(X["Z"]) != 0).mean() > 0.4

    def test_a_sample_is_random_and_in_order(self, table):
        table = table.assign(Z=np.arange(len(table), dtype=float))
        catalogue = catalogue_of(table, 9, 100)
        X, y = catalogue.sample(300, 5)
        assert catalogue.n_rows == len(table)
        assert len(X) == len(y) == 300
        rows = X["Z"].to_numpy(int)
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(y["sfr"], table["sfr"].to_numpy()[rows])
        assert abs(rows.mean() - len(table) / 2) < 4 * len(table) / np.sqrt(12 * 300)
        assert (catalogue.sample(300, 5)[0]["Z"] == X["Z"]).all()
        assert (catalogue.sample(300, 6)[0]["Z"] != X["Z"]).any()

    def test_a_small_catalogue_is_its_own_sample(self, table):
        X, y = catalogue_of(table, 9, 100).sample(len(table), 0)
        np.testing.assert_array_equal(X["Z"], table["Z"])
        np.testing.assert_array_equal(y["sfr"], table["sfr"])


class TestFitDataset:
    def test_all_but_the_networks_is_as_in_memory(self, survey):
        import pyarrow as pa
        import pyarrow.dataset

        X, y = (part.reset_index(drop=True) for part in survey)
        dataset = pyarrow.dataset.dataset(pa.Table.from_pandas(pd.concat([X, y], axis=1)))
        whole = quick().fit(X, y)
        pipe = fit_dataset(quick(), dataset, chunk_rows=300, random_state=0)
        np.testing.assert_array_equal(pipe["scale"].mean_, whole["scale"].mean_)
        assert str(pipe["select"].report_) == str(whole["select"].report_)
        ours, theirs = pipe["regress"], whole["regress"]
        assert ours.n_calibration_ == theirs.n_calibration_ > 0
        assert ours.n_train_ == theirs.n_train_
        for one, other in zip(ours.estimators_, theirs.estimators_, strict=True):
            assert one.inputs_.columns == other.inputs_.columns
            np.testing.assert_array_equal(one.inputs_.low, other.inputs_.low)
            np.testing.assert_array_equal(one.scaling_.mean, other.scaling_.mean)
            assert len(one.history_) == len(other.history_) == 3
        assert ours.posterior_ is not None
        table = pipe.predict_table(X)
        assert table["sfr"].notna().sum() == whole.predict_table(X)["sfr"].notna().sum()

    def test_a_seed_gives_the_same_result(self, survey, dataset):
        X, _ = survey
        first, again, other = (
            fit_dataset(
                quick(epochs=1),
                dataset,
                sample_rows=500,
                chunk_rows=300,
                random_state=seed,
            ).predict_table(X)
            for seed in (0, 0, 1)
        )
        pd.testing.assert_frame_equal(first, again, check_exact=True)
        assert (first["sfr"] != other["sfr"]).any()

    def test_galaxies_beyond_the_sample_are_learnt_and_those_held_back_are_not(self, dataset):
        pipe = fit_dataset(quick(), dataset, sample_rows=300, chunk_rows=250, random_state=0)
        regress = pipe["regress"]
        n_given = pipe["select"].report_.n_galaxies
        assert n_given == 300
        assert all(n > 400 for n in regress.n_train_.values())
        assert all(n <= 900 - regress.n_calibration_ for n in regress.n_train_.values())

    def test_labels_and_columns_by_name(self, table, survey, tmp_path):
        import pyarrow as pa
        import pyarrow.dataset

        other = table.rename(columns={"r_flux": "r_psfFlux", "sfr": "my_sfr"})
        dataset = pyarrow.dataset.dataset(pa.Table.from_pandas(other))
        pipe = quick(targets=["my_sfr"])
        with pytest.raises(ValueError, match=r"has no column of labels.*Name them with labels="):
            fit_dataset(quick(targets=["age"]), dataset)
        pipe = fit_dataset(pipe, dataset, ["my_sfr"], {"r_flux": "r_psfFlux"})
        assert pipe["regress"].targets_ == ("my_sfr",)
        assert pipe.predict_table(survey[0])["my_sfr"].notna().any()

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # in LSDB 0.11
    def test_dask_and_lsdb(self, table, survey):
        dd = pytest.importorskip("dask.dataframe", reason='dask comes with "sfml[lsdb]"')
        lsdb = pytest.importorskip("lsdb")
        rng = np.random.default_rng(0)
        sky = table.assign(ra=rng.uniform(0, 40, len(table)), dec=rng.uniform(-9, 9, len(table)))
        catalog = lsdb.from_dataframe(sky, ra_column="ra", dec_column="dec", partition_rows=300)
        for dataset in (dd.from_pandas(table, npartitions=3), catalog):
            pipe = quick(epochs=1)
            fit_dataset(pipe, dataset, chunk_rows=400, random_state=0)
            assert pipe.predict_table(survey[0])["sfr"].notna().any()

    @pytest.mark.slow
    def test_recipes_with_early_stopping(self, survey, dataset):
        pipe = make_quick_pipeline("surana2020", network={"epochs": 4, "patience": 2})
        fit_dataset(pipe, dataset, chunk_rows=300, random_state=0)
        assert pipe.predict_quietly(survey[0]).shape == (900, 3)

    def test_a_failure_leaves_the_pipeline_as_it_was(self, survey, dataset, monkeypatch):
        pipe = quick().fit(*survey)
        before = pipe.predict_table(survey[0])

        def fails(self, seed):
            raise OSError("the disk is gone")

        monkeypatch.setattr(Catalogue, "chunks", fails)
        with pytest.raises(OSError, match="the disk is gone"):
            fit_dataset(pipe, dataset)
        pd.testing.assert_frame_equal(pipe.predict_table(survey[0]), before, check_exact=True)

    def test_errors(self, table, dataset):
        forest = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
        with pytest.raises(
            ValueError, match=r"Only networks can learn in chunks.*RandomForestRegressor"
        ):
            fit_dataset(forest, dataset)
        with pytest.raises(ValueError, match="max_train_samples=None"):
            fit_dataset(quick(max_train_samples=100), dataset)
        with pytest.raises(ValueError, match="No galaxies were held back"):
            fit_dataset(quick(calibration_fraction=None), dataset)
        with pytest.raises(TypeError, match=r"Use pipe.fit for a table in memory"):
            fit_dataset(forest, table)
        with pytest.raises(ValueError, match="chunk_rows must be a whole number of at least 1"):
            fit_dataset(forest, dataset, chunk_rows=0)
        with pytest.raises(ValueError, match=r"labels: The catalogue lacks 1 .*'age'"):
            fit_dataset(forest, dataset, ["age"])
        import pyarrow.dataset

        empty = pyarrow.dataset.dataset(dataset.head(0))
        with pytest.raises(ValueError, match="has no rows"):
            fit_dataset(forest, empty)


@pytest.mark.slow
def test_scores_are_those_of_training_in_memory(shared_data):
    """On a simulated survey; `benchmarks/bench_scale.py --train` compares them on all of it."""
    import pyarrow as pa
    import pyarrow.dataset

    table = pd.read_parquet(shared_data / "bagpipes_survey.parquet")[:12_000]
    train, test = table[:10_000], table[10_000:]
    labels = ["mass_stellar_percentile50", "SFR_0_1Gyr_percentile50", "L_dust_percentile50"]

    def sigmas(fit):
        pipe = sfml.make_star_formation_pipeline(random_state=0)
        network = {"hidden_layer_sizes": (32, 32), "epochs": 20, "n_networks": 2}
        for name, _ in pipe["regress"].estimators:
            pipe.set_params(**{f"regress__{name}__{key}": v for key, v in network.items()})
        error = fit(pipe).predict_quietly(test) - test[labels].to_numpy()
        return np.nanstd(error, axis=0)

    in_memory = sigmas(lambda pipe: pipe.fit(train, train[labels]))
    dataset = pyarrow.dataset.dataset(pa.Table.from_pandas(train))
    in_chunks = sigmas(
        lambda pipe: fit_dataset(
            pipe, dataset, labels, sample_rows=4_000, chunk_rows=2_000, random_state=0
        )
    )
    np.testing.assert_allclose(in_chunks, in_memory, rtol=0.1)
