"""
Back to the SPS code
====================

Which galaxies deserve an hour of an SPS code? Those of which the model is least sure. They are
fitted with a real code, Bagpipes, merged into the labels with their provenance, and learnt from.
Here the code has three free parameters and few live points, so that it takes seconds.
"""

# %%
# Train on models of the code, without dusty ones
# -----------------------------------------------
# The prior of the models is that of the fits too.
import matplotlib.pyplot as plt
import numpy as np

import sfml
from sfml import triage
from sfml.simulate import BagpipesPrior, SurveyNoise, Uniform, bagpipes_library

bands = sfml.GAMA.only("NUV", "u", "g", "r", "i", "K", "W1", "W3", "S250")
prior = BagpipesPrior(
    redshift=Uniform(0.02, 0.2),
    log_mass_formed=Uniform(9.5, 11.5),
    age=Uniform(0.5, 11.0),
    **{"tau": 2.0, "metallicity": 1.0, "birth_cloud": 2.0, "dust_slope": 0.7},
    **{"umin": 1.0, "qpah": 2.5, "gamma": 0.02, "log_u": -3.0},
)
library = bagpipes_library(700, bands, prior=prior, random_state=0)
depths = dict(zip(bands.names, (21, 22, 22.5, 22.5, 22, 21, 19.5, 16, 13.5), strict=True))
noise = SurveyNoise.from_depths(depths, bands, relative_error=0.05)
X, truth = noise.observe(library, 700, random_state=0)
X, truth = X.reset_index(drop=True), truth.reset_index(drop=True)
y = truth[list(sfml.TARGETS)]

known = np.flatnonzero((truth["A_V"] < truth["A_V"].quantile(0.8)) & (truth.index < 500))
pool = np.arange(500, 700)
labels = y.copy()
labels.iloc[np.setdiff1d(np.arange(700), known)] = np.nan  # no code has fitted the others yet

pipe = sfml.make_star_formation_pipeline(bands=bands, random_state=0)
pipe.set_params(**{f"regress__{target}__epochs": 30 for target in sfml.TARGETS})
pipe.fit(X.iloc[known], labels.iloc[known])

# %%
# Choose the doubtful
# -------------------
table = pipe.predict_table(X.iloc[pool])
chosen = pool[triage.choose(table, 3, by="width")]
print(table.loc[chosen, ["sfr", "sfr_p16", "sfr_p84", "reasons"]].round(2))

# %%
# Fit them with the code itself
# -----------------------------
# In science, with the defaults: all parameters free, and more live points.
results = triage.fit_bagpipes(
    X, chosen, bands=bands, prior=prior, n_live=50, n_networks=0, random_state=0
)
print(results.round(2).T)

# %%
# Merge, and learn from the result
# --------------------------------
# `merge` keeps where each label came from, and overwrites none without being told.
merged, provenance = triage.merge(
    X, labels, results, code="Bagpipes", code_version="1.3.6", requested=chosen
)
print(provenance["status"].value_counts().to_string())
rows = np.concatenate([known, chosen])
better, _ = triage.refit(pipe, X.iloc[rows], merged.iloc[rows], warm_start=False)

# %%
# What the code says of them
# --------------------------
# Bars span the 16th to the 84th percentile. Three galaxies close the loop; what it gains, with a
# hundred and fifty, stands in the page on uncertainty.
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
place = np.arange(len(chosen))
for ax, target in zip(axes, sfml.TARGETS, strict=True):
    for k, (name, said) in enumerate({"sfml": table.loc[chosen], "Bagpipes": results}.items()):
        middle = said[target].to_numpy()
        error = [middle - said[f"{target}_p16"], said[f"{target}_p84"] - middle]
        ax.errorbar(place + 0.2 * (k - 0.5), middle, error, fmt="o", label=name, capsize=3)
    ax.plot(place, y.loc[chosen, target], "_k", ms=30, label="true")
    ax.set_xticks(place, [f"galaxy {row}" for row in chosen])
    ax.set_title(target.replace("_", " "))
axes[0].set_ylabel("dex")
axes[0].legend()
plt.show()
