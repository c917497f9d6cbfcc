//! Every metric by name: the page is written from this table, and so is the reference.

/// One metric of the page.
#[derive(Clone, Copy, Debug)]
pub struct MetricInfo {
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub help: &'static str,
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:literal, [$($label:literal),*], $help:literal;)*) => {
        $(pub(super) const $constant: MetricInfo =
            MetricInfo { name: $name, kind: $kind, help: $help, labels: &[$($label),*] };)*

        /// In the order of the page.
        pub const METRICS: &[MetricInfo] = &[$($constant),*];
    };
}

metrics! {
    REQUESTS = "turnout_requests_total", "counter", ["model", "version", "signature", "door", "code"],
        "Requests answered, by error code (`ok` for success).";
    REFUSED = "turnout_refused_requests_total", "counter", ["door", "code"],
        "Requests that failed before a version was chosen for them.";
    IN_FLIGHT = "turnout_requests_in_flight", "gauge", ["model", "version", "signature"],
        "Requests that have been decoded and not yet answered.";
    QUEUE_DEPTH = "turnout_queue_depth_requests", "gauge", ["model", "version"],
        "Requests that wait for an executor thread.";
    TOTAL = "turnout_request_duration_seconds", "histogram", ["model", "version", "signature"],
        "From the last byte of the request to the answer.";
    DECODE = "turnout_decode_duration_seconds", "histogram", ["model", "version", "signature"],
        "From the last byte of the request to named tensors.";
    QUEUE = "turnout_queue_duration_seconds", "histogram", ["model", "version", "signature"],
        "From named tensors to the start of execution.";
    EXECUTE = "turnout_execute_duration_seconds", "histogram", ["model", "version", "signature"],
        "In the engine; requests of one batch share it.";
    ENCODE = "turnout_encode_duration_seconds", "histogram", ["model", "version", "signature"],
        "From the outputs to the answer's bytes.";
    BATCH_ROWS = "turnout_batch_rows", "histogram", ["model", "version"],
        "Rows executed in one call.";
    BATCH_REQUESTS = "turnout_batch_requests", "histogram", ["model", "version"],
        "Requests executed in one call.";
    VERSION_STATE = "turnout_version_state", "gauge", ["model", "version", "state"],
        "1 for the present state of each version.";
    LOAD = "turnout_load_duration_seconds", "gauge", ["model", "version"],
        "Time that loading took, without warm-up.";
    WARMUP = "turnout_warmup_duration_seconds", "gauge", ["model", "version"],
        "Time that warm-up took.";
    READY = "turnout_ready", "gauge", [],
        "1 while `/readyz` answers 200.";
    CONNECTIONS = "turnout_connections_total", "counter", ["door"],
        "Connections accepted.";
    CONNECTIONS_OPEN = "turnout_connections_open", "gauge", [],
        "Connections open now.";
    INFLIGHT_BYTES = "turnout_inflight_bytes", "gauge", [],
        "Bytes of requests and answers held now, bounded by `inflight_bytes`.";
    LOGS_DROPPED = "turnout_log_dropped_lines_total", "counter", [],
        "Log lines dropped because the event queue was crowded.";
    REQUEST_LOG = "turnout_request_log_records_total", "counter", [],
        "Sampled calls written to the request log.";
    REQUEST_LOG_DROPPED = "turnout_request_log_dropped_records_total", "counter", ["reason"],
        "Sampled calls that are not in the request log: the writer was behind, a record was too large, or the disk refused.";
    REQUEST_LOG_BYTES = "turnout_request_log_disk_bytes", "gauge", [],
        "Bytes of the request log's files, bounded by `request_log_disk_bytes`.";
    UPTIME = "turnout_uptime_seconds", "gauge", [],
        "Since the data plane started.";
    BUILD = "turnout_build_info", "gauge", ["version"],
        "Always 1; the label says which build this is.";
}
