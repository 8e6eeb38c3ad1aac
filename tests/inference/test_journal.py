"""The journal of a unit: the row that ends its process is found, whatever else was at the engine with it."""

import pytest

from shopbatch.inference.journal import MAX_DEATHS, EngineBroken, Journal


@pytest.fixture
def uri(tmp_path):
    return str(tmp_path / "run" / "p00000-0000000.json")


def test_a_unit_that_ended_well_leaves_nothing(uri, tmp_path):
    journal = Journal.open(uri)
    journal.begin([1, 2, 3])
    journal.close()
    journal.close()
    again = Journal.open(uri)
    assert (again.deaths, again.suspects, again.rejected) == (0, set(), {})
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_death_makes_all_rows_in_flight_suspects_and_rejects_none(uri):
    Journal.open(uri).begin([1, 2, 3])
    journal = Journal.open(uri)
    assert (journal.deaths, journal.suspects, journal.rejected) == (1, {1, 2, 3}, {})


def test_only_a_row_that_died_alone_after_it_died_in_company_is_rejected(uri):
    Journal.open(uri).begin([1, 2, 3])
    journal = Journal.open(uri)
    journal.begin([1])  # survives
    journal.begin([2])
    second = Journal.open(uri)
    assert second.rejected == {2: "crash"} and second.suspects == {1, 2, 3}
    second.begin([3])
    second.time_out()
    assert Journal.open(uri).rejected == {2: "crash", 3: "time_out"}


def test_a_row_that_is_alone_from_the_start_gets_a_second_try(uri):
    Journal.open(uri).begin([7])
    journal = Journal.open(uri)
    assert journal.rejected == {} and journal.suspects == {7}
    journal.begin([7])
    assert Journal.open(uri).rejected == {7: "crash"}


def test_a_process_that_dies_again_and_again_is_no_rows_fault(uri):
    journal = Journal.open(uri)
    for number in range(MAX_DEATHS):
        journal.begin([number, number + 1])
        journal = Journal.open(uri)
    journal.begin([1, 2])
    with pytest.raises(EngineBroken, match=str(MAX_DEATHS + 1)):
        Journal.open(uri)
