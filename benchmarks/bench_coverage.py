"""Whether a library of Bagpipes' models, with a survey's noise, covers the survey.

Models of the default prior (masses from 10^8 to 10^12 Msun, the catalogue's redshifts) are observed
with the noise that `SurveyNoise` learns from the catalogue, and compared with it by
`coverage_report`. Needs the extra "bagpipes".

    python benchmarks/bench_coverage.py hatlas_gama.csv [--models 3000] [--figure coverage.png]
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import sfml
from sfml.simulate import BagpipesPrior, SurveyNoise, Uniform, bagpipes_library, coverage_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help="file with GAMA's columns; default: a mock")
    parser.add_argument("--models", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--quick", action="store_true", help="few models and bands")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "Fewer than 100 galaxies are detected")
    n_models = 600 if args.quick else args.models
    if args.catalogue is None:
        catalogue = sfml.make_mock_survey(1500, random_state=0)
    else:
        catalogue = sfml.read_catalogue(args.catalogue)
    bands = sfml.GAMA.only(*(b for b in sfml.GAMA.names if f"{b}_flux" in catalogue))
    bands = bands.only("u", "g", "r", "i", "K") if args.quick else bands
    redshift = catalogue[bands.redshift]
    prior = BagpipesPrior(
        redshift=Uniform(float(redshift.min()), float(redshift.max())),
        log_mass_formed=Uniform(8.0, 12.0),
    )
    library = bagpipes_library(n_models, bands, prior=prior, n_jobs=args.jobs, random_state=0)
    noise = SurveyNoise.fit(catalogue, bands)
    simulated, _ = noise.observe(library, n_models, random_state=0)
    report = coverage_report(catalogue, simulated, bands, random_state=0)
    print(report)
    print(report.bands.round(3).to_string())
    print(report.colours.round(3).to_string())
    if args.figure is not None:
        import matplotlib as mpl

        mpl.use("Agg")
        from sfml.displays import SurveyCoverageDisplay

        SurveyCoverageDisplay.from_report(report).figure_.savefig(args.figure, dpi=120)


if __name__ == "__main__":
    main()
