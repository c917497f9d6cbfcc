"""Small models and repositories of them."""

import shutil
import time
from pathlib import Path

import turnout
from turnout.operations.quick import model_path

IRIS = model_path()
"""Input `x` float32 [?, 4]; outputs `label` int64 [?] and `probabilities` float32 [?, 3]."""

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [6.3, 3.3, 6.0, 2.5]]
LABELS = [0, 1, 2]


def add_version(repository: Path, model: str, version: int) -> Path:
    """Puts the iris model into a repository as a bare version; returns the model's folder."""
    folder = repository / model / str(version)
    folder.mkdir(parents=True)
    shutil.copy(IRIS, folder / "model.onnx")
    return folder.parent


def add_orders(repository: Path) -> Path:
    """Puts the model `orders` into a repository, `total = price * qty`, all float32 [?]; returns its folder."""
    import onnx

    columns = [onnx.helper.make_tensor_value_info(name, 1, ["batch"]) for name in ("price", "qty", "total")]
    node = onnx.helper.make_node("Mul", ["price", "qty"], ["total"])
    graph = onnx.helper.make_graph([node], "orders", columns[:2], columns[2:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    folder = repository / "orders" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder.parent


def wait_settled(server: turnout.Server) -> turnout.Server:
    """Waits until every version that is wanted is loaded or has failed."""
    server.wait_ready(20)
    for _ in range(400):
        if server.status().settled:
            return server
        time.sleep(0.05)
    raise AssertionError(f"the server does not settle: {server.status()}")
