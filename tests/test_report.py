"""The report on a model and a catalogue."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, ShuffleSplit

import sfml
from sfml.cli import main
from sfml.metrics import coverage
from sfml.report import Report
from sfml.report.outcome import predict_outcome

N_TRAIN = 400


@pytest.fixture(scope="module")
def survey():
    X, y = sfml.make_mock_survey(560, n_templates=2000, random_state=3, return_X_y=True)
    X.loc[X.index[N_TRAIN + 5], "Z"] = -1.0  # a galaxy without a prediction
    return X, y


def forest(**options):
    pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0, **options)
    few = {f"regress__{target}__n_estimators": 20 for target in sfml.TARGETS}
    return pipe.set_params(**few)


@pytest.fixture(scope="module")
def pipe(survey):
    X, y = survey
    return forest().fit(X[:N_TRAIN], y[:N_TRAIN])


@pytest.fixture(scope="module")
def uncalibrated(survey):
    X, y = survey
    return forest(calibration_fraction=None).fit(X[:N_TRAIN], y[:N_TRAIN])


@pytest.fixture(scope="module")
def test(survey):
    X, y = survey
    return X[N_TRAIN:], y[N_TRAIN:]


@pytest.fixture(scope="module")
def report(pipe, uncalibrated, test):
    return Report(pipe, *test, baselines={"plain <forest>": uncalibrated}, title="A & B")


@pytest.fixture(scope="module")
def html(report):
    return report.to_html()


class Tags(HTMLParser):
    """Collects the tags of a page, and sees that all are closed."""

    VOID = {"meta", "link", "img", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]


def test_scores_are_of_galaxies_that_all_models_predict(report, pipe, test):
    X, y = test
    medians = pipe.predict_quietly(X)
    known = np.isfinite(medians).all(axis=1)
    assert known.sum() == len(X) - 1
    assert len(report.scores) == 6
    ours = report.scores[report.scores["model"] == "this model"].set_index("target")
    assert (ours["galaxies"] == known.sum()).all()
    expected = np.std(medians[known] - y[known].to_numpy(), axis=0)
    np.testing.assert_allclose(ours["sigma"], expected)


def test_intervals_are_scored(report, pipe, test):
    X, y = test
    low, high = np.moveaxis(pipe.predict_interval(X, 0.68), 2, 0)
    held = coverage(y, low, high, multioutput="raw_values")
    np.testing.assert_allclose(report.intervals["coverage"], held)


def test_the_worst_galaxy_is_the_one_furthest_off(pipe, test):
    X, y = test
    labels = y.copy()
    labels.iloc[7, 1] += 5
    worst = Report(pipe, X, labels).worst.iloc[0]
    assert worst["galaxy"] == str(X.index[7])
    assert worst["target"] == "sfr"
    assert worst["off by"] == pytest.approx(worst["predicted"] - labels.iloc[7, 1])


def test_labels_are_matched_by_name(report, pipe, uncalibrated, test):
    X, y = test
    again = Report(pipe, X, y[y.columns[::-1]], baselines={"plain <forest>": uncalibrated})
    pd.testing.assert_frame_equal(again.scores, report.scores)


def test_the_page_is_whole_and_needs_nothing_else(html):
    tags = Tags(html)
    sources = [each["src"] for each in tags.of("img")]
    assert len(sources) >= 20
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(each["alt"] for each in tags.of("img"))
    links = [each.get("href", "") for each in (*tags.of("a"), *tags.of("link"))]
    assert all(link.startswith(("#", "data:")) for link in links)
    ids = [each["id"] for _, each in tags.found if "id" in each]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)


def test_names_are_escaped(html):
    assert "<title>A &amp; B</title>" in html
    assert "plain &lt;forest&gt;" in html
    assert "plain <forest>" not in html


def test_without_labels_it_says_what_to_expect(pipe, test):
    report = Report(pipe, test[0])
    html = report.to_html()
    assert report.scores is None
    assert report.worst is None
    assert html.count("This needs labels") == 5
    assert "Scores to expect" in html


def test_a_model_without_intervals_has_a_page_too(uncalibrated, test):
    report = Report(uncalibrated, *test)
    assert "half intervals" not in report.worst
    assert report.expected is None
    assert report.to_html().count("This model has no calibrated intervals") == 3


def test_its_numbers_are_json(report):
    numbers = json.loads(report.to_json())
    assert numbers["n_predicted"] == report.n_galaxies - 1
    assert [each["name"] for each in numbers["selection"]] == ["redshift", "snr"]
    assert numbers["selection"][0]["rejected_alone"] == 1
    assert {each["flag"]: each["galaxies"] for each in numbers["flags"]}["not_predicted"] == 1


def test_a_file_is_not_overwritten(report, tmp_path, monkeypatch):
    monkeypatch.setattr(Report, "to_html", lambda self: "new")
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(FileExistsError, match="overwrite"):
        report.write_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "old"
    assert report.write_html(tmp_path / "report.html", overwrite=True).read_text() == "new"


def test_a_notebook_shows_the_page(report, monkeypatch):
    monkeypatch.setattr(Report, "to_html", lambda self: '<p class="x">&amp;</p>')
    shown = report._repr_html_()
    assert 'srcdoc="&lt;p class=&quot;x&quot;&gt;&amp;amp;&lt;/p&gt;"' in shown


def test_cross_validation_predicts_each_galaxy_once(survey):
    X, y = survey[0][:300], survey[1][:300]
    cv = KFold(3, shuffle=True, random_state=0)
    report = Report.from_cross_validation(forest(), X, y, cv=cv)
    assert report.n_galaxies == 300
    first = next(cv.split(X))
    fold = forest().fit(X.iloc[first[0]], y.iloc[first[0]])
    expected = fold.predict_quietly(X.iloc[first[1]])
    np.testing.assert_array_equal(report._outcome.medians[first[1]], expected)
    with pytest.raises(ValueError, match="exactly one test set"):
        Report.from_cross_validation(forest(), X, y, cv=ShuffleSplit(2, random_state=0))


def test_models_must_be_comparable(pipe, survey, test):
    X, y = survey
    other = sfml.make_star_formation_pipeline(
        method="random_forest", targets=("sfr", "stellar_mass"), random_state=0
    ).fit(X[:N_TRAIN], y.iloc[:N_TRAIN][["sfr", "stellar_mass"]])
    with pytest.raises(ValueError, match="must predict the same targets"):
        Report(pipe, *test, baselines={"other": other})
    with pytest.raises(TypeError, match="StarFormationPipeline"):
        Report(pipe["regress"], *test)
    with pytest.raises(ValueError, match="choose another name"):
        Report(pipe, *test, baselines={"this model": pipe})


def test_style_and_script_come_with_the_package():
    assert {"page.css", "page.js"} <= {each.name for each in files("sfml.report").iterdir()}


def test_the_command_writes_the_page(pipe, test, tmp_path, capsys):
    sfml.save(pipe, tmp_path / "model.safetensors")
    table = pd.concat(test, axis=1).reset_index(drop=True)
    table.to_parquet(tmp_path / "galaxies.parquet")
    paths = [str(tmp_path / name) for name in ("model.safetensors", "galaxies.parquet")]
    out = str(tmp_path / "page.html")
    baseline = f"again={paths[0]}"
    assert main(["report", *paths, "-o", out, "--baseline", baseline, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {each["model"] for each in said["report"]["scores"]} == {"this model", "again"}
    assert (
        "<title>model.safetensors on galaxies.parquet</title>"
        in (tmp_path / "page.html").read_text()
    )
    with pytest.raises(SystemExit):
        main(["report", *paths, "-o", out])
    assert "--overwrite" in capsys.readouterr().err


def test_the_command_works_without_labels(pipe, test, tmp_path, capsys):
    sfml.save(pipe, tmp_path / "model.safetensors")
    test[0].reset_index(drop=True).to_parquet(tmp_path / "galaxies.parquet")
    paths = [str(tmp_path / name) for name in ("model.safetensors", "galaxies.parquet")]
    assert main(["report", *paths, "-o", str(tmp_path / "page.html")]) == 0
    assert "no labels" in capsys.readouterr().out


PROBE = """
<script>
const problems = [];
window.addEventListener("error", (e) => problems.push(e.message));
window.addEventListener("load", () => {
  const tables = [...document.querySelectorAll("table")];
  const table = tables.find((t) => t.caption.textContent.startsWith("Errors"));
  const column = 2;
  const button = table.tHead.rows[0].cells[column].querySelector("button");
  const values = () => [...table.tBodies[0].rows].map((r) => Number(r.cells[column].dataset.value));
  button.click();
  const rising = values();
  button.click();
  const found = {
    problems,
    rising,
    falling: values(),
    order: table.tHead.rows[0].cells[column].getAttribute("aria-sort"),
    drawn: [...document.images].filter((i) => i.naturalWidth > 100).length,
    images: document.images.length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
  document.body.dataset.found = JSON.stringify(found);
});
</script>
"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [500, 1280])
def test_it_works_in_a_browser(html, tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is not installed")
    (tmp_path / "page.html").write_text(
        html.replace("</head>", PROBE + "</head>"), encoding="utf-8"
    )
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900"]
    dumped = subprocess.run(
        [browser, *options, "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    (body,) = Tags(dumped).of("body")
    found = json.loads(body["data-found"])
    assert found["problems"] == []
    assert found["rising"] == sorted(found["rising"])
    assert found["falling"] == sorted(found["falling"], reverse=True)
    assert len(set(found["rising"])) > 1
    assert found["order"] == "descending"
    assert found["drawn"] == found["images"] >= 20
    assert found["overflow"] <= 0


def test_selections_and_expectations_show_themselves_in_notebooks(report):
    shown = report.funnel._repr_html_()
    assert f"{report.n_galaxies - 1:,} of {report.n_galaxies:,} galaxies are selected" in shown
    assert "galaxies in which a band is missing: FUV" in shown
    shown = report.expected._repr_html_()
    assert f"{report.n_galaxies - 1:,} galaxies have a prediction, 1 have none." in shown
    assert shown.count("<table") == 2
    Tags(shown)


def test_what_was_calibrated_later_has_intervals():
    X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=2, return_X_y=True)
    kept = {"method": "random_forest", "random_state": 0}
    pipe = sfml.make_star_formation_pipeline(calibration_fraction=None, **kept)
    assert predict_outcome(pipe.fit(X[:200], y[:200]), X).lower is None
    assert predict_outcome(pipe.calibrate(X[200:], y[200:]), X).quantiles is not None
    few = sfml.make_star_formation_pipeline(**kept).fit(X[:280], y[:280])
    few.calibrate(X[280:], y[280:])  # fewer than its outermost levels need
    outcome = predict_outcome(few, X)
    assert outcome.quantiles is None
    assert np.isfinite(outcome.lower).any()
