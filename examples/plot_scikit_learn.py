"""
Embedding in scikit-learn
=========================

Stacks, column transformers, weights, metadata routing and cross-validation; and the one idiom for
rejected rows, by which all of them work.
"""

# %%
# Rejected rows
# -------------
# A Pipeline cannot drop rows. A galaxy that the selection rejects stays in its place, is left out
# of training and scores, and gets NaN for a prediction. Most of scikit-learn refuses NaN. So the
# idiom is: **other parts of scikit-learn go inside the pipeline, as a step or a regressor**, where
# rejected rows do not reach them, and not around it.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestRegressor, StackingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_validate, train_test_split
from sklearn.preprocessing import StandardScaler

import sfml

X, y = sfml.make_mock_survey(1500, n_templates=5000, random_state=0, return_X_y=True)
X.loc[X.index[:20], "Z"] = -1.0  # no redshift: rejected
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)


def make() -> sfml.StarFormationPipeline:
    """Make a pipeline that is trained in a second."""
    return sfml.make_star_formation_pipeline(
        method="random_forest", missing="reject", random_state=0
    ).set_params(**{f"regress__{target}__n_estimators": 30 for target in sfml.TARGETS})


# %%
# A stack
# -------
# Each target may have any regressor: here a stack for the SFR. Its intervals are calibrated like
# all others.
stack = StackingRegressor(
    [
        ("forest", RandomForestRegressor(30, min_samples_leaf=2, random_state=0)),
        ("ridge", RidgeCV(np.logspace(-3, 3, 7))),
    ],
    final_estimator=RidgeCV(),
    cv=3,
)
stacked = make().set_params(regress__sfr=stack).fit(X_train, y_train)
print(stacked.predict_interval(X_test).shape)

# %%
# A column transformer
# --------------------
# A middle step may be any transformer. Names of columns reach it with pandas output: here colours
# alone are standardised, and the rest is left as it is.
scaler = ColumnTransformer(
    [("colours", StandardScaler(), make_column_selector(pattern="_asinh$"))],
    remainder="passthrough",
    verbose_feature_names_out=False,
)
columns = make().set_params(scale=scaler).set_output(transform="pandas").fit(X_train, y_train)
print(columns[:-1].get_feature_names_out()[:4])

# %%
# Weights
# -------
# One number per galaxy: 2 counts as two galaxies, 0 as none. In `fit` they go to the regressor.
weights = 1.0 + (y_train["stellar_mass"] > 11)
weighted = make().fit(X_train, y_train, sample_weight=weights)

# %%
# Metadata routing, as scikit-learn has it: say which step asks for weights, and cross-validation
# hands them on.
with sklearn.config_context(enable_metadata_routing=True):
    routed = make()
    routed["regress"].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    routed["scale"].set_fit_request(sample_weight=False)
    scores = cross_validate(
        routed,
        X_train,
        y_train,
        cv=3,
        scoring=sfml.metrics.get_scorer("neg_rmse", "sfr").set_score_request(sample_weight=True),
        params={"sample_weight": weights},
    )
print(scores["test_score"].round(3))

# %%
# Cross-validation
# ----------------
# scikit-learn's own metrics refuse the NaN of rejected galaxies; `sfml.metrics.SCORERS` leave
# them out.
scores = {
    name: cross_validate(pipe, X_train, y_train, cv=3, scoring=sfml.metrics.SCORERS)
    for name, pipe in {"forests": make(), "stack for the SFR": stacked, "colours": columns}.items()
}
print(pd.DataFrame(scores["forests"]).round(3).T.to_string())

# %%
# Around the pipeline after all
# -----------------------------
# Where another tool must see the galaxies themselves, select them first: `select` returns the rows
# that are kept.
X_kept, y_kept = make()["select"].fit(X_train, y_train).select(X_train, y_train)
print(f"{len(X_kept)} of {len(X_train)} galaxies are kept")

# %%
# Compared
# --------
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.boxplot([-each["test_neg_rmse"] for each in scores.values()], tick_labels=list(scores))
ax.set(ylabel="RMSE, dex: mean of the targets")
plt.show()
