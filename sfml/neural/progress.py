"""A progress bar for training. Importing this module imports TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class EpochProgress(keras.callbacks.Callback):
    """Show epochs, losses and time on the terminal."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the bar."""
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[losses]}"),
            TimeElapsedColumn(),
        )
        self._task = self._bar.add_task("training", total=self.params["epochs"], losses="")
        self._bar.start()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Move the bar on."""
        losses = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        self._bar.update(self._task, completed=epoch + 1, losses=losses)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the bar; an early stop leaves it where it stopped."""
        self._bar.stop()
