"""
Training without labels
=======================

Where no code has fitted any of a survey's galaxies, learn from models: a library of an SPS code's
noise-free fluxes with true parameters, observed with the noise, gaps and selection of the survey,
which are learnt from its catalogue alone.
"""

# %%
# The catalogue, and a library
# ----------------------------
# `mock_library` stands for a real one: `ModelLibrary.from_table` takes the models of FSPS,
# Bagpipes, CIGALE and others as any table.
import matplotlib.pyplot as plt
import numpy as np

import sfml
from sfml.simulate import SurveyNoise, make_training_survey, mock_library, two_sample_auc

bands = sfml.GAMA.only("u", "g", "r", "i", "z", "Y", "J", "H", "K")
catalogue, labels = sfml.make_mock_survey(
    2000, bands=bands, n_templates=5000, random_state=0, return_X_y=True
)
library = mock_library(4000, bands, random_state=1)

# %%
# Learn the noise, without labels
# -------------------------------
noise = SurveyNoise.fit(catalogue, bands)
print(noise)

# %%
# Observe the models as the survey would
# --------------------------------------
# The classifier tells how alike real and simulated galaxies are: 0.5 is not to be told apart.
X, y = make_training_survey(library, noise, 3000, random_state=0)
print(f"two-sample AUC: {two_sample_auc(catalogue, X, bands, random_state=0):.2f}")

# %%
# Train and predict
# -----------------
# Labels are true parameters, so that intervals are those of the posterior under the library's
# prior.
pipe = sfml.make_star_formation_pipeline(bands=bands, method="random_forest", random_state=0)
pipe.fit(X, y)
table = pipe.predict_table(catalogue)
print(table[["stellar_mass", "stellar_mass_p16", "stellar_mass_p84", "reasons"]].head().round(2))

# %%
# Real and simulated colours
# --------------------------
# Where the simulated galaxies leave gaps in the real ones, nothing was learnt. Beside them, what a
# code says of the galaxies against what was learnt without it: they agree within the code's own
# errors, and not better.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for data, name in ((X, "simulated"), (catalogue, "catalogue")):
    flux = data[["g_flux", "r_flux", "K_flux"]].where(lambda f: f > 0)
    left.plot(
        -2.5 * np.log10(flux["g_flux"] / flux["r_flux"]),
        -2.5 * np.log10(flux["r_flux"] / flux["K_flux"]),
        ".",
        ms=2,
        alpha=0.6,
        label=name,
    )
left.set(xlabel="g - r", ylabel="r - K")
left.legend(markerscale=6)
right.plot(labels["stellar_mass"], table["stellar_mass"], ".", ms=2)
right.axline((10, 10), slope=1, color="black", lw=1)
right.set(xlabel="log10 stellar mass, a code's fit", ylabel="log10 stellar mass, without labels")
plt.show()
