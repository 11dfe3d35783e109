"""
Baselines
=========

Is a network worth it? Any regressor of scikit-learn takes the same selection and features, and
gets calibrated intervals and flags. So compare before you believe, on your own data.
"""

# %%
# The same galaxies for all
# -------------------------
# Ridge and the support vector machine take no NaN, so galaxies with gaps are rejected here, for
# all methods alike.
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.svm import SVR

import sfml

X, y = sfml.make_mock_survey(2000, n_templates=5000, random_state=0, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
baselines = {
    "ridge": RidgeCV(np.logspace(-3, 3, 13)),
    "random forest": RandomForestRegressor(50, min_samples_leaf=2, random_state=0),
    "boosted trees": GradientBoostingRegressor(subsample=0.5, random_state=0),
    "SVR": SVR(C=10, epsilon=0.02),
}

# %%
# Train and score
# ---------------
# The mock survey is coarse: which method wins here says nothing of real galaxies, for which see
# :doc:`/peers`.
rows = {}
for name in ("networks", *baselines):
    pipe = sfml.make_star_formation_pipeline(missing="reject", random_state=0)
    if name in baselines:
        pipe.set_params(**{f"regress__{target}": baselines[name] for target in sfml.TARGETS})
    start = time.perf_counter()
    pipe.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    predicted = pipe.predict(X_test)
    scores = sfml.metrics.score_table(y_test, predicted)
    lower, upper = np.moveaxis(pipe.predict_interval(X_test, coverage=0.68), -1, 0)
    rows[name] = {
        **scores.loc["error"],
        "68 % intervals hold": sfml.metrics.coverage(y_test, lower, upper),
        "seconds": seconds,
    }
table = pd.DataFrame(rows).T
print(table.round(3).to_string())

# %%
# At a glance
# -----------
# Sigma of each target: less is better.
ax = table[list(sfml.TARGETS)].plot.barh(figsize=(7, 4), xlabel="sigma, dex")
ax.invert_yaxis()
ax.figure.set_layout_engine("constrained")
plt.show()
