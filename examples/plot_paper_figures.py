"""
The paper's figures
===================

Figs. 1 to 13 of Surana et al. (2020), each by one call that takes any catalogue and any pipeline,
beside a sentence on what to see. Here they are of a small mock survey and of networks that trained
for a few epochs; `sfml demo` draws those of a full training.
"""

# %%
# A survey, and the paper's pipeline
# ----------------------------------
import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

import sfml
from sfml import displays

X, y = sfml.make_mock_survey(2500, n_templates=5000, random_state=0, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
pipe = sfml.make_star_formation_pipeline("surana2020", random_state=0)
pipe.set_params(**{f"regress__{target}__epochs": 150 for target in sfml.TARGETS})
pipe.fit(X_train, y_train)

# %%
# Fig. 1: redshifts
# -----------------
# How many galaxies the limit in redshift keeps, and how thin the sample becomes beyond it: a
# network learns little from so few.
displays.DistributionDisplay.from_catalogue(X, ["Z"], limits={"Z": (0, 0.5)})
plt.show()

# %%
# Fig. 2: stellar masses
# ----------------------
# The same of the limit in stellar mass, 9 in dex of Msun.
displays.DistributionDisplay.from_catalogue(y, ["stellar_mass"], limits={"stellar_mass": (9, None)})
plt.show()

# %%
# Fig. 3: low signal-to-noise ratios
# ----------------------------------
# Which bands carry little: W4 and the far infrared here, as in GAMA. Six bands of a ratio of 3 are
# asked for.
displays.LowSNRDisplay.from_catalogue(X)
plt.show()

# %%
# Fig. 4: the targets
# -------------------
# What is predicted, over orders of magnitude. Predictions are good where the histograms are high.
displays.DistributionDisplay.from_catalogue(y)
plt.show()

# %%
# Fig. 5: the network
# -------------------
# Drawn from the layers of the fitted network: inputs at the left, one output at the right. Of large
# layers both ends are shown. A line is a weight.
displays.NetworkDisplay.from_estimator(pipe, target="dust_luminosity")
plt.show()

# %%
# Figs. 6 and 7: inputs before and after standardising
# ----------------------------------------------------
# Raw fluxes differ by orders of magnitude from band to band; standardised, they have one scale, and
# still long tails, which is why recipe "sfml" takes colours instead.
displays.StandardisationDisplay.from_estimator(pipe, X_train)
plt.show()

# %%
# Fig. 8: stellar mass, predicted against actual
# ----------------------------------------------
# Dashed is the best fit, and the line the equality: their angle says how far extremes are pulled to
# the middle. Below, the difference, which should be flat and narrow.
displays.PredictionDisplay.from_estimator(pipe, X_test, y_test, target="stellar_mass")
plt.show()

# %%
# Fig. 9: SFR
# -----------
# The same; scatter grows towards low rates, where the photometry says little.
displays.PredictionDisplay.from_estimator(pipe, X_test, y_test, target="sfr")
plt.show()

# %%
# Fig. 10: dust luminosity
# ------------------------
# The paper saw low values predicted too high: look for points above zero at the left below.
displays.PredictionDisplay.from_estimator(pipe, X_test, y_test, target="dust_luminosity")
plt.show()

# %%
# Fig. 11: learning curve of the stellar mass
# -------------------------------------------
# Training and validation loss against epoch. A validation loss that turns up is a network that
# learns its training galaxies by heart; early stopping keeps the marked epoch.
displays.LossCurveDisplay.from_estimator(pipe, target="stellar_mass")
plt.show()

# %%
# Fig. 12: of the SFR
# -------------------
# The gap between both is what more galaxies would close.
displays.LossCurveDisplay.from_estimator(pipe, target="sfr")
plt.show()

# %%
# Fig. 13: of the dust luminosity
# -------------------------------
# Both losses still fall where a training was cut short: more epochs would help.
displays.LossCurveDisplay.from_estimator(pipe, target="dust_luminosity")
plt.show()
