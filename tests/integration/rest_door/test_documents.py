"""What a predict request may say, and what is answered: every text of TensorFlow Serving's contract."""

import json
from typing import Any

import pytest

from tests.support.rest import ask

FLOWER = "[5.1, 3.5, 1.4, 0.2]"

DOCUMENTS = {
    "nothing": ("", "JSON Parse error: The document is empty"),
    "white space": (" \n", "JSON Parse error: The document is empty. at offset: 2"),
    "cut short": ('{"instances": [1', "JSON Parse error: Missing a comma or ] after an array element. at offset: 16"),
    "a wrong word": ('{"instances": [nul]}', "JSON Parse error: Invalid value. at offset: 18"),
    "a list": ("[1]", "JSON Value: [1] Is not object"),
    "a name that is no text": (
        '{"signature_name": 7}',
        "JSON Value: {\"signature_name\": 7} not formatted correctly. 'signature_name' key must be a string value.",
    ),
    "both": (
        '{"instances": [1], "inputs": [1]}',
        'JSON Value: {"instances": [1], "inputs": [1]} Not formatted correctly expecting only one of'
        " 'inputs' or 'instances' keys to exist ",
    ),
    "neither": ('{"examples": []}', "Missing 'inputs' or 'instances' key"),
    "no list": ('{"instances": 1}', "JSON Value: {\"instances\": 1} Expecting 'instances' to be an list/array"),
    "no rows": ('{"instances": []}', "JSON Value: {\"instances\": []} No values in 'instances' array"),
    "another signature": (
        '{"signature_name": "q", "instances": [1]}',
        'Serving signature name: "q" not found in signature def',
    ),
    "a key of another row": (
        '{"instances": [{"price": 1, "qty": 2}, {"price": 1, "zip": 2}]}',
        "Failed to process element: 1 key: zip of 'instances' list. Error: INVALID_ARGUMENT:"
        " JSON object: does not have named input: zip",
    ),
    "a row that lacks a key": (
        '{"instances": [{"price": 1}]}',
        "Failed to process element: 0 of 'instances' list."
        ' JSON object: {"price": 1} keys must be equal to: price,qty',
    ),
    "plain rows for two inputs": (
        '{"instances": [1, 2]}',
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per"
        " tensorinfo_map",
    ),
    "a plain row among objects": (
        '{"instances": [{"price": 1, "qty": 2}, [1]]}',
        "Expecting object but got list at item 1 of input list",
    ),
    "a plain column for two inputs": (
        '{"inputs": [1, 2]}',
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per"
        " tensorinfo_map",
    ),
    "a column that is missing": ('{"inputs": {"price": [1]}}', "Missing named input: qty in 'inputs' object."),
    "a value of another type": (
        '{"instances": [{"price": "x", "qty": 2}]}',
        "Failed to process element: 0 key: price of 'instances' list. Error: INVALID_ARGUMENT:"
        ' JSON Value: "x" Type: String is not of expected type: float',
    ),
    "rows of other sizes": (
        '{"instances": [{"price": [1, 2], "qty": 2}, {"price": 1, "qty": 2}]}',
        "Failed to process element: 1 key: price of 'instances' list. Error: INVALID_ARGUMENT:"
        " Expecting tensor size: 2 but got: 1",
    ),
    "rows of other shapes": (
        '{"instances": [{"price": [[1], [2]], "qty": 2}, {"price": [[1, 2]], "qty": 2}]}',
        "Failed to process element: 1 key: price of 'instances' list. Error: INVALID_ARGUMENT:"
        " Expecting shape [2,1] but got: [1,2]",
    ),
    "a list that is too short": (
        '{"inputs": {"price": [[1, 2], [3]], "qty": [1]}}',
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    "a list among numbers": (
        '{"inputs": {"price": [1, [2]], "qty": [1]}}',
        "Encountered list at unexpected level: 1 expected < 1",
    ),
    "a number among lists": (
        '{"inputs": {"price": [[1], 2], "qty": [1]}}',
        "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_documents_that_are_refused(url: str, case: str) -> None:
    body, message = DOCUMENTS[case]
    assert ask(url, "/v1/models/orders:predict", body).error == (400, message)


def test_an_object_among_plain_rows_is_refused(url: str) -> None:
    reply = ask(url, "/v1/models/iris:predict", f'{{"instances": [{FLOWER}, {{"x": {FLOWER}}}]}}')
    assert reply.error == (400, "Expecting value/list but got object at item 1 of input list")


BASE64 = {
    "no base64": ('{"b64": "a*"}', "Unable to base64 decode"),
    "another key": (
        '{"b64": "aGk=", "x": 1}',
        'JSON Value: {"b64": "aGk=", "x": 1} not formatted correctly for base64 data',
    ),
    "no text": ('{"b64": 1}', 'JSON Value: {"b64": 1} not formatted correctly for base64 data'),
}


@pytest.mark.parametrize("case", BASE64)
def test_base64_that_is_refused(url: str, case: str) -> None:
    value, message = BASE64[case]
    assert ask(url, "/v1/models/string:predict", f'{{"inputs": [["a", {value}, "b"]]}}').error == (400, message)


def test_base64_is_for_strings_alone(url: str) -> None:
    reply = ask(url, "/v1/models/float32:predict", '{"inputs": [[1, {"b64": "aGk="}, 2]]}')
    message = 'JSON Value: {"b64": "aGk="} Type: Object is not of expected type: float'
    assert reply.error == (400, message)


# dtype: what is taken, and what is not
DTYPES: dict[str, tuple[list[str], list[str]]] = {
    "float32": (
        ["1", "-0.0", "1e39", "1.8e308", "NaN", "-Infinity", "Inf", "16777217"],
        ["true", '"1"', "null", "1e309"],
    ),
    "float64": (["1", "1.7976931348623157e308", "5e-324", "1.8e308", "NaN"], ["false", "null", "1e309"]),
    "float16": (["1.5", "65520"], ['"x"']),
    "bfloat16": (["1.5", "1e39"], ["null"]),
    "int8": (["-128", "127"], ["128", "-129", "1.0", "1e1", "NaN"]),
    "int16": (["-32768", "32767"], ["32768"]),
    "int32": (["-2147483648", "2147483647"], ["2147483648", "1.0", "true"]),
    "int64": (["-9223372036854775808", "9223372036854775807"], ["9223372036854775808", "0.5"]),
    "uint8": (["0", "255"], ["300", "-1"]),
    "uint16": (["65535"], ["65536"]),
    "uint32": (["4294967295"], ["4294967296"]),
    "uint64": (["18446744073709551615"], ["18446744073709551616", "-1"]),
    "bool": (["true", "false"], ["0", "1", '"true"', "null"]),
    "string": (['""', '"a\\u0000"', '{"b64": "aGk="}'], ["1", "null", "true"]),
}
WORDS = {"1e39": "Infinity", "1.8e308": "Infinity", "Inf": "Infinity", "65520": "Infinity"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_dtype_takes_its_values_and_no_others(url: str, dtype: str) -> None:
    path = f"/v1/models/{dtype}:predict"
    for value in DTYPES[dtype][0]:
        for form, answer in (("instances", "predictions"), ("inputs", "outputs")):
            reply = ask(url, path, f'{{"{form}": [[{value}, {value}, {value}]]}}')
            assert reply.status == 200, (value, reply.body)
            if dtype not in ("string", "bfloat16") and "NaN" not in value:
                want = json.loads(WORDS.get(value, value))
                assert reply.document[answer][0][0] == (16777216.0 if value == "16777217" else want), value
    for value in DTYPES[dtype][1]:
        reply = ask(url, path, f'{{"inputs": [[{value}, {value}, {value}]]}}')
        status, message = reply.error
        assert status == 400
        assert ("is not of expected type" in message) != ("Number too big to be stored in double" in message), message


NUMBERS = {
    "whole floats": ("float32", "3, 0, -7", "3.0,0.0,-7.0"),
    "tiny and huge": ("float32", "1e-45, 3.4028235e38, 1e30", "1e-45,3.4028235e+38,1e+30"),
    "shortest": ("float32", "0.1, 0.333333343, 2.5", "0.1,0.33333334,2.5"),
    "doubles": ("float64", "0.1, 0.30000000000000004, 1e300", "0.1,0.30000000000000004,1e+300"),
    "not finite": ("float64", "NaN, Infinity, -Infinity", "NaN,Infinity,-Infinity"),
    "minus zero": ("float64", "-0.0, 0.0, 0", "-0.0,0.0,0.0"),
    "whole numbers": ("uint64", "18446744073709551615, 0, 1", "18446744073709551615,0,1"),
    "truth": ("bool", "true, false, true", "true,false,true"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_are_written_as_the_contract_says(url: str, case: str) -> None:
    dtype, sent, want = NUMBERS[case]
    path = f"/v1/models/{dtype}:predict"
    assert ask(url, path, f'{{"instances": [[{sent}]]}}').body.decode() == f'{{"predictions":[[{want}]]}}'
    assert ask(url, path, f'{{"inputs": [[{sent}]]}}').body.decode() == f'{{"outputs":[[{want}]]}}'


def test_outputs_named_bytes_are_base64_and_other_text_is_raw(url: str) -> None:
    body = b'{"instances": [{"b64": "/wA="}, "\xff\\u0000\\u001f\\"/", "t\xc3\xbcte"]}'
    reply = ask(url, "/v1/models/raw:predict", body)
    assert reply.body == (
        b'{"predictions":[{"image_bytes":{"b64":"/wA="},"text":"\xff\\u0000"},'
        b'{"image_bytes":{"b64":"/wAfIi8="},"text":"\xff\\u0000\\u001F\\"/"},'
        b'{"image_bytes":{"b64":"dMO8dGU="},"text":"t\xc3\xbcte"}]}'
    )


def test_row_answers_need_rows(url: str) -> None:
    assert ask(url, "/v1/models/total:predict", '{"instances": [1, 2]}').error == (
        400,
        "Tensor name: y has no shape information ",
    )
    assert ask(url, "/v1/models/total:predict", '{"inputs": [1, 2]}').document == {"outputs": 3.0}
    assert ask(url, "/v1/models/uneven:predict", '{"instances": [1, 2, 3]}').error == (
        400,
        "Tensor name: b has inconsistent batch size: 2 expecting: 3",
    )
    assert ask(url, "/v1/models/uneven:predict", '{"instances": [1, 2]}').document == {
        "predictions": [{"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 2.0}]
    }
    assert ask(url, "/v1/models/uneven:predict", '{"inputs": [5]}').document == {
        "outputs": {"a": [5.0], "b": [1.0, 2.0]}
    }


def test_no_rows_come_back_as_none(url: str) -> None:
    assert ask(url, "/v1/models/float32:predict", '{"inputs": []}').body == b'{"outputs":[]}'


def test_half_a_million_levels_are_answered(url: str) -> None:
    deep = "[" * 500_000 + "]" * 500_000
    ignored = f'{{"ignored": {deep}, "instances": [{FLOWER}]}}'
    assert ask(url, "/v1/models/iris:predict", ignored).status == 200
    objects = '{"a":' * 500_000 + "1" + "}" * 500_000
    for value in (deep, objects):
        status, message = ask(url, "/v1/models/iris:predict", f'{{"instances": [{value}]}}').error
        assert (status, len(message) < 1000) == (400, True)
    assert ask(url, "/v1/models/iris:predict", f'{{"inputs": {deep[:600_000]}').error[0] == 400
    assert ask(url, "/v1/models/iris:predict", f'{{"instances": [{FLOWER}]}}').status == 200


ROOT = "JSON Parse error: The document root must not"
FAULTY: dict[str, tuple[str, Any]] = {
    "text behind the document": (f'{{"instances": [{FLOWER}]}} {{"more": ', ROOT),
    "a closing NUL": (f'{{"instances": [{FLOWER}]}}\x00', ROOT),
    "an unknown key": (f'{{"instances": [{FLOWER}], "signature-name": "x"}}', "the document has a key"),
    "a key that comes twice": (f'{{"instances": [{FLOWER}], "instances": 7}}', "the document has a key"),
    "an unknown input": (f'{{"inputs": {{"x": [{FLOWER}], "y": 1}}}}', "input is unknown or comes twice"),
    "an input that comes twice": (f'{{"inputs": {{"x": [{FLOWER}], "x": 1}}}}', "input is unknown or comes twice"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_what_tensorflow_serving_lets_pass_is_taken_unless_the_server_is_strict(
    url: str, strict_url: str, case: str
) -> None:
    body, message = FAULTY[case]
    assert ask(url, "/v1/models/iris:predict", body).status == 200
    status, text = ask(strict_url, "/v1/models/iris:predict", body).error
    assert (status, text[: len(message)]) == (400, message)


def test_white_space_and_the_empty_name_are_no_faults(url: str, strict_url: str) -> None:
    for server in (url, strict_url):
        for body in (f'\ufeff{{"instances": [{FLOWER}]}} \r\n\t', f'{{"signature_name": "", "instances": [{FLOWER}]}}'):
            assert ask(server, "/v1/models/iris:predict", body).status == 200
