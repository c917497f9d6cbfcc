"""The schema of `ConfigProto` and the bytes of its messages, judged by protobuf's own classes."""

import importlib
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format

from tests.support.serving_stubs import serving_stubs
from turnout.text_proto.reader import parse_message
from turnout.text_proto.schema import EnumType, MapOf, Message
from turnout.text_proto.session_config import CONFIG_PROTO
from turnout.text_proto.wire import serialize


def published() -> Any:
    serving_stubs()
    return importlib.import_module("tensorflow.core.protobuf.config_pb2").ConfigProto


def differences(message: Message, descriptor: Any) -> Iterator[str]:
    """What is published and not in our schema as it is there; ours is newer, and may have more."""
    for theirs in descriptor.fields:
        ours = message.find(theirs.name)
        if ours is None or ours.number != theirs.number:
            yield f"{message.name}.{theirs.name}"
        elif isinstance(ours.type, Message):
            yield from differences(ours.type, theirs.message_type)
        elif isinstance(ours.type, EnumType):
            yield from _enum_differences(ours.type, theirs.enum_type)
        elif isinstance(ours.type, str) and ours.repeated != theirs.is_repeated:
            yield f"{message.name}.{theirs.name}: repeated"


def _enum_differences(ours: EnumType, theirs: Any) -> Iterator[str]:
    for value in theirs.values:
        if ours.numbers.get(value.name, value.number) != value.number:
            yield f"{ours.name}.{value.name}"


def test_no_field_of_the_published_schema_is_missing() -> None:
    assert list(differences(CONFIG_PROTO, published().DESCRIPTOR)) == []


TEXT = """
  device_count { key: "CPU" value: 3 } device_count { key: "GPU" }
  intra_op_parallelism_threads: 300  inter_op_parallelism_threads: -1
  session_inter_op_thread_pool { num_threads: 2 global_name: "\\303\\274" } session_inter_op_thread_pool {}
  device_filters: ["/job:a", ""]  operation_timeout_in_ms: -9223372036854775808
  gpu_options { per_process_gpu_memory_fraction: 0.1 allow_growth: true }
  graph_options {
    optimizer_options { opt_level: L0 global_jit_level: OFF max_folded_constant_in_bytes: 4294967296 }
    rewrite_options { remapping: AGGRESSIVE optimizers: "pruning" min_graph_nodes: -1 }
  }
  experimental { session_metadata { name: "m" version: 2 } }
"""


def test_bytes_are_read_by_protobuf_as_the_text_is() -> None:
    want = text_format.Parse(TEXT, published()())
    assert published().FromString(serialize(parse_message(TEXT, CONFIG_PROTO, "f"))) == want


def test_of_two_messages_after_each_other_the_second_wins() -> None:
    texts = ("graph_options { optimizer_options { opt_level: L0 cpu_global_jit: true } }",) * 2
    second = texts[1].replace("L0", "L1").replace("true", "false")
    data = b"".join(serialize(parse_message(text, CONFIG_PROTO, "f")) for text in (texts[0], second))
    options = published().FromString(data).graph_options.optimizer_options
    assert (options.opt_level, options.cpu_global_jit) == (0, False)


def test_maps_have_entries() -> None:
    field = CONFIG_PROTO.find("device_count")
    assert field is not None
    assert isinstance(field.type, MapOf)
