"""What the files say that concern the server as a whole: monitoring, TLS, and how TensorFlow is set up."""

from turnout.config.schema import ServerSchema
from turnout.text_proto.schema import Record
from turnout.tf_serving.outcome import Outcome, Reading, set_if_possible
from turnout.tf_serving.sessions import translate_bundle

PLATFORM = "tensorflow"
"""The only platform that upstream's server has."""


METRICS_PATH = "/monitoring/prometheus/metrics"
"""Where upstream has its metrics if the file does not say."""


def translate_monitoring(file: str, config: Record, outcome: Outcome) -> None:
    """Adds where the metrics with upstream's names are."""
    reading = Reading(file, config, outcome.server).within("prometheus_config")
    if not reading.record.flag("enable"):
        if "enable" in reading.record.values:
            reading.remark("enable", "changed", "`/metrics` on the REST port always answers, with Turnout's names")
        if "path" in reading.record.values:
            reading.remark("path", "ignored", "upstream has such a page only with `enable: true`")
        return
    path = reading.record.text("path") or METRICS_PATH
    fault = set_if_possible(outcome.server, ServerSchema, "tf_serving_metrics_path", path)
    if fault is not None:
        reading.remark("path", "left_out", fault)


_TLS_ADVICE = {
    "server_key": "save its text as a PEM file and name that in `tls_key`",
    "server_cert": "save its text as a PEM file and name that in `tls_certificate`",
    "custom_ca": "save its text as a PEM file and name that in `tls_client_ca`",
    "client_verify": "`tls_client_ca` has every client show a certificate",
}


def translate_ssl(file: str, config: Record, outcome: Outcome) -> None:
    """Adds what is to be said of TLS; no value of the file is repeated."""
    reading = Reading(file, config, outcome.server)
    for name in config.values:
        reading.remark(name, "not_yet", f"{_TLS_ADVICE[name]}; until then the ports speak plain text", is_secret=True)


def translate_platforms(file: str, config: Record, outcome: Outcome) -> tuple[Record | None, bool]:
    """Adds what is to be said of TensorFlow's set-up.

    Returns:
        The batching parameters that stand in it, and whether it sets up sessions.
    """
    batching, has_session = None, False
    for key, platform in config.mapping("platform_configs").items():
        assert isinstance(platform, Record), "bug: a platform that is no message"
        adapter = platform.record("source_adapter_config")
        bundle = None if adapter is None else adapter.record("legacy_config")
        if bundle is None:
            continue
        reading = Reading(file, bundle, outcome.server)
        if key != PLATFORM:
            for name in bundle.values:
                reading.remark_leaves(name, "ignored", f"upstream's server has no platform `{key}`")
            continue
        batching = bundle.record("batching_parameters")
        has_session = "session_config" in bundle.values
        translate_bundle(reading, list(outcome.models.values()))
    return batching, has_session
