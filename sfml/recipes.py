"""The recipes: what each family of regressors is made of, in one place."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import get_tags

from sfml.neural import KerasMLPRegressor
from sfml.uncertainty import LEVELS

RECIPES = ("sfml", "surana2020")
"""Recipes that `make_star_formation_pipeline` knows."""

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

SFML_NETWORKS: dict[str, dict[str, Any]] = {
    "stellar_mass": {"offset_feature": -1},
    "sfr": {"offset_feature": -1, "weight_decay": 0.03},
    "dust_luminosity": {"offset_feature": -1},
}
"""Where the targets of recipe "sfml" differ: docs/recipe.md says what each setting buys."""

SFML_TRAINING: dict[str, Any] = {
    "hidden_layer_sizes": (64, 64, 64),
    "activation": "silu",
    "kernel_initializer": "he_normal",
    "loss": "mean_absolute_error",
    "optimizer": "adam",
    "learning_rate": 0.02,
    "schedule": "one_cycle",
    "batch_size": 256,
    "epochs": 60,
    "patience": None,
    "validation_fraction": 0.2,
    "quantiles": LEVELS,
    "fill_missing": True,
    "scale_target": True,
    "n_networks": 6,
}
"""What the networks of recipe "sfml" share."""


def make_estimator(method: str, target: str, recipe: str = "surana2020") -> Any:
    """Make the regressor of a family for one target.

    Parameters
    ----------
    method : {"mlp", "random_forest", "svr"}
        "mlp" is the recipe's network for this target. The paper gives no settings for the other
        two methods: the forest is scikit-learn's own with at least 2 galaxies a leaf, the SVR has
        C=10 and a tube of 0.02 dex.
    target : str
        Name of the target, or `ALL_TARGETS`. With recipe "surana2020", a target which the paper
        has not takes the network of the stellar mass, and `ALL_TARGETS` that of the dust
        luminosity, the largest. With recipe "sfml", a target which is not one of `TARGETS` is
        not taken to grow with a galaxy's brightness.
    recipe : {"sfml", "surana2020"}, default="surana2020"
        Which networks.

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
        return KerasMLPRegressor(**_network(target, recipe))
    if method == "random_forest":
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(min_samples_leaf=2)
    if method == "svr":
        from sklearn.svm import SVR

        return SVR(C=10, epsilon=0.02, cache_size=1000)
    raise ValueError(f"The method must be one of {', '.join(FAMILIES)}; got {method!r}.")


def _network(target: str, recipe: str) -> dict[str, Any]:
    like = "dust_luminosity" if target == ALL_TARGETS else target
    if recipe == "sfml":
        # The last feature is a brightness: other targets are not taken to grow with it.
        return SFML_TRAINING | SFML_NETWORKS.get(like, {"ignored_features": (-1,)})
    network = SURANA2020_NETWORKS.get(like, SURANA2020_NETWORKS["stellar_mass"])
    return SURANA2020_TRAINING | network


def width_regressor(like: Any) -> Any:
    """Make the regressor of the widths of the SPS code's posterior.

    Parameters
    ----------
    like : estimator
        A regressor of a target: that of the widths is of its family. Widths do not grow with a
        galaxy's brightness, and need neither quantiles nor many networks.

    Returns
    -------
    estimator
        A new regressor of several outputs, not fitted and without a seed.
    """
    if isinstance(like, KerasMLPRegressor):
        ignored = () if like.offset_feature is None else (like.offset_feature,)
        return clone(like).set_params(
            offset_feature=None,
            ignored_features=(*like.ignored_features, *ignored),
            quantiles=None,
            n_networks=min(2, like.n_networks),
            random_state=None,
        )
    own = clone(like)
    if "random_state" in own.get_params():
        own.set_params(random_state=None)
    return own if get_tags(own).target_tags.multi_output else MultiOutputRegressor(own)
