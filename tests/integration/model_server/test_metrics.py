"""TensorFlow Serving's metrics on its own path, beside Turnout's."""

import json
import re
from pathlib import Path

import grpc
import pytest

from tests.support.model_server import ModelServerProcess, predict
from turnout import _dataplane

pytestmark = pytest.mark.timeout(180)

PATH = "/monitoring/prometheus/metrics"


def samples(page: str) -> dict[str, float]:
    """Values by name and labels."""
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_counts_and_latencies_by_model(base: Path, tmp_path: Path) -> None:
    (tmp_path / "monitoring.config").write_text("prometheus_config { enable: true }")
    flags = ["--model_name=half", "--model_base_path=base", "--monitoring_config_file=monitoring.config"]
    with ModelServerProcess(tmp_path, *flags) as server, server.channel() as channel:
        server.wait_open()
        for _ in range(3):
            predict(channel, "half", [1.0])
        assert server.rest("/v1/models/half:predict", json.dumps({"instances": [1.0]}))[0] == 200
        assert server.rest("/v1/models/half:predict", json.dumps({"instances": "no"}))[0] == 400
        with pytest.raises(grpc.RpcError):
            predict(channel, "absent", [1.0])
        code, page = server.rest(PATH)
        found = samples(page)
        assert code == 200
        assert found[':tensorflow:serving:request_count{model_name="half",status="OK"}'] == 4
        assert found[':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"}'] == 1
        assert found[':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"}'] == 1
        for api, entrypoint, count in (("Predict", "GRPC", 3), ("predict", "REST", 1)):
            labels = f'model_name="half",API="{api}",entrypoint="{entrypoint}"'
            assert found[f":tensorflow:serving:request_latency_count{{{labels}}}"] == count
            buckets = [value for name, value in found.items() if name.startswith(
                f":tensorflow:serving:request_latency_bucket{{{labels}")]  # fmt: skip
            assert (len(buckets), buckets[-1], sorted(buckets)) == (34, count, buckets)
        labels = 'model_name="half",API="Predict",runtime="TF1"'
        total_us = found[f":tensorflow:serving:runtime_latency_sum{{{labels}}}"]
        assert 0 < total_us < 10_000_000
        listed = {name for name, *_ in _dataplane.list_tf_serving_metrics()}
        assert set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)) == listed
        assert server.rest(PATH, "{}")[0] == 405
        assert "turnout_requests_total" in server.rest("/metrics")[1]


def test_there_is_no_page_unasked(base: Path, tmp_path: Path) -> None:
    with ModelServerProcess(tmp_path, "--model_base_path=base") as server:
        server.wait_open()
        assert server.rest(PATH)[0] == 404
