"""
Your own survey's bands
=======================

Nothing in the package has to be changed for another survey: its bands are a `sfml.BandSet`, with
the names that its columns have. Here is a survey in six optical and near-infrared bands, whose
catalogue has magnitudes.
"""

# %%
# Describe the bands
# ------------------
# Wavelengths are in micron, and tell bands apart; the unit is that of the fluxes. `{band}` stands
# for the name of a band.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

import sfml

bands = sfml.BandSet(
    ["g", "r", "i", "z", "Y", "J"],
    [0.48, 0.62, 0.75, 0.87, 1.02, 1.25],
    flux="f_{band}",
    error="df_{band}",
    redshift="z_best",
    unit="uJy",
)
print(bands.columns)

# %%
# Ten public surveys are described already: see `sfml.surveys.list_surveys`.
print(sfml.surveys.list_surveys())

# %%
# Read its catalogue
# ------------------
# Columns are found by name, or where `columns` says, and never guessed. Magnitudes become fluxes,
# and -99, which stands for "not observed" here, becomes NaN. The report says what was done.
X_true, y = sfml.make_mock_survey(
    1200, bands=bands, n_templates=5000, random_state=0, return_X_y=True
)
catalogue = {"ID": np.arange(len(X_true)), "zspec": X_true["z_best"].to_numpy()}
for name in bands.names:
    flux, error = X_true[f"f_{name}"].to_numpy(), X_true[f"df_{name}"].to_numpy()
    detected = flux > error
    with np.errstate(invalid="ignore", divide="ignore"):
        catalogue[f"MAG_{name.upper()}"] = np.where(detected, 23.9 - 2.5 * np.log10(flux), -99)
        catalogue[f"MAGERR_{name.upper()}"] = np.where(detected, 1.0857 * error / flux, -99)

reader = sfml.open_catalogue(
    catalogue,
    bands,
    columns={
        "f_{band}": ("MAG_{BAND}", "AB mag"),
        "df_{band}": ("MAGERR_{BAND}", "mag"),
        "z_best": "zspec",
    },
)
print(reader.report)
X = reader.read()

# %%
# Train on it
# -----------
# The same code as for GAMA, with `bands=`. Forests, here, since they are trained in seconds.
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
pipe = sfml.make_star_formation_pipeline(bands=bands, method="random_forest", random_state=0)
pipe.fit(X_train, y_train)
print(pipe["select"].report_)
print(sfml.metrics.score_table(y_test, pipe.predict(X_test)).loc[["error", "NMAD"]].round(3))

# %%
# What six bands tell
# -------------------
# Scatter and its trend with mass, on galaxies that were not learnt from.
sfml.displays.PredictionDisplay.from_estimator(pipe, X_test, y_test, target="stellar_mass")
plt.show()
