"""
Grid search over architectures
==============================

How the paper found its Table 1, for any survey: hidden layers are a parameter, and scikit-learn's
`GridSearchCV` tries them. A score that leaves NaN out is needed, since rejected galaxies have no
prediction.
"""

# %%
# One target, quickly
# -------------------
# One network instead of six, few epochs and few galaxies. A search for science trains in full: the
# best network of 30 epochs is not that of a complete training.
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import GridSearchCV

import sfml

X, y = sfml.make_mock_survey(1000, n_templates=5000, random_state=0, return_X_y=True)
pipe = sfml.make_star_formation_pipeline(targets=["stellar_mass"], random_state=0)
pipe.set_params(regress__stellar_mass__epochs=30, regress__stellar_mass__n_networks=1)

# %%
# The grid
# --------
# Each architecture is compiled once, for all folds.
search = GridSearchCV(
    pipe,
    {
        "regress__stellar_mass__hidden_layer_sizes": [
            (22,),
            (44, 44),
            (44, 66, 66),
        ]
    },
    scoring=sfml.metrics.get_scorer("neg_rmse", "stellar_mass"),
    cv=2,
).fit(X, y[["stellar_mass"]])
print(search.best_params_)

# %%
# Regressors are parameters too
# -----------------------------
# ``{"regress__stellar_mass": [RandomForestRegressor(), SVR()]}`` tries other families; see
# :ref:`sphx_glr_gallery_plot_baselines.py`.

# %%
# What came out
# -------------
# The folds scatter: differences that are smaller than the bars say nothing.
results = pd.DataFrame(search.cv_results_)
sizes = results["param_regress__stellar_mass__hidden_layer_sizes"].map(
    lambda layers: "-".join(map(str, layers))
)
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.errorbar(sizes, -results["mean_test_score"], results["std_test_score"], fmt="o", capsize=4)
ax.set(xlabel="hidden layers", ylabel="RMSE of the stellar mass, dex")
plt.show()
