from pathlib import Path

import pytest

from tests.support.snippets import Command, Reader, commands, fits

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "docs" / "index.md", *(ROOT / "docs" / "guides").glob("*.md")])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_of_the_page_works(page: Path, tmp_path: Path):
    for name in (".venv", "python"):  # who reads these pages stands in a clone
        (tmp_path / name).symlink_to(ROOT / name)
    Reader(tmp_path).follow(page.read_text(encoding="utf-8"))


def test_page_is_followed_from_top_to_bottom(tmp_path: Path):
    page = """
```toml title="a.toml"
x = 1
```
```console
$ cat a.toml
x = 1
$ echo one; \\
  echo two 17 ms
one
two … ms
```
```python
open("b", "w").write("made")
```
```console
$ cat b
made
```
"""
    Reader(tmp_path).follow(page)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("```console\n$ false\n```\n", "ended with 1"),
        ("```console\n$ echo a\nb\n```\n", "The page says:\nb"),
        ("\n```python\nraise SystemExit(3)\n```\n", "the script of line 3 ended with 3"),
        ("```console\n$ sleep 30 &\n```\n", "leaves something running"),
    ],
)
def test_page_that_is_wrong_fails(page: str, message: str, tmp_path: Path):
    with pytest.raises(AssertionError, match=message):
        Reader(tmp_path).follow(page)


def test_commands_of_a_page_share_a_shell(tmp_path: Path):
    page = """
```console
$ name=value
$ sleep 30 &
$ echo $name
value
```
```console
$ kill %1; wait %1; test $? = 143
```
"""
    Reader(tmp_path).follow(page)


def test_servers_get_ports_of_their_own(tmp_path: Path):
    page = """
```console
$ python3 -m http.server $TURNOUT_REST_PORT --bind 127.0.0.1 &
$ curl -sf --retry 20 --retry-connrefused --retry-delay 1 -o /dev/null -w '%{url}' localhost:8501/
…127.0.0.1:8501/
$ kill %1
$ ! wait %1
```
"""
    Reader(tmp_path).follow(page)


def test_commands_carry_their_output():
    assert list(commands("$ a\n1\n2\n$ b\n")) == [Command("a", "1\n2"), Command("b", "")]


@pytest.mark.parametrize(
    ("expected", "printed", "answer"),
    [
        ("a", "a\n", True),
        ("a", "b", False),
        ("a…z", "abcz", True),
        ("{\n  …\n}", "{\n  1,\n  2\n}", True),
        ("[0.98470,6.2e-8]", "[0.98471,6.2001e-8]", True),
        ("[0.98]", "[0.97]", False),
        ("… 0.5", "17 0.5", True),
    ],
)
def test_ellipsis_stands_for_anything(expected: str, printed: str, answer: bool):
    assert fits(expected, printed) is answer
