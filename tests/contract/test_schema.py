"""The tables as the migrations make them, on SQLite and on PostgreSQL."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from evaluation import schema
from evaluation.database import Database
from evaluation.rollup import RollUp
from evaluation.tables import METADATA

GOLDEN = Path("tests/contract/golden")
OLD_RECORDS = (
    "CREATE TABLE records (dev TEXT, stream TEXT, seq BIGINT, tenant TEXT NOT NULL, line TEXT,"
    " zone TEXT, kind TEXT, t0_ms BIGINT NOT NULL, t1_ms BIGINT NOT NULL, count_in BIGINT,"
    " count_out BIGINT, uturn BIGINT, ambiguous BIGINT, born_past_line BIGINT, in_low BIGINT,"
    " in_high BIGINT, out_low BIGINT, out_high BIGINT, tot_in BIGINT, tot_out BIGINT,"
    " presence_ms BIGINT, used_ms BIGINT, arrivals BIGINT, departures BIGINT, peak BIGINT,"
    " dwell_ms BIGINT, wait_ms BIGINT, window_ms BIGINT, in_window_ms BIGINT,"
    " tot_presence_ms BIGINT, tot_arrivals BIGINT, cov FLOAT NOT NULL, cov_reason TEXT,"
    " tq TEXT NOT NULL, cfg TEXT NOT NULL, model TEXT NOT NULL, cal TEXT, chain TEXT NOT NULL,"
    " body TEXT NOT NULL, received_ms BIGINT NOT NULL, PRIMARY KEY (dev, stream, seq))"
)


@pytest.fixture
def engine(database_url):
    made = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    yield made
    made.dispose()


def test_the_migrations_make_the_tables_that_the_program_knows(database_url, engine):
    with closing(Database(database_url)) as db:
        db.prepare()
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    assert differences == []


def test_activities_of_before_were_planned_from_the_beginning(database_url, engine):
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        site = "INSERT INTO sites VALUES ('s1', 't', 'One', '', 'Asia/Shanghai')"
        connection.execute(text(site))
        # In Shanghai it is February already.
        at_ms = 1769904000000 - 3600_000
        activity = (
            "INSERT INTO activities (site, activity, title, t0_ms, t1_ms, is_held, audiences,"
            f" received_ms) VALUES ('s1', 'a', 'x', {at_ms}, {at_ms + 1}, TRUE, '[]', 5)"
        )
        connection.execute(text(activity))
    with closing(Database(database_url)) as db:
        db.prepare()
    with engine.connect() as connection:
        [row] = connection.execute(text("SELECT * FROM activity_months")).all()
    assert tuple(row) == ("s1", "a", 0, "2026-02")


def test_a_database_of_before_is_brought_up_to_date_and_keeps_its_records(database_url, engine):
    """Staff lines are found in what was sealed, and its days are rolled up."""
    [record] = json.loads((GOLDEN / "counts-staff-1.2.json").read_bytes())["records"][:1]
    staff = json.dumps(record | {"audience": "staff"}, separators=(",", ":"), sort_keys=True)
    visitors = json.dumps(record, separators=(",", ":"), sort_keys=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE schema_version (id INTEGER, version INTEGER)"))
        connection.execute(text("INSERT INTO schema_version VALUES (1, 1)"))
        connection.execute(text(OLD_RECORDS))
        for name in ("streams", "heads", "rejected"):
            connection.execute(text(f"CREATE TABLE {name} (dev TEXT)"))
        for seq, line, count, body in ((1, "door", 3, visitors), (2, "back", 9, staff)):
            connection.execute(
                text(
                    "INSERT INTO records (dev, stream, seq, tenant, line, t0_ms, t1_ms, count_in,"
                    " count_out, cov, tq, cfg, model, chain, body, received_ms) VALUES ('d1', 's',"
                    " :seq, 't', :line, 1767225600000, 1767226500000, :count, 0, 1, 'ntp', 'c',"
                    " 'm', 'x', :body, 0)"
                ),
                {"seq": seq, "line": line, "count": count, "body": body},
            )
    with closing(Database(database_url)) as db:
        db.prepare()
        db.prepare()
        assert RollUp(db).run() == 1
    with engine.connect() as connection:
        found = connection.execute(text("SELECT line, audience FROM records ORDER BY seq")).all()
        [(body,)] = connection.execute(text("SELECT body FROM device_days")).all()
        assert connection.execute(text("SELECT count(*) FROM continued")).scalar() == 0
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    assert [tuple(row) for row in found] == [("door", None), ("back", "staff")]
    assert sum(json.loads(body)["door"]["entered"]) == 3
    assert version == schema.newest()
