"""
LSDB at scale
=============

Predictions where the data lie: an LSDB catalogue (HATS) stays lazy and is predicted partition by
partition, on one machine or many. What a galaxy gets is what `predict_table` gives it, to the last
bit, however the catalogue is cut.
"""

# %%
# A model and a catalogue on the sky
# ----------------------------------
# Coordinates are made up. A real catalogue is opened with ``lsdb.open_catalog("hats/catalogue")``.
import lsdb
import matplotlib.pyplot as plt
import numpy as np

import sfml
from sfml.scale import predict_catalog

X, y = sfml.make_mock_survey(1500, n_templates=5000, random_state=0, return_X_y=True)
pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
pipe.fit(X[:700], y[:700])

rng = np.random.default_rng(1)
sky = X[700:].assign(
    objectId=np.arange(800), ra=rng.uniform(129, 141, 800), dec=rng.uniform(-2, 3, 800)
)
catalog = lsdb.from_dataframe(sky, ra_column="ra", dec_column="dec", partition_rows=200)
print(f"{catalog.npartitions} partitions")

# %%
# Check the unit first
# --------------------
# A partition is never refused, since one odd patch of sky should not end a run: a sample tells.
pipe.predict_table(catalog.head(500))

# %%
# Predict
# -------
# Lazy: nothing is computed before it is asked for. `keep` names columns to carry along;
# ``predictions.write_catalog("hats/predictions")`` would write them without gathering them.
predictions = predict_catalog(catalog, pipe, keep=["objectId", "ra", "dec"])
print(list(predictions.columns))
table = predictions.compute(progress_bar=False)

# %%
# The same bits as at once
# ------------------------
at_once = pipe.predict_table(sky.set_index("objectId"))
by_parts = table.set_index("objectId").loc[at_once.index]
assert np.array_equal(by_parts["sfr"].to_numpy(float), at_once["sfr"].to_numpy(), equal_nan=True)

# %%
# On the sky
# ----------
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
points = ax.scatter(
    table["ra"].to_numpy(float),
    table["dec"].to_numpy(float),
    c=table["sfr"].to_numpy(float, na_value=np.nan),
    s=10,
)
ax.set(xlabel="right ascension, deg", ylabel="declination, deg")
ax.invert_xaxis()
figure.colorbar(points, label="log10 SFR, Msun/yr")
plt.show()
