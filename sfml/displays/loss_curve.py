"""Training and validation loss against epoch (Figs. 11 to 13 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sfml.displays.base import BLUE, VERMILLION, Display, axis_label
from sfml.metrics.pairing import learnt

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(kw_only=True, eq=False, repr=False)
class LossCurveDisplay(Display):
    """Loss of a network on its training and validation rows, against epoch.

    The epoch with the least validation loss is marked.

    Make one with `from_estimator` or `from_history`.

    Parameters
    ----------
    epochs : ndarray of shape (n_epochs,)
        Number of each epoch.
    loss : ndarray of shape (n_epochs,)
        Loss on the training rows.
    val_loss : ndarray of shape (n_epochs,), default=None
        Loss on the validation rows, if there are any.
    target : str, default=None
        The target, for the title.

    Attributes
    ----------
    ax_ : Axes
        The panel.
    figure_
    lines_ : list of Line2D
        The curves: training, then validation.
    best_ : Line2D or None
        The mark of the best epoch.

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml.displays import LossCurveDisplay
    >>> history = pd.DataFrame({"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.5, 0.6]})
    >>> LossCurveDisplay.from_history(history).best_epoch
    1
    """

    epochs: np.ndarray
    loss: np.ndarray
    val_loss: np.ndarray | None = None
    target: str | None = None

    panel_size = (6.0, 4.0)

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the least validation loss; None without one that is finite."""
        if self.val_loss is None or not np.isfinite(self.val_loss).any():
            return None
        return int(self.epochs[np.nanargmin(self.val_loss)])

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, target: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw the history of a fitted network.

        Parameters
        ----------
        estimator : estimator
            A fitted regressor whose `history_` is a DataFrame, or a dict from target to DataFrame,
            or a Pipeline or search with such a regressor at its end.
        target : str, default=None
            The target to draw; needed if there are several.
        ax

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        TypeError
            If the estimator has no history, as it is not fitted or not a network.
        ValueError
            If there is no such target, or none is chosen of several.
        """
        history = learnt(estimator, "history_")
        if history is None or len(history) == 0:
            raise TypeError(
                f"{type(estimator).__name__} has no history_: only networks that are fitted do."
            )
        if isinstance(history, dict):
            if target is None and len(history) == 1:
                (target,) = history
            if target not in history:
                raise ValueError(f"Choose target= of {', '.join(history)}; got {target!r}.")
            history = history[target]
        return cls.from_history(history, target=target, ax=ax)

    @classmethod
    def from_history(
        cls, history: pd.DataFrame, *, target: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw a history.

        Parameters
        ----------
        history : DataFrame of shape (n_epochs, n_columns)
            With a column ``loss`` and, if there are validation rows, ``val_loss``; its index is
            the epoch.
        target : str, default=None
            The target, for the title.
        ax

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ValueError
            If there is no column ``loss``.
        """
        if "loss" not in history:
            columns = ", ".join(map(str, history))
            raise ValueError(f"history must have a column 'loss'; it has {columns}.")
        validation = history["val_loss"].to_numpy() if "val_loss" in history else None
        display = cls(
            epochs=history.index.to_numpy(),
            loss=history["loss"].to_numpy(),
            val_loss=validation,
            target=target,
        )
        return display.plot(ax=ax)

    def _draw(self, axes: np.ndarray) -> None:
        (self.ax_,) = axes
        self.lines_ = self.ax_.plot(self.epochs, self.loss, color=BLUE, lw=1.2, label="training")
        if self.val_loss is not None:
            self.lines_ += self.ax_.plot(
                self.epochs, self.val_loss, color=VERMILLION, lw=1.2, label="validation"
            )
        self._mark_best()
        self.ax_.set(xlabel="epoch", ylabel="loss", yscale="log")
        self._set_ticks()
        if self.target is not None:
            self.ax_.set_title(axis_label(self.target))
        self.ax_.legend(frameon=False)

    def _set_ticks(self) -> None:
        from matplotlib.ticker import AutoLocator, LogLocator

        # Powers of ten alone would leave a loss that spans about a decade with one tick or none.
        low, high = self.ax_.get_ylim()
        self.ax_.yaxis.set_major_locator(
            AutoLocator() if high < 10 * low else LogLocator(subs=(1, 2, 5))
        )
        self.ax_.yaxis.set_major_formatter("{x:g}")
        self.ax_.yaxis.set_minor_formatter("")

    def _mark_best(self) -> None:
        self.best_ = None
        if self.val_loss is not None and self.best_epoch is not None:
            (self.best_,) = self.ax_.plot(
                self.best_epoch,
                np.nanmin(self.val_loss),
                marker="o",
                color="black",
                ls="none",
                label=f"best epoch, {self.best_epoch}",
            )
