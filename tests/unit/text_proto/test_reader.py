from pathlib import Path
from typing import Any

import pytest

from tests.support.text_protos import plain_record, published_class
from turnout.errors import ConfigError
from turnout.text_proto.reader import MAX_FILE_BYTES, parse_message, read_message
from turnout.text_proto.schema import EnumType, Field, MapOf, Message
from turnout.tf_serving import messages

ALL = Message(
    "All",
    (
        Field(1, "text", "string"),
        Field(2, "number", "int64"),
        Field(3, "small", "uint32"),
        Field(4, "ratio", "double"),
        Field(5, "flag", "bool"),
        Field(6, "kind", EnumType("Kind", {"NONE": 0, "BIG": 7})),
        Field(7, "numbers", "int64", repeated=True),
        Field(8, "labels", MapOf(Message("Entry", (Field(1, "key", "string"), Field(2, "value", "int64"))))),
        Field(9, "inner", Message("Inner", (Field(1, "name", "string"),)), oneof="choice"),
        Field(10, "other", Message("Other", ()), oneof="choice"),
        Field(11, "plugin", "string", refusal="it is compiled in"),
    ),
)


def read(text: str) -> dict[str, Any]:
    return plain_record(parse_message(text, ALL, "a.config"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# nothing", {}),
        ("number: 1", {"number": "1"}),
        ("number:-0x1F", {"number": "-31"}),
        ("number: - # minus\n 017", {"number": "-15"}),
        ("number: 0 number: 2", {"number": "2"}),
        ("ratio: .5e1F", {"ratio": "5.0"}),
        ("ratio: 1e999", {"ratio": "inf"}),
        ("ratio: -Infinity", {"ratio": "-inf"}),
        ("ratio: NaN", {"ratio": "nan"}),
        ("flag: t", {"flag": "True"}),
        ("flag: 0x1", {"flag": "True"}),
        ("kind: BIG", {"kind": "7"}),
        ("kind: -3", {"kind": "-3"}),
        ("text: 'it\\'s' \" so\"", {"text": repr("it's so")}),
        ("text: '\\ud83d\\ude00\\U0001F600\\xf0\\237\\x98\\200'", {"text": repr("😀😀😀")}),
        ("text: '\\a\\b\\f\\n\\r\\t\\v\\?\\\\\\'\\\"\\0\\X41'", {"text": repr("\a\b\f\n\r\t\v?\\'\"\0A")}),
        ("text: '\\303' \"\\251\"", {"text": repr("é")}),
        ("numbers: [1, 2], numbers: 3; numbers: []", {"numbers": ["1", "2", "3"]}),
        ("inner { name: 'a' }", {"inner": {"name": "'a'"}}),
        ("inner: < name: 'a', >;", {"inner": {"name": "'a'"}}),
        ("labels [{key: 'a' value: 1}, <value: 2>] labels {key: 'a'}", {"labels": {"a": "0", "": "2"}}),
    ],
)
def test_reads(text: str, expected: dict[str, Any]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        ("\n  numbers_: 1", 2, 3, "expected a field of `All`, got `numbers_`", "Did you mean `numbers`?"),
        ("inner { zzz: 1 }", 1, 9, "expected a field of `Inner`, got `zzz`", "Its fields: `name`."),
        ("1: 2", 1, 1, "expected a field of `All` or the end of the file, got `1`", None),
        ("inner {\n", 2, 1, "expected a field of `Inner` or `}`, got the end of the file", None),
        ("inner { name: 'a' >", 1, 19, "expected a field of `Inner` or `}`, got `>`", None),
        ("number 1", 1, 8, "expected `:` after `number`, got `1`", None),
        ("number: 1,,", 1, 11, "expected a field of `All` or the end of the file, got `,`", None),
        ("number: 08", 1, 9, "expected an integer for `number`, got `08`", None),
        ("number: 1.5", 1, 9, "expected an integer for `number`, got `1.5`", None),
        ("number: '1'", 1, 9, "expected an integer for `number`, got `'1'`", None),
        ("number: 1 number: 2", 1, 11, "expected the field `number` once, got `number`", None),
        ("small: -1", 1, 9, "expected `small` from 0 to 4294967295, got `-1`", None),
        ("number: 9223372036854775808", 1, 9, "expected `number` from", None),
        ("number: " + "9" * 5000, 1, 9, "expected an integer for `number`, got a number of 5000 characters", None),
        ("ratio: 0x1", 1, 8, "expected a number for `ratio`, got `0x1`", None),
        ("flag: TRUE", 1, 7, "expected `true` or `false` for `flag`, got `TRUE`", None),
        ("flag: 2", 1, 7, "expected `true` or `false` for `flag`, got `2`", None),
        ("kind: BIGG", 1, 7, "expected one of `NONE`, `BIG`, got `BIGG`", "Did you mean `BIG`?"),
        ("text: bare", 1, 7, "expected a text in quotes for `text`, got `bare`", None),
        (
            "text: 'a\nb'",
            1,
            7,
            "expected `'` at the end of the text, got the end of the line",
            "A text ends on the line",
        ),
        ("text: 'a\\qb'", 1, 7, "expected an escape that text can have, got `\\qb`", "A backslash itself is written"),
        ("text: '\\400'", 1, 7, "expected an escape that text can have, got `\\400`", "A backslash itself"),
        ("text: '\\ud800'", 1, 7, "expected an escape", "A backslash itself"),
        ("text: '\\U00110000'", 1, 7, "expected an escape", "A backslash itself"),
        ("text: 'a' '\\xff'", 1, 7, "the text of `text` is not UTF-8", None),
        ("text: ['a']", 1, 7, "expected a text in quotes for `text`, got `[`", None),
        ("numbers: [1 2]", 1, 13, "expected `,` or `]` in the list `numbers`, got `2`", None),
        ("numbers: [1,]", 1, 13, "expected an integer for `numbers`, got `]`", None),
        ("inner 1", 1, 7, "expected `{` or `<` after `inner`, got `1`", None),
        ("inner {} inner {}", 1, 10, "expected the field `inner` once, got `inner`", None),
        ("inner {} other {}", 1, 10, "expected only one of `inner` and `other`, got `other`", None),
        ("[a.b/c.d] {}", 1, 1, "expected a field of `All` or the end of the file, got `[`", None),
        ("plugin: 'a'", 1, 1, "the field `plugin` is not supported: it is compiled in", None),
        ("number: 1 $", 1, 11, "expected a field, a value or a bracket, got the character '$'", None),
        ("text: 'a\0'", 1, 7, "expected `'` at the end", "A text ends"),
    ],
)
def test_says_what_is_wrong_and_where(text: str, line: int, column: int, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.message.startswith(f"`a.config`, line {line}, column {column}: {message}")
    assert caught.value.context == {"file": "a.config", "line": line, "column": column, "message": ALL.name}
    assert (caught.value.hint or "").startswith(hint or "")
    assert (caught.value.hint is None) == (hint is None)


def test_knows_on_which_line_a_field_stands() -> None:
    record = parse_message("\nnumber: 1\n\ninner {\n name: 'a'}\nnumbers: 1 numbers: 2", ALL, "f")
    assert record.lines == {"number": 2, "inner": 4, "numbers": 6}
    inner = record.record("inner")
    assert inner is not None
    assert inner.lines == {"name": 5}


def test_what_was_not_set_reads_as_protobuf_has_it() -> None:
    record = parse_message("", ALL, "f")
    assert (record.text("text"), record.integer("number"), record.flag("flag")) == ("", 0, False)
    assert (record.record("inner"), record.integers("numbers"), record.mapping("labels")) == (None, [], {})
    assert record.records("inner") == []


def test_a_private_key_is_not_shown() -> None:
    key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ"
    for text in (f"server_key: {key}", f"client_verify: '{key}'", f"server_key: '{key}\n'", f"server_kye: '{key}'"):
        with pytest.raises(ConfigError) as caught:
            parse_message(text, messages.SSL_CONFIG, "f")
        assert key[:20] not in f"{caught.value.message} {caught.value.hint}"


PLATFORM = "tensorflow.serving.SavedModelBundleSourceAdapterConfig"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "type_url: 'x'",
            "expected the type of what `source_adapter_config` holds: `[type.googleapis.com/tensorflow.s",
        ),
        (
            "[a.com/x.Y] {}",
            "holds, one of `[type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig]`;",
        ),
        (f"[a.com/{PLATFORM}] {{}} [a.com/{PLATFORM}] {{}}", "since `source_adapter_config` holds one message"),
        ("[a {", "expected `]` after the name of a type, got `{`"),
        (f"[{'a.' * 5000}b] {{}}", "expected `]` after the name of a type, got `"),
    ],
)
def test_what_an_any_holds_is_told_by_its_type(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_message(
            f"platform_configs {{ value {{ source_adapter_config {{ {text} }} }} }}", messages.PLATFORM_CONFIG_MAP, "f"
        )
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"name: '\xff'", "it is not UTF-8 from byte 7 on"),
        (b"#" * (MAX_FILE_BYTES + 1), f"is too large: expected at most {MAX_FILE_BYTES} bytes"),
        (b"\xef\xbb\xbf", ""),
    ],
)
def test_reads_files_that_can_be_read(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.config"
    if content is not None:
        path.write_bytes(content)
    if not message:
        assert read_message(path, ALL).values == {}
        return
    with pytest.raises(ConfigError) as caught:
        read_message(path, ALL)
    assert message in caught.value.message


def test_the_schema_is_the_published_one() -> None:
    compare(messages.MODEL_SERVER_CONFIG, published_class().DESCRIPTOR)


def compare(message: Message, descriptor: Any) -> None:
    """Holds a message of ours to the published one, and all that it holds."""
    assert message.name == descriptor.name
    assert {field.name for field in message.fields} == {field.name for field in descriptor.fields}
    for field in message.fields:
        published = descriptor.fields_by_name[field.name]
        assert (field.number, field.repeated or isinstance(field.type, MapOf)) == (
            published.number,
            published.is_repeated,
        )
        oneof = published.containing_oneof
        assert field.oneof == (None if oneof is None or oneof.name.startswith("_") else oneof.name)
        if isinstance(field.type, EnumType):
            assert dict(field.type.numbers) == {value.name: value.number for value in published.enum_type.values}
        elif isinstance(field.type, Message | MapOf):
            compare(field.type.entry if isinstance(field.type, MapOf) else field.type, published.message_type)
        elif isinstance(field.type, str):
            types = {1: "double", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 13: "uint32"}
            assert field.type == types[published.type]
