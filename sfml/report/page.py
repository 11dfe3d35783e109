"""Pieces of a self-contained HTML page."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files
from io import BytesIO
from typing import Any, NamedTuple

import pandas as pd


class Section(NamedTuple):
    """A part of the page: its anchor, its heading, and its HTML."""

    name: str
    heading: str
    html: str


def paragraph(text: str) -> str:
    """Write text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def note(text: str) -> str:
    """Write text that says what is left out, and why."""
    return f'<p class="note">{escape(text)}</p>'


def table(
    frame: pd.DataFrame, caption: str, formats: Mapping[str, Callable[[Any], str]] | None = None
) -> str:
    """Write a table, whose first column names the rows; its columns can be sorted.

    `formats` says how the values of a column are written; by default as text, numbers to four
    decimals.
    """
    formats = formats or {}
    heads = "".join(
        f'<th scope="col" aria-sort="none"{_class_of(frame[column])}><button type="button">'
        f'{escape(str(column))}<span class="order" aria-hidden="true"></span></button></th>'
        for column in frame
    )
    rows = []
    for values in frame.itertuples(index=False):
        cells = [
            _cell(value, formats.get(str(column)), tag="td" if i else "th")
            for i, (column, value) in enumerate(zip(frame, values, strict=True))
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        '<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(caption)}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _class_of(column: pd.Series) -> str:
    return ' class="number"' if pd.api.types.is_numeric_dtype(column) else ""


def _cell(value: Any, write: Callable[[Any], str] | None, tag: str) -> str:
    scope = ' scope="row"' if tag == "th" else ""
    if isinstance(value, str) or value is None:
        return f"<{tag}{scope}>{escape(value or '')}</{tag}>"
    if not math.isfinite(value):
        return f'<{tag}{scope} class="number">–</{tag}>'
    shown = write(value) if write else _number(value)
    return f'<{tag}{scope} class="number" data-value="{float(value)!r}">{escape(shown)}</{tag}>'


def _number(value: float) -> str:
    return f"{value:,}" if float(value).is_integer() and abs(value) >= 1 else f"{value:.4f}"


def figure(drawn: Any, alt: str, caption: str = "") -> str:
    """Put a matplotlib figure into the page, as PNG."""
    stored = BytesIO()
    drawn.savefig(stored, format="png", dpi=110, facecolor="white")
    data = base64.b64encode(stored.getvalue()).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{data}">{below}</figure>'


def definitions(values: Mapping[str, Any]) -> str:
    """Write nested values as a list of names and what they are."""
    items = []
    for name, value in values.items():
        shown = definitions(value) if isinstance(value, Mapping) else escape(_as_text(value))
        items.append(f"<dt>{escape(str(name).replace('_', ' '))}</dt><dd>{shown}</dd>")
    return f"<dl>{''.join(items)}</dl>"


def _as_text(value: Any) -> str:
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], Mapping):
            return ", ".join(str(next(iter(each.values()))) for each in value)
        return ", ".join(map(_as_text, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return "not said" if value is None else str(value)


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Put sections together into a page that needs nothing but itself."""
    style, script = (
        files("sfml.report").joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", "page.js")
    )
    links = "".join(f'<li><a href="#{s.name}">{escape(s.heading)}</a></li>' for s in sections)
    body = "".join(
        f'<section id="{s.name}" aria-labelledby="{s.name}-heading">'
        f'<h2 id="{s.name}-heading">{escape(s.heading)}</h2>{s.html}</section>'
        for s in sections
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{style}</style>'
        '</head><body><a class="skip" href="#main">Skip to the report</a>'
        f"<header><h1>{escape(title)}</h1>{lead}</header>"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>'
        f'<main id="main" tabindex="-1">{body}</main><script>{script}</script></body></html>'
    )
