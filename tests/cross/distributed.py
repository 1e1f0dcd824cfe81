"""A VAE trained on several devices, as the page "Speed and scale" does it: what each process of the test runs.

``distributed.py devices COUNT`` shares each batch among so many virtual devices of one process, with JAX.
``distributed.py process RANK PORT`` is one of two processes, which meet at a port of this machine; each gives half of
every batch. Both print the history of three epochs as JSON.
"""

from __future__ import annotations

import json
import os
import sys

BATCH, EPOCHS = 128, 3


def main(kind: str, number: int, port: int = 0) -> None:
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    if kind == "devices":
        os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={number}"
    import keras

    if kind == "process":
        keras.distribution.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=number)
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    elif number > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel())

    from vae_tutorial import VAE, datasets, networks

    data = datasets.load("digits")
    encoder = networks.mlp_encoder(data.image_shape, 4, (64,), seed=0)
    vae = VAE(encoder, networks.mlp_decoder(4, data.image_shape, (64,), seed=1), seed=0)
    vae.compile(keras.optimizers.Adam(1e-3))
    x, batch = data.x_train[: 10 * BATCH], BATCH
    if kind == "process":
        batch //= 2
        x = x.reshape(10, 2, batch, *data.image_shape)[:, number].reshape(-1, *data.image_shape)
    history = vae.fit(x, epochs=EPOCHS, batch_size=batch, shuffle=False, verbose=0).history
    print(json.dumps({"devices": len(keras.distribution.list_devices()), **history}))


if __name__ == "__main__":
    kind, *numbers = sys.argv[1:]
    main(kind, *map(int, numbers))
