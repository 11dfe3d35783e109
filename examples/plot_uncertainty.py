"""
Uncertainty
===========

Intervals, quantiles, draws and flags; how to see that they hold; and what they are the uncertainty
of.
"""

# %%
# A model whose labels have percentiles
# -------------------------------------
# With the code's own 16th and 84th percentiles in y, the width of its posterior is learnt too.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

import sfml

X, y = sfml.make_mock_survey(
    2500, n_templates=5000, random_state=0, return_X_y=True, percentiles=True
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
pipe = sfml.make_star_formation_pipeline(random_state=0)
pipe.set_params(**{f"regress__{target}__epochs": 60 for target in sfml.TARGETS})
pipe.fit(X_train, y_train)

# %%
# Of what?
# --------
# "emulator": how far the prediction may be from the code's answer. "sps": how wide the code's own
# posterior is. "total": both in quadrature.
for uncertainty in ("emulator", "sps", "total"):
    interval = pipe.predict_interval(X_test, coverage=0.68, uncertainty=uncertainty)
    widths = np.nanmedian(interval[..., 1] - interval[..., 0], axis=0)
    print(f"{uncertainty:9}", dict(zip(sfml.TARGETS, widths.round(2).tolist(), strict=True)))

# %%
# Do they hold?
# -------------
# On galaxies that were neither learnt from nor calibrated on.
levels = (0.16, 0.5, 0.84)
quantiles = pipe.predict_quantiles(X_test, levels)
print(sfml.metrics.interval_table(y_test, quantiles, levels).round(3).to_string())

# %%
# A quantity made of two targets
# ------------------------------
# The specific star-formation rate needs the joint distribution: errors of mass and SFR may go
# together. `predict_combination` gives its quantiles, `sample` the draws themselves.
ssfr = pipe.predict_combination(X_test, {"sfr": 1, "stellar_mass": -1})
print(ssfr[:3].round(2))  # percentiles 16, 50 and 84, dex (1/yr)
draws = pipe.sample(X_test[:5], 200, random_state=0)
print(draws.shape)

# %%
# Without labels
# --------------
# What to expect of a catalogue that no code has fitted, and what is odd about it.
print(pipe.expected_scores(X_test))

# %%
# Look at it
# ----------
# Intervals hold the share of galaxies that they claim where the line is the diagonal.
sfml.displays.CoverageDisplay.from_estimator(pipe, X_test, y_test)
plt.show()

# %%
# PIT values, the places of the labels in their predicted distributions, are spread evenly if the
# whole distributions are right. A hump in the middle: too wide. Horns at both ends: too narrow.
sfml.displays.PITDisplay.from_estimator(pipe, X_test, y_test)
plt.show()
