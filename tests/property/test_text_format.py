"""The reader of protobuf's text format against protobuf's own, in every style that it prints and in people's."""

import random
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.text_messages import FILES, printable
from tests.support.text_protos import class_of, plain_proto, plain_record
from turnout.errors import ConfigError
from turnout.text_proto.reader import parse_message
from turnout.text_proto.schema import AnyOf, EnumType, Field, FieldType, MapOf, Message
from turnout.text_proto.wire import serialize


@given(printable(), st.tuples(*[st.booleans()] * 5))
def test_what_protobuf_prints_is_read(case: tuple[Message, Any], style: tuple[bool, ...]) -> None:
    message, proto = case
    pool = proto.DESCRIPTOR.file.pool
    text = text_format.MessageToString(
        proto,
        as_utf8=style[0],
        as_one_line=style[1],
        use_short_repeated_primitives=style[2],
        pointy_brackets=style[3],
        use_index_order=style[4],
        descriptor_pool=pool,
    )
    assert plain_record(parse_message(text, message, "f")) == plain_proto(proto)


@given(printable())
def test_what_is_read_is_written_as_protobuf_writes_it(case: tuple[Message, Any]) -> None:
    message, proto = case
    assume(not holds_any(message))
    text = text_format.MessageToString(proto)
    again: Any = type(proto)()
    again.ParseFromString(serialize(parse_message(text, message, "f")))
    assert plain_proto(again) == plain_proto(proto)


def holds_any(message: Message) -> bool:
    """Whether a field holds an `Any`, whose bytes nobody needs."""
    inner = [
        field.type.entry if isinstance(field.type, MapOf) else field.type
        for field in message.fields
        if field.refusal is None
    ]
    return any(isinstance(kind, AnyOf) or (isinstance(kind, Message) and holds_any(kind)) for kind in inner)


@given(printable(), st.randoms(use_true_random=False))
def test_what_people_write_is_read_as_protobuf_reads_it(case: tuple[Message, Any], chance: random.Random) -> None:
    message, proto = case
    text = Scribe(chance).message(message, proto)
    again = type(proto)()
    text_format.Parse(text, again, descriptor_pool=proto.DESCRIPTOR.file.pool)
    assert plain_proto(again) == plain_proto(proto), "the scribe is wrong"
    assert plain_record(parse_message(text, message, "f")) == plain_proto(proto)


class Scribe:
    """Writes a message in a way that the format allows, another one each time."""

    def __init__(self, chance: random.Random) -> None:
        self.pick = chance.choice

    def blank(self) -> str:
        return self.pick(["", "", " ", "\n", "\t \r\n", ' # it\'s { a "comment"\n'])

    def message(self, message: Message, proto: Any) -> str:
        parts: list[str] = []
        for descriptor, value in proto.ListFields():
            field = message.find(descriptor.name)
            assert field is not None
            parts += self.field(field, value)
        return self.blank() + "".join(
            f"{part}{self.blank()}{self.pick([',', ';', ' '])}{self.blank()}" for part in parts
        )

    def field(self, field: Field, value: Any) -> list[str]:
        kind, name = field.type, field.name + self.blank()
        if isinstance(kind, MapOf):
            entries = [self.entry(kind, key, each) for key, each in value.items()]
            return [f"{name}{self.colon()}{entry}" for entry in entries]
        if not field.repeated:
            return [name + self.colon(kind) + self.value(kind, value)]
        items = [self.value(kind, each) for each in value]
        if self.pick([True, False]):
            return [name + self.colon(kind) + "[" + f"{self.blank()},{self.blank()}".join(items) + "]"]
        return [name + self.colon(kind) + item for item in items]

    def entry(self, kind: MapOf, key: str, value: Any) -> str:
        parts = [f"key: {self.text(key)}", f"value: {self.value(kind.entry.fields[1].type, value)}"]
        return self.bracketed(self.pick([", ", " "]).join(parts if self.pick([True, False]) else parts[::-1]))

    def colon(self, kind: "FieldType | None" = None) -> str:
        needed = kind is not None and not isinstance(kind, Message | AnyOf)
        return (":" if needed else self.pick([":", ""])) + self.blank()

    def bracketed(self, text: str) -> str:
        return self.pick(["{%s}", "<%s>"]) % (self.blank() + text + self.blank())

    def value(self, kind: FieldType, value: Any) -> str:
        if isinstance(kind, Message):
            return self.bracketed(self.message(kind, value))
        if isinstance(kind, AnyOf):
            name = value.type_url.rpartition("/")[2]
            inner = class_of(value.DESCRIPTOR.file.pool, name)()
            value.Unpack(inner)
            text = f"[ type.googleapis.com/{name} ]{self.blank()}{self.colon()}"
            return self.bracketed(text + self.bracketed(self.message(kind.messages[name], inner)))
        if isinstance(kind, EnumType):
            names = [name for name, number in kind.numbers.items() if number == value]
            return self.pick([*names, str(value)])
        if kind == "string":
            return self.text(value)
        if kind == "bool":
            return self.pick(["true", "True", "t", "1"] if value else ["false", "False", "f", "0"])
        if kind == "double":
            shown = {"inf": ["inf", "Infinity"], "-inf": ["-inf", "-INFINITY"], "nan": ["nan", "NaN"]}
            return self.pick(shown.get(repr(value), [repr(value), repr(value) + "f"]))
        sign, size = "-" if value < 0 else "", abs(value)
        return sign + self.pick([str(size), hex(size), f"0{size:o}", f"0X{size:X}"])

    def text(self, text: str) -> str:
        cut = self.pick(range(len(text) + 1))
        parts = [text[:cut], text[cut:]] if self.pick([True, False]) else [text]
        return self.pick([" ", "", "\n"]).join(self.quoted(part) for part in parts)

    def quoted(self, text: str) -> str:
        quote = self.pick(["'", '"'])
        return quote + "".join(self.character(each, quote) for each in text) + quote

    def character(self, character: str, quote: str) -> str:
        byte_wise = "".join(self.pick([f"\\{byte:03o}", f"\\x{byte:02x}"]) for byte in character.encode())
        code = ord(character)
        # Python's protobuf reads `\\u005c` as the beginning of an escape.
        choices = [byte_wise, byte_wise if code < 2**7 else f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08X}"]
        if character not in f"{quote}\\\n\0":
            choices += [character] * 3
        return self.pick(choices)


@given(st.text(alphabet="{}<>[]:;,.-/\\\"'#\n\t ab01x_é\0", max_size=60), st.sampled_from(sorted(FILES)))
@example("name", "ModelServerConfig")
def test_nothing_but_an_error_in_words_comes_of_any_text(text: str, name: str) -> None:
    refuse_or_read(text, name)


@given(printable(), st.randoms(use_true_random=False))
def test_a_text_that_was_damaged_is_read_or_refused_in_words(case: tuple[Message, Any], chance: random.Random) -> None:
    message, proto = case
    text = Scribe(chance).message(message, proto)
    start, length = chance.randint(0, len(text)), chance.randint(0, 3)
    refuse_or_read(
        text[:start] + chance.choice(["", "}", '"', "\\", "-", "[", ":"]) + text[start + length :], message.name
    )


def refuse_or_read(text: str, name: str) -> None:
    place = (1, 1)
    try:
        assert parse_message(text, FILES[name], "f").message is FILES[name]
    except ConfigError as error:
        place = error.context["line"], error.context["column"]
    assert 1 <= place[0] <= text.count("\n") + 1
    assert place[1] >= 1


@pytest.mark.parametrize("text", ["{" * 100_000, "model_config_list{" * 100_000, "a:[" * 100_000, "-" * 100_000])
def test_depth_does_not_matter(text: str) -> None:
    refuse_or_read(text, "ModelServerConfig")
