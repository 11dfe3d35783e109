"""The star-formation properties that are predicted, their units and their column names."""

from __future__ import annotations

TARGETS = ("stellar_mass", "sfr", "dust_luminosity")
"""Names of the paper's three targets: log10 of stellar mass (Msun), of star-formation rate
(Msun/yr, averaged over the last 0.1 Gyr) and of dust luminosity (Lsun)."""

GAMA_TARGET_COLUMNS = {
    "stellar_mass": "mass_stellar_percentile50",
    "sfr": "SFR_0_1Gyr_percentile50",
    "dust_luminosity": "L_dust_percentile50",
}
"""The column of GAMA's MagPhys table which holds each target, already in dex."""
