"""What a process that will be killed does: ``interrupted.py train DIR EPOCHS`` and ``save DIR``; then ``check DIR``.

``train`` backs up after every epoch, goes on from the backup that it finds, and writes the weights when it is done.
``save`` writes one of two models to one file, in turn, for ever. Both say on a line what they have just done. ``check``
reads the files that ``save`` has left: each must be one of the two, whole.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits

from vae_tutorial import VAE, networks

X = np.tile((load_digits().images[:500, :, :, None] / 16.0).astype(np.float32), (10, 1, 1, 1))


def build(seed: int = 5) -> VAE:
    encoder = networks.mlp_encoder((8, 8, 1), 3, (64,), seed=seed)
    model = VAE(encoder, networks.mlp_decoder(3, (8, 8, 1), (64,), seed=seed), seed=seed)
    model.compile()
    return model


def train(folder: Path, epochs: int) -> None:
    model = build()
    backup = keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False)
    tell = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print("epoch", epoch, flush=True))
    print("started", flush=True)
    model.fit(X, epochs=epochs, batch_size=64, verbose=0, callbacks=[backup, tell])
    np.savez(folder / "weights.npz", *model.get_weights())


def save(folder: Path) -> None:
    models = [build(seed) for seed in (0, 1)]
    for i in itertools.count():
        models[i % 2].save(folder / "model.keras")
        models[i % 2].save_weights(folder / "model.weights.h5")
        print("saved", flush=True)


def check(folder: Path) -> None:
    weights = build()
    weights.load_weights(folder / "model.weights.h5")
    for model in (keras.models.load_model(folder / "model.keras"), weights):
        known = [build(seed).get_weights() for seed in (0, 1)]
        assert any(all(map(np.array_equal, model.get_weights(), one)) for one in known)


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    {"train": train, "save": save, "check": check}[what](Path(where), *map(int, rest))
