"""
RAIL
====

Two stages around a pipeline for RAIL, the framework of the LSST Dark Energy Science Collaboration:
one informs (trains), the other estimates, and gives each target's distributions as a `qp` ensemble.
"""

# %%
# A table as RAIL has it
# ----------------------
# A dict of arrays, labels among them.
import matplotlib.pyplot as plt
import numpy as np

import sfml
from sfml.export.rail import SfmlEstimator, SfmlInformer

X, y = sfml.make_mock_survey(1500, n_templates=5000, random_state=0, return_X_y=True)
table = {name: column.to_numpy() for name, column in {**X, **y}.items()}
training = {name: values[:1000] for name, values in table.items()}
new = {name: values[1000:] for name, values in table.items()}

# %%
# Inform
# ------
# `options` are arguments of `sfml.make_star_formation_pipeline`; the bands are GAMA's by default.
informer = SfmlInformer.make_stage(
    name="inform",
    hdf5_groupname="",
    output_mode="return",
    options={"method": "random_forest", "random_state": 0},
)
model = informer.inform(training)

# %%
# Estimate
# --------
# One ensemble per target. Rows stay: a galaxy without a prediction keeps its place and is marked in
# ``ancil``.
estimator = SfmlEstimator.make_stage(
    name="estimate", model=model, hdf5_groupname="", output_mode="return", target="sfr"
)
ensemble = estimator.estimate(new).data
print(ensemble.npdf, sorted(ensemble.ancil))

# %%
# Three galaxies' distributions
# -----------------------------
grid = np.linspace(-3, 2, 400)
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for k, density in enumerate(ensemble[:3].pdf(grid)):
    (line,) = ax.plot(grid, density, label=f"galaxy {k}")
    ax.axvline(new["sfr"][k], color=line.get_color(), ls="--", lw=1)
ax.set(xlabel="log10 SFR, Msun/yr (dashed: the label)", ylabel="density")
ax.legend()
plt.show()
