"""The families of regressors that a method's name stands for, and the paper's networks."""

from __future__ import annotations

from typing import Any

from sfml.neural import KerasMLPRegressor

FAMILIES = ("mlp", "random_forest", "svr")
"""Methods that `make_estimator` knows: those the paper tried."""

ALL_TARGETS = "all_targets"
"""Name of the regressor which learns all targets at once."""

SURANA2020_NETWORKS: dict[str, dict[str, Any]] = {
    "stellar_mass": {"hidden_layer_sizes": (44, 66, 66), "epochs": 5000, "patience": 300},
    "sfr": {"hidden_layer_sizes": (110, 220, 110), "epochs": 1500, "patience": 500},
    "dust_luminosity": {
        "hidden_layer_sizes": (66, 110, 220, 110, 66),
        "epochs": 1700,
        "patience": 300,
    },
}
"""Table 1 of Surana et al. (2020)."""

SURANA2020_TRAINING: dict[str, Any] = {
    "activation": "relu",
    "kernel_initializer": "random_normal",
    "loss": "mean_absolute_error",
    "optimizer": "adam",
    "learning_rate": 0.001,
    "batch_size": 256,
    "validation_fraction": 0.2,
}
"""Table 2 of Surana et al. (2020), with the split and the activation of its section 2.3."""


def make_estimator(method: str, target: str) -> Any:
    """Make the regressor of a family for one target.

    Parameters
    ----------
    method : {"mlp", "random_forest", "svr"}
        "mlp" is the paper's network for this target; a target the paper has not takes the
        network of the stellar mass, and `ALL_TARGETS` that of the dust luminosity, the largest.
        The paper gives no settings for the other two methods: the forest is scikit-learn's own
        with at least 2 galaxies a leaf, the SVR has C=10 and a tube of 0.02 dex.
    target : str
        Name of the target.

    Returns
    -------
    estimator
        A new regressor, not fitted.

    Raises
    ------
    ValueError
        If the method is not known.
    """
    if method == "mlp":
        like = "dust_luminosity" if target == ALL_TARGETS else target
        network = SURANA2020_NETWORKS.get(like, SURANA2020_NETWORKS["stellar_mass"])
        return KerasMLPRegressor(**network, **SURANA2020_TRAINING)
    if method == "random_forest":
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(min_samples_leaf=2)
    if method == "svr":
        from sklearn.svm import SVR

        return SVR(C=10, epsilon=0.02, cache_size=1000)
    raise ValueError(f"The method must be one of {', '.join(FAMILIES)}; got {method!r}.")
