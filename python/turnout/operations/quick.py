"""The quick demonstration: the packaged model, served, and asked over both doors."""

import json
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import httpx
import numpy as np

from turnout.client.blocking import Client
from turnout.data.prediction import Prediction
from turnout.errors import InternalError
from turnout.serving.curl import example_curl
from turnout.serving.server import Server

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [6.3, 3.3, 6.0, 2.5]]
"""One of each species: sepal length and width, petal length and width, in centimetres."""

SPECIES = ("setosa", "versicolor", "virginica")
MODEL = "iris"


def model_path() -> Path:
    """Returns where the packaged model is: a logistic regression on Fisher's iris measurements."""
    return Path(str(resources.files("turnout") / "demo" / "iris.onnx"))


def run(say: Callable[[str], None]) -> None:
    """Serves the model on free ports, asks it over REST and gRPC, and says what came back and how to go on.

    Raises:
        RuntimeMissingError: there is nothing to execute models with.
        InternalError: the two doors gave different answers.
    """
    with (
        tempfile.TemporaryDirectory(prefix="turnout-demo-") as cache,
        Server(model_path(), name=MODEL, settings={"cache_dir": cache, "loops": 1}) as server,
    ):
        server.wait_ready()
        say(f"serving {MODEL} at {server.rest_url} (REST) and {server.grpc_address} (gRPC)")
        with Client(server.rest_url) as rest, Client(server.grpc_url) as grpc:
            signature = rest.metadata(MODEL).signature()
            by_rest, by_grpc = rest.predict(MODEL, FLOWERS), grpc.predict(MODEL, FLOWERS)
        _compare(by_rest, by_grpc)
        for flower, label, probabilities in zip(FLOWERS, by_grpc["label"], by_grpc["probabilities"], strict=True):
            say(f"  {flower} is {SPECIES[label]} ({probabilities.max():.0%} sure), says REST and says gRPC")
        curl = example_curl(server.rest_url, MODEL, signature, FLOWERS[:1])
        answer = httpx.post(
            f"{server.rest_url}/v1/models/{MODEL}:predict", json={"instances": FLOWERS[:1]}, trust_env=False
        )
        say(f"\n{curl}\n{json.dumps(answer.json())}")
    local = example_curl("http://127.0.0.1:8501", MODEL, signature, FLOWERS[:1])
    say(f"\nGo on with a server of your own:\n  turnout serve {model_path()}\n  {local}")


def _compare(by_rest: Prediction, by_grpc: Prediction) -> None:
    for name, array in by_grpc.items():
        if not np.array_equal(array, by_rest[name]):
            raise InternalError(f"REST and gRPC gave different answers for `{name}`")
