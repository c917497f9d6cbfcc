"""Status and metadata, to the byte."""

from tests.support.rest import ask


def entry(version: int, state: str = "AVAILABLE", code: str = "OK", message: str = "") -> str:
    """One version of a status, with the white space of protobuf's JSON."""
    return (
        f'  {{\n   "version": "{version}",\n   "state": "{state}",\n   "status": {{\n'
        f'    "error_code": "{code}",\n    "error_message": "{message}"\n   }}\n  }}'
    )


def page(*entries: str) -> bytes:
    """A whole status."""
    return ('{\n "model_version_status": [\n' + ",\n".join(entries) + "\n ]\n}\n").encode()


def test_status_has_the_newest_version_first(url: str) -> None:
    assert ask(url, "/v1/models/iris").body == page(entry(20), entry(1))
    assert ask(url, "/v1/models/iris/versions/1").body == page(entry(1))
    assert ask(url, "/v1/models/iris/labels/stable").body == page(entry(1))
    assert ask(url, "/v1/models/iris/labels/a%20b").body == page(entry(20))
    assert ask(url, "/v1/models/iris/labels/gone").error == (404, "Could not find version 7 of model iris")


def test_status_of_a_model_that_failed_says_why(url: str) -> None:
    (version,) = ask(url, "/v1/models/broken").document["model_version_status"]
    assert (version["version"], version["state"], version["status"]["error_code"]) == ("3", "END", "DATA_LOSS")
    assert version["status"]["error_message"].startswith("not an ONNX file")


def test_status_of_a_model_without_versions_is_not_found(url: str) -> None:
    assert ask(url, "/v1/models/empty").error == (404, "Could not find any versions of model empty")


def test_metadata_has_the_shape_of_tensorflow_serving(url: str) -> None:
    reply = ask(url, "/v1/models/orders/metadata")
    column = {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }
    signature = {
        "inputs": {"price": {**column, "name": "price"}, "qty": {**column, "name": "qty"}},
        "outputs": {"total": {**column, "name": "total"}},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    assert reply.document == {
        "model_spec": {"name": "orders", "signature_name": "", "version": "1"},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }
    assert reply.body.startswith(b'{\n "model_spec": {\n  "name": "orders",')
    for path, version in (("versions/1", "1"), ("labels/stable", "1"), ("labels/a%20b", "20")):
        document = ask(url, f"/v1/models/iris/{path}/metadata").document
        assert document["model_spec"]["version"] == version


def test_the_list_of_models_is_there(url: str) -> None:
    names = [model["name"] for model in ask(url, "/v1/models").document["models"]]
    assert {"iris", "broken", "orders"} <= set(names)
