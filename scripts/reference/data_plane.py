"""The pages whose facts the data plane lists: error codes, metrics, REST routes."""

import inspect

from scripts.reference.markdown import code, page, table
from turnout import _dataplane, errors


def errors_page() -> str:
    """Every code of the catalogue with its statuses and its exception."""
    rows = [
        (code(slug), code(name), base_names(name), str(http), code(grpc), "yes" if retryable else "no", meaning)
        for slug, retryable, name, http, grpc, meaning in _dataplane.list_error_codes()
    ]
    return page(
        "Error codes",
        "One catalogue serves every door. The statuses are the usual ones; a door that owes its clients another says so"
        " on its own page. Every exception is a `turnout.errors.TurnoutError` with `code`, `retryable`, `hint` and"
        " `context`.",
        table(("code", "exception", "also a", "HTTP", "gRPC", "try again", "meaning"), rows),
    )


def base_names(class_name: str) -> str:
    """The builtin exceptions that a class of the catalogue also is."""
    bases = inspect.getmro(getattr(errors, class_name))[1:]
    builtin = [
        base for base in bases if base.__module__ == "builtins" and base not in (Exception, BaseException, object)
    ]
    return code(builtin[0].__name__) if builtin else ""


def metrics_page() -> str:
    """Every metric with its kind and labels."""
    return page(
        "Metrics",
        "`GET /metrics` on the REST port answers with these, in the Prometheus text format.",
        metric_table(_dataplane.list_metrics()),
        "## Under TensorFlow Serving's names",
        "Where `tf_serving_metrics_path` is set, REST answers there with these. Buckets end at 10 µs times 1.8 to the"
        " power of 0 to 32.",
        metric_table(_dataplane.list_tf_serving_metrics()),
    )


def metric_table(metrics: list[tuple[str, str, str, list[str]]]) -> str:
    """One row for each metric."""
    rows = [
        (code(name), kind, ", ".join(code(label) for label in labels), meaning)
        for name, kind, meaning, labels in sorted(metrics)
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)


def rest_page() -> str:
    """Every REST route."""
    rows = [(code(method), code(pattern), meaning) for method, pattern, meaning in _dataplane.list_rest_routes()]
    return page(
        "REST paths",
        "What the REST port answers. Another path is answered with 404.",
        table(("method", "path", "meaning"), rows),
    )
