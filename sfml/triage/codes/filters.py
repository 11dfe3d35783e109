"""Which filter of an SPS code each band is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from sfml.bands import GAMA, BandSet

Filter = TypeVar("Filter", int, str)


def filters_of(
    bands: BandSet,
    defaults: Mapping[str, Filter],
    given: Mapping[str, Filter] | None,
    *,
    parameter: str,
    advice: str,
) -> list[Filter]:
    """Find the filter of each band: the one given, else the default of GAMA's own bands.

    `parameter` is what the user's mapping is called, and `advice` says where the code lists its
    filters. Raises where a band has no filter, two have one, or the mapping has an entry for no
    band.
    """
    given = given or {}
    strange = [name for name in given if name not in bands.names and name not in GAMA.names]
    if strange:
        raise ValueError(
            f"{parameter} has entries for {', '.join(strange)}, which are no bands of this set: "
            f"{', '.join(bands.names)}."
        )
    known = {**{name: defaults[name] for name in defaults if bands.is_gama_band(name)}, **given}
    absent = [name for name in bands.names if name not in known]
    if absent:
        raise ValueError(
            f"No filter is known for {', '.join(absent)}. Name it in {parameter}, such as "
            f"{{{absent[0]!r}: {defaults['r']!r}}}: {advice}"
        )
    filters = [known[name] for name in bands.names]
    repeated = sorted({name for name in filters if filters.count(name) > 1})
    if repeated:
        raise ValueError(f"Each band needs a filter of its own; these repeat: {repeated}.")
    return filters
