"""
A first model
=============

From a catalogue with labels to predictions with intervals, and to a file that can be shared. The
survey is simulated and small, so that this runs anywhere in seconds: its scores are no measure of
the method.
"""

# %%
# A catalogue and its labels
# --------------------------
# `X` has fluxes and flux errors (Jy) and a redshift, `y` one column per target, in dex: log10 of
# Msun, Msun/yr and Lsun.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

import sfml

X, y = sfml.make_mock_survey(1500, n_templates=5000, random_state=0, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
print(X_train[["r_flux", "r_fluxerr", "S250_flux", "Z"]].head(3))
print(y_train.head(3).round(2))

# %%
# Train
# -----
# The default recipe takes any subset of the bands, negative fluxes and any redshift above 0. What
# it rejects nevertheless stays in the catalogue, and gets NaN for a prediction.
pipe = sfml.make_star_formation_pipeline(random_state=0).fit(X_train, y_train)
print(pipe["select"].report_)

# %%
# Score it on galaxies that it has not seen
# -----------------------------------------
# In dex.
print(sfml.metrics.score_table(y_test, pipe.predict(X_test)).round(3).to_string())

# %%
# Ask how far to trust it
# -----------------------
# One row per galaxy: medians, 16th and 84th percentiles, flags and the reasons for them.
table = pipe.predict_table(X_test)
print(table[["sfr", "sfr_p16", "sfr_p84", "flag", "reasons"]].head().round(2))

# %%
# Save it
# -------
# Loading such a file runs no code of it, and needs no TensorFlow.
with tempfile.TemporaryDirectory() as folder:
    path = sfml.save(pipe, Path(folder, "model.safetensors"))
    again = sfml.load(path)
assert again.predict_table(X_test).equals(table)

# %%
# Look at it
# ----------
# Predicted against actual, and the difference below. The closer to the line, the better the code is
# emulated; an inclined best fit says that extremes are pulled to the middle.
sfml.displays.PredictionDisplay.from_estimator(pipe, X_test, y_test, target="stellar_mass")
plt.show()
