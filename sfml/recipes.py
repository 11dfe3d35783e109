"""The recipes: what each family of regressors is made of, in one place."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import get_tags

from sfml.features.flux_features import BRIGHTNESS, REDSHIFT_FEATURES
from sfml.neural import KerasMLPRegressor
from sfml.uncertainty import LEVELS

RECIPES = ("sfml", "surana2020")
"""Recipes that `make_star_formation_pipeline` knows."""

FAMILIES = ("mlp", "random_forest", "svr")
"""Methods that `make_estimator` knows: those the paper tried."""

ALL_TARGETS = "all_targets"
"""Name of the regressor which learns all targets at once."""

CUTS: dict[str, dict[str, Any]] = {
    "surana2020": {
        "z_range": (0, 0.5),
        "stellar_mass_range": (9, None),
        "missing": "reject",
        "negative": "reject",
        "min_bands": 6,
        "min_snr": 3,
    },
    "sfml": {
        "z_range": (0, None),
        "stellar_mass_range": None,
        "missing": "allow",
        "negative": "allow",
        "min_bands": 3,
        "min_snr": 3,
    },
}
"""The cuts of each recipe: those of section 2.1 of Surana et al. (2020), and next to none."""

NOISE_FACTOR = 3.0
"""How many times noisier the catalogues may be that recipe "sfml" serves."""

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
    "saturation": 0.0,
}
"""Table 2 of Surana et al. (2020), with the split and the activation of its section 2.3. Beyond the
galaxies of training, of which the paper does not speak, inputs saturate."""

SFML_NETWORKS: dict[str, dict[str, Any]] = {
    "stellar_mass": {"offset_feature": BRIGHTNESS},
    "sfr": {"offset_feature": BRIGHTNESS},
    "dust_luminosity": {"offset_feature": BRIGHTNESS},
}
"""Where the targets of recipe "sfml" differ: docs/recipe.md says what each setting buys. All three
grow with a galaxy's brightness, to which the networks learn the ratio; set alike, they are one."""

SFML_TRAINING: dict[str, Any] = {
    "hidden_layer_sizes": (96, 96, 96),
    "activation": "silu",
    "kernel_initializer": "he_normal",
    "loss": "mean_absolute_error",
    "optimizer": "adam",
    "learning_rate": 0.02,
    "schedule": "one_cycle",
    "weight_decay": 0.01,
    "batch_size": 512,
    "epochs": 100,
    "patience": None,
    "validation_fraction": 0.2,
    "quantiles": LEVELS,
    "fill_missing": True,
    "saturation": 0.0,
    "extrapolated_features": REDSHIFT_FEATURES,
    "scale_target": True,
    "n_networks": 6,
}
"""What the networks of recipe "sfml" share."""


def make_estimator(method: str, target: str, recipe: str = "surana2020") -> Any:
    """Make the regressor of a family ("mlp", "random_forest", "svr") for one target.

    "mlp" is the recipe's network; a target that the paper does not have takes that of the stellar
    mass, and `ALL_TARGETS` that of the dust luminosity, the largest. The paper gives no settings
    for the other methods: the forest is scikit-learn's with at least 2 galaxies per leaf, the SVR
    has C=10 and a tube of 0.02 dex.
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
    known = "dust_luminosity" if target == ALL_TARGETS else target
    if recipe == "sfml":
        # Other targets are not taken to grow with the brightness.
        return SFML_TRAINING | SFML_NETWORKS.get(known, {"ignored_features": (BRIGHTNESS,)})
    network = SURANA2020_NETWORKS.get(known, SURANA2020_NETWORKS["stellar_mass"])
    return SURANA2020_TRAINING | network


def width_regressor(regressor: Any) -> Any:
    """Make the regressor of the widths of the SPS code's posterior, of the family of another one.

    Widths do not grow with a galaxy's brightness, and need neither quantiles nor many networks.
    """
    new = clone(regressor)
    if isinstance(new, KerasMLPRegressor):
        offset = () if new.offset_feature is None else (new.offset_feature,)
        return new.set_params(
            offset_feature=None,
            ignored_features=(*new.ignored_features, *offset),
            quantiles=None,
            n_networks=min(2, new.n_networks),
            warm_start=False,
            random_state=None,
        )
    if "random_state" in new.get_params():
        new.set_params(random_state=None)
    return new if get_tags(new).target_tags.multi_output else MultiOutputRegressor(new)
