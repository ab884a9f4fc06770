"""The monitor as a callback of training libraries, which are imported only when one is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sized
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Recorder(Protocol):
    """A monitor, as callbacks see it."""

    @property
    def history(self) -> Sized: ...

    def __call__(self, /, step: int | None = None, **scalars: Any) -> object: ...


def lightning(monitor: Recorder) -> Any:
    """A Lightning callback: step 0 when training starts, then one record at the end of each training epoch."""
    library = _first(("lightning.pytorch", "pytorch_lightning"), "isotopy[lightning]")

    class TopologyCallback(library.Callback):  # type: ignore[misc, name-defined]  # the library comes at run time
        """Records topology at the end of each training epoch."""

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            if _recording(trainer) and not len(monitor.history):
                monitor(step=int(trainer.current_epoch))

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if _recording(trainer):
                scalars = {name: value for name, value in trainer.callback_metrics.items() if name != "step"}
                monitor(step=int(trainer.current_epoch) + 1, **scalars)

    def _recording(trainer: Any) -> bool:
        return bool(trainer.is_global_zero) and not trainer.sanity_checking

    return TopologyCallback()


def huggingface(monitor: Recorder) -> Any:
    """A callback of transformers.Trainer: step 0 when training begins, then one record at the end of each epoch."""
    library = _first(("transformers",), "transformers")

    class TopologyCallback(library.TrainerCallback):  # type: ignore[misc, name-defined]  # as above
        """Records topology at the end of each epoch."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero and not len(monitor.history):
                monitor(step=0)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
                monitor(step=round(state.epoch), **({"loss": losses[-1]} if losses else {}))

    return TopologyCallback()


def _first(names: tuple[str, ...], package: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(f"this needs {' or '.join(names)}, which is not installed: pip install {package}")
