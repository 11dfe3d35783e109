"""A model card as the README.md of a Hugging Face repository."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sfml.persistence.card import check_card
from sfml.tables.writing import write_files

_TAGS = ("astronomy", "galaxies", "sed-fitting", "star-formation")
# What has a place of its own in the text.
_PLACED = {
    *("name", "description", "licence", "citation", "authors", "model", "steps", "content_hash"),
    *("versions", "saved", "bands", "unit", "missing_codes", "redshift", "columns", "selection"),
    *("targets", "regressors", "training", "held_back_scores"),
}


def write_readme(
    path_or_card: str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Path:
    """Write a model card as a README.md that Hugging Face reads.

    Parameters
    ----------
    path_or_card : str, path or dict
        A file of `sfml.save`, or the card that `read_card` has read of one.
    out : str or path
        Where to, such as "README.md".
    overwrite : bool, default=False
        Whether to replace a file.

    Returns
    -------
    Path
        The file: Markdown, with a head in YAML.

    Raises
    ------
    FileExistsError
        If the file is there and `overwrite` is False.
    ValueError
        If there is no card.

    Examples
    --------
    >>> import tempfile
    >>> import sfml
    >>> from sfml.persistence import write_readme
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sfml.save(sfml.make_star_formation_pipeline(), f"{folder}/new.safetensors")
    ...     readme = write_readme(path, f"{folder}/README.md").read_text()
    >>> print(readme[:25])
    ---
    library_name: "sfml"
    """
    from sfml.persistence.files import read_card

    card = path_or_card if isinstance(path_or_card, Mapping) else read_card(path_or_card)
    check_card(dict(card))
    try:
        text = to_readme(card)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"The card is not such as sfml.save writes: {error!r}.") from error
    write_files({out: text}, overwrite=overwrite)
    return Path(out)


def to_readme(card: Mapping[str, Any]) -> str:
    """Write a card as Markdown with a head in YAML."""
    parts = [
        _head(card),
        f"# {_line(card.get('name') or 'A model of sfml')}",
        _text(card.get("description") or _what_it_does(card)),
        _authors(card),
        _usage(card),
        _targets(card),
        _inputs(card),
        _selection(card),
        _training(card),
        _further(card),
        _about(card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(card: Mapping[str, Any]) -> str:
    # JSON's texts and lists are YAML's too.
    head = {"library_name": "sfml", "pipeline_tag": "tabular-regression", "tags": list(_TAGS)}
    if card.get("licence"):
        head["license"] = str(card["licence"]).lower()
    lines = [f"{name}: {json.dumps(value)}" for name, value in head.items()]
    return "\n".join(["---", *lines, "---"])


def _what_it_does(card: Mapping[str, Any]) -> str:
    names = ", ".join(str(target["name"]) for target in card.get("targets", ()))
    return (
        f"Predicts {names} of galaxies from broad-band photometry, as a stellar-population-"
        "synthesis code would, with calibrated intervals."
        if names
        else f"A {card['model']} of sfml."
    )


def _authors(card: Mapping[str, Any]) -> str:
    authors = card.get("authors")
    return f"Authors: {_value(authors)}" if authors else ""


def _usage(card: Mapping[str, Any]) -> str:
    return (
        "## How to use it\n\n```python\nimport sfml\n\npipe = "
        'sfml.load("model.safetensors")  # runs no code of the file\n'
        "table = pipe.predict_table(catalogue)  # medians, percentiles 16 and 84, flags\n```"
    )


def _targets(card: Mapping[str, Any]) -> str:
    if not card.get("targets"):
        return ""
    scores = card.get("held_back_scores", {})
    rows = []
    for target in card["targets"]:
        score = scores.get(target["name"], {})
        rows.append(
            (
                target["name"],
                target["unit"] or "",
                _range(target.get("training_range")),
                *(_number(score.get(name)) for name in ("n_galaxies", "sigma", "nmad", "bias")),
                _number(score.get("coverage")),
            )
        )
    head = ("target", "unit", "labels of training", "galaxies held back", "sigma", "NMAD", "bias")
    note = (
        "Scores are those of galaxies held back from training, on which the intervals were "
        "calibrated, and networks that stop early watched their loss; coverage is that of "
        "intervals from the 16th to the 84th percentile."
    )
    text = _table((*head, "coverage"), rows)
    return f"## What it predicts\n\n{text}" + (f"\n\n{note}" if scores else "")


def _inputs(card: Mapping[str, Any]) -> str:
    if not card.get("bands"):
        return ""
    rows = [
        (
            band["name"],
            _number(band["wavelength_micron"]),
            band["flux_column"],
            band["error_column"],
        )
        for band in card["bands"]
    ]
    redshift = card.get("redshift", {})
    lines = [
        f"Fluxes and errors in {_line(card.get('unit'))}; "
        f"missing: NaN or {', '.join(map(str, card.get('missing_codes', ())))}.",
        f"Redshift: {_line(redshift.get('kind'))}"
        + (f", column `{_line(redshift['column'])}`" if redshift.get("column") else "")
        + ".",
    ]
    text = _table(("band", "wavelength (micron)", "flux", "error"), rows)
    return "## What it needs\n\n" + "\n\n".join([text, *lines])


def _selection(card: Mapping[str, Any]) -> str:
    selection = card.get("selection")
    if not selection:
        return ""
    rows = [(c["name"], c["keeps"], _number(c["rejected"])) for c in selection["cuts"]]
    return (
        f"## Selection\n\nOf {_number(selection['n_galaxies'])} galaxies given, "
        f"{_number(selection['n_selected'])} were selected.\n\n"
        + _table(("cut", "keeps", "rejected"), rows)
    )


def _training(card: Mapping[str, Any]) -> str:
    if not card.get("training"):
        return ""
    rows = [(name, _value(value)) for name, value in card["training"].items()]
    rows += [(_value(each["targets"]), each["kind"]) for each in card.get("regressors", ())]
    return "## Training\n\n" + _table(("what", "value"), rows)


def _further(card: Mapping[str, Any]) -> str:
    rows = [(name, _value(value)) for name, value in card.items() if name not in _PLACED]
    return "## What its authors add\n\n" + _table(("what", "value"), rows) if rows else ""


def _about(card: Mapping[str, Any]) -> str:
    rows = [
        ("licence", card.get("licence") or "not stated"),
        ("citation", _value(card.get("citation"))),
        ("content hash", card["content_hash"]),
        ("saved", card.get("saved", "")),
        *((f"{name} version", number) for name, number in card["versions"].items()),
    ]
    return "## About the file\n\n" + _table(("what", "value"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    return _line(value).replace("|", "\\|")


def _line(value: Any) -> str:
    """Write a value on one line, without what a browser would take for a tag."""
    return " ".join(_text(value).split())


def _text(value: Any) -> str:
    return str(value).replace("&", "&amp;").replace("<", "&lt;")


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_value(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    return _number(value) if isinstance(value, int | float) else str(value)


def _range(ends: Any) -> str:
    return "" if not ends else f"{_number(ends[0])} to {_number(ends[1])}"


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
