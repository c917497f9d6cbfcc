"""The page of the benchmarks says what the kept result says."""

from dataclasses import replace
from pathlib import Path

from bench.cells import Cell, Load, Sample
from bench.in_process import Limit
from bench.machine import describe_machine
from bench.page import render_page, render_table
from bench.result import Result, read_result
from bench.run import PAGE, PUBLISHED, merge
from bench.swaps import SwapSample

SAMPLE = Sample(100_000.0, 500.0, 1_000.0, 20_000.0, 0.3, 0.6, 0.7, 0.01)
SLOWER = Sample(90_000.0, 600.0, 2_000.0, 30_000.0, 0.3, 0.6, 0.7, 0.05)
RESULT = Result(
    date="2026-01-02",
    machine=describe_machine(),
    repeats=3,
    seconds=2.0,
    models={"mlp": "a perceptron"},
    limits=[Limit("mlp", 1, 5.0), Limit("mlp", 32, 4.0)],
    cells=[
        Cell(Load("mlp", "rest", 64, 1, None), (SAMPLE, SLOWER, SAMPLE)),
        Cell(Load("mlp", "grpc", 8, 100, 0.5), (SAMPLE, SAMPLE, SAMPLE)),
    ],
    swaps=[
        SwapSample("rest", 25_000.0, 12.0, calm_us, swaps_us)
        for calm_us, swaps_us in [(1_000.0, 1_500.0), (2_000.0, 2_000.0), (1_000.0, 4_000.0)]
    ],
)


def test_the_page_is_that_of_the_result():
    assert PAGE.read_text() == render_page(read_result(PUBLISHED)), "run `python -m bench.run --page`"


def test_a_result_survives_its_file(tmp_path: Path):
    file = tmp_path / "result.json"
    RESULT.write(file)
    assert render_page(read_result(file)) == render_page(RESULT)


def test_lines_show_medians_and_spread():
    page = render_page(RESULT)
    assert (
        "| mlp | REST | 64 | closed | 100,000 | 10 % | 50 % | 500 µs | 1000 µs | 20.0 ms | 30 + 60 % | 70 % |" in page
    )
    assert "| mlp | gRPC | 8 × 100 | open 50 % | 100,000 | 0 % |  | 500 µs |" in page
    assert "| mlp | 32 | 4.0 | 8,000,000 |" in page
    assert "| 3 | REST | 25,000 | 12.0 | 1000 µs | 4000 µs | 4.00 |" in page
    assert "| median | REST |  |  | 1000 µs | 2000 µs | 1.50 |" in page


def test_the_table_has_the_same_lines():
    lines = render_table(RESULT).splitlines()
    assert len(lines) == 3 + 1 + 3 + 1 + 5
    assert lines[1].split()[:5] == ["mlp", "REST", "64", "closed", "100,000"]


def test_a_part_replaces_its_models_alone():
    trees = Cell(Load("trees", "rest", 64, 1, None), (SLOWER,))
    part = replace(RESULT, models={"trees": "trees"}, cells=[trees], limits=[Limit("trees", 1, 9.0)], swaps=[])
    whole = merge(merge(RESULT, part), part)
    assert whole.cells == [*RESULT.cells, trees]
    assert [limit.model for limit in whole.limits] == ["mlp", "mlp", "trees"]
    assert whole.swaps == RESULT.swaps
