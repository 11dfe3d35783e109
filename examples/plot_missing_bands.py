"""
Missing bands
=============

One model serves any subset of the bands. In training each galaxy is also shown without some of its
own, so that a network learns what each subset can tell: errors grow with what is missing, and the
intervals with them.
"""

# %%
# A survey whose galaxies lack different bands
# --------------------------------------------
# The mock survey has the gaps of GAMA: a galaxy outside of a field of GALEX lacks FUV and NUV.
# Missing is NaN, or a code that the band set declares; a negative flux is a measurement.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

import sfml

X, y = sfml.make_mock_survey(2000, n_templates=5000, random_state=0, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
pipe = sfml.make_star_formation_pipeline(random_state=0)
pipe.set_params(**{f"regress__{target}__epochs": 60 for target in sfml.TARGETS})
pipe.fit(X_train, y_train)

# %%
# The same galaxies with fewer bands
# ----------------------------------
# A table may also lack the columns altogether: that is one warning, and the same prediction.
gone = {
    "all 21": (),
    "no GALEX": ("FUV", "NUV"),
    "no Herschel": ("P100", "P160", "S250", "S350", "S500"),
    "optical only": tuple(b for b in sfml.GAMA.names if b not in ("u", "g", "r", "i", "z")),
}
rows = []
for name, bands in gone.items():
    fewer = X_test.copy()
    fewer[[f"{band}_{kind}" for band in bands for kind in ("flux", "fluxerr")]] = np.nan
    scores = sfml.metrics.score_table(y_test, pipe.predict(fewer)).loc["error"]
    lower, upper = np.moveaxis(pipe.predict_interval(fewer, coverage=0.68), -1, 0)
    inside = sfml.metrics.coverage(y_test, lower, upper, multioutput="raw_values")
    named = {f"{target} inside": share for target, share in zip(y, inside, strict=True)}
    rows.append({"bands": name, **scores, **named})
table = pd.DataFrame(rows).set_index("bands")
print(table.round(3).to_string())

# %%
# Errors and what intervals hold
# ------------------------------
# Without the far infrared the dust luminosity suffers most. Intervals are calibrated for the
# mixture of gaps in training, not for each subset of the bands: of some they hold less than 68 %,
# of others more.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
table[list(sfml.TARGETS)].plot.barh(ax=left, legend=False, xlabel="sigma, dex", ylabel="")
table[[f"{t} inside" for t in sfml.TARGETS]].set_axis(list(sfml.TARGETS), axis=1).plot.barh(
    ax=right, xlabel="share inside of 68 % intervals", ylabel=""
)
right.axvline(0.68, color="black", lw=1)
right.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
right.set_yticklabels([])
for ax in (left, right):
    ax.invert_yaxis()
plt.show()
