"""The table in docs/reliability.md says what the markers of the tests say."""

import pytest
from support.fault_table import NUMBERS, cells_in_page, cells_of, rows


def test_every_fault_has_a_test_that_says_what_it_is():
    assert list(rows()) == list(NUMBERS)
    assert [number for number, row in rows().items() if not (row.fault and row.bound)] == []


def test_the_page_has_the_rows_of_the_markers(pytestconfig):
    if pytestconfig.getoption("--write-fault-table"):
        pytest.skip("this run writes them")
    # If not: make test-python ARGS='-m fault --write-fault-table'
    assert cells_in_page() == [cells_of(number, row) for number, row in rows().items()]
