"""Saving and loading: from a pipeline to a file, and back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfml.persistence.card import check_card, make_card, versions
from sfml.persistence.container import Header, read_arrays, read_header, write_container
from sfml.persistence.decoder import decode
from sfml.persistence.encoder import FORMAT, Encoded, digest_of, encode

_KEYS = {"format", "card", "objects", "arrays"}


def save(
    pipe: Any,
    path: str | os.PathLike[str],
    *,
    card: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Save a pipeline in a file that a colleague can open without fear: no code runs on load.

    The file is a safetensors file. Its header holds the structure and a model card as JSON, which
    `sfml.persistence.read_card` reads without loading the model. Saved are the pipelines that
    `make_star_formation_pipeline` makes, and their parts, fitted or not; `joblib.dump` saves any
    other, in a file to be trusted.

    Parameters
    ----------
    pipe : StarFormationPipeline or estimator
        What to save.
    path : str or path
        Where to; ``model.safetensors``, say. Its folder is made if it is not there.
    card : dict, default=None
        What to add to the model card, such as ``name``, ``description``, ``authors``, ``licence``,
        ``citation``, ``training_data`` or ``scores``: numbers, texts, lists and dicts of them. What
        the pipeline itself tells cannot be changed.
    overwrite : bool, default=False
        Whether to replace a file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        If the pipeline holds what cannot be saved, such as a Keras optimizer or a regressor of
        another library: the error says where.
    ValueError
        If the card cannot be written as JSON, or names what the pipeline tells itself.
    FileExistsError
        If the file is there and `overwrite` is False.

    Warns
    -----
    UserWarning
        If networks have callbacks, which serve training alone and are not saved.

    See Also
    --------
    load : Reads the file.

    Examples
    --------
    >>> import tempfile
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    >>> pipe = pipe.set_params(**{f"regress__{t}__n_estimators": 5 for t in sfml.TARGETS})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/model.safetensors"
    ...     file = sfml.save(pipe.fit(X, y), path, card={"licence": "CC-BY-4.0"})
    ...     same = sfml.load(path)
    >>> bool((same.predict(X[:5]) == pipe.predict(X[:5])).all())
    True
    """
    encoded = encode(pipe)
    if encoded.left_out:
        warnings.warn(
            f"The parameter {', '.join(sorted(encoded.left_out))!r} of networks is not saved: it "
            "serves training alone.",
            UserWarning,
            stacklevel=2,
        )
    document = {
        "format": FORMAT,
        "card": make_card(pipe, encoded.content_hash(), card),
        "objects": encoded.objects,
        "arrays": encoded.places,
    }
    _check_can_be_read(encoded)
    write_container(path, document, encoded.arrays, overwrite=overwrite)
    return Path(path)


def load(path: str | os.PathLike[str]) -> Any:
    """Load what `save` has saved. Nothing in the file can run code.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    StarFormationPipeline or estimator
        As it was when it was saved: its predictions are the same to the last bit on the same
        machine, it can be cloned, and fitted again.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no file of `save`, is damaged, or is of a version that cannot be read: the error
        says which.

    See Also
    --------
    save : Writes the file, with an example.
    sfml.persistence.read_card : Reads what the file says of its model, without loading it.

    Examples
    --------
    >>> import tempfile
    >>> import sfml
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sfml.save(sfml.make_star_formation_pipeline(), f"{folder}/new.safetensors")
    ...     sfml.load(path).named_steps["select"].min_bands
    3
    """
    header = _read_model_header(path)
    try:
        return _load_checked(path, header)
    except ValueError as error:
        raise ValueError(
            f"{os.fspath(path)} cannot be loaded: {error}{_other_versions(header.document['card'])}"
        ) from error


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the model card of a file, without its arrays.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    dict
        What `make_card` has told of the model: bands, targets, selection, training, scores of
        galaxies held back, versions, content hash, licence, citation, and what its author added.

    Raises
    ------
    ValueError
        If it is no file of `sfml.save`, or is of a version that cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import sfml
    >>> from sfml.persistence import read_card
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sfml.save(sfml.make_star_formation_pipeline(), f"{folder}/new.safetensors")
    ...     read_card(path)["targets"][0]
    {'name': 'stellar_mass', 'unit': 'dex (Msun)'}
    """
    return _read_model_header(path).document["card"]


def content_hash(pipe: Any) -> str:
    """Compute the SHA-256 of all that a pipeline is: its parameters, and what it has learnt.

    Parameters
    ----------
    pipe : StarFormationPipeline or estimator
        One that `save` saves, fitted or not.

    Returns
    -------
    str
        64 hexadecimal digits: the same in every process, after pickling, saving and loading, and
        another as soon as one number differs.

    Raises
    ------
    TypeError
        If it holds what cannot be saved.

    Examples
    --------
    >>> import sfml
    >>> from sfml.persistence import content_hash
    >>> pipe = sfml.make_star_formation_pipeline(random_state=0)
    >>> content_hash(pipe) == content_hash(sfml.make_star_formation_pipeline(random_state=0))
    True
    """
    return encode(pipe).content_hash()


def _read_model_header(path: str | os.PathLike[str]) -> Header:
    """Read and check what a file says of itself, up to its objects."""
    try:
        header = read_header(path)
        document = header.document
        written = document.get("format")
        if written != FORMAT:
            raise ValueError(
                f"it is of format {written!r}, and the sfml installed here, {versions()['sfml']}, "
                f"reads format {FORMAT}. Install the version that wrote it{_writer(document)}."
            )
        if set(document) != _KEYS:
            raise ValueError(f"its description should hold {', '.join(sorted(_KEYS))}.")
        check_card(document["card"])
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{os.fspath(path)} cannot be loaded: {error}") from error
    return header


def _load_checked(path: str | os.PathLike[str], header: Header) -> Any:
    document, arrays = header.document, read_arrays(path, header)
    pipe = decode(document["objects"], document["arrays"], arrays)
    digests = {name: digest_of(array) for name, array in arrays.items()}
    found = Encoded(document["objects"], document["arrays"], arrays, digests).content_hash()
    if found != document["card"]["content_hash"]:
        raise ValueError("its content is not that which its content hash was made of.")
    return pipe


def _check_can_be_read(encoded: Encoded) -> None:
    """Make sure of what is about to be written: a file that nobody can load is not made."""
    try:
        decode(encoded.objects, encoded.places, encoded.arrays)
    except ValueError as error:
        raise ValueError(
            f"The model cannot be saved, since it could not be loaded again: {error}"
        ) from error


def _writer(document: dict[str, Any]) -> str:
    card = document.get("card")
    named = card.get("versions") if isinstance(card, dict) else None
    version = named.get("sfml") if isinstance(named, dict) else None
    return f", sfml {version}" if isinstance(version, str) else ""


def _other_versions(card: dict[str, Any]) -> str:
    """Say which versions differ from those that wrote a file."""
    here, there = versions(), card["versions"]
    differ = [n for n in ("sfml", "scikit-learn") if here[n] != there.get(n)]
    if not differ:
        return ""
    written = " and ".join(f"{n} {there.get(n)}" for n in differ)
    return (
        f" It was written with {written}; here is "
        + " and ".join(f"{n} {here[n]}" for n in differ)
        + "."
    )
