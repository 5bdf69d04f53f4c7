"""Tables of the store, and the version of their shape."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

# Raise it with every change that an older program could not read or would damage.
SCHEMA_VERSION = 1

metadata = MetaData()
# SQLite numbers rows by itself only where the type is spelled INTEGER.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# Columns for what is searched; the whole record is in `body`, so that a new field of Record needs no new shape.
records = Table(
    "records",
    metadata,
    # Order of completion: a call that ends late has an early id, and whoever follows must still see it.
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("tool", String, nullable=False),
    Column("sandbox", String, nullable=False),
    Column("differing", Boolean, nullable=False),
    Column("body", Text, nullable=False),
)
Index("records_by_id", records.c.id, unique=True)
Index("records_by_sandbox", records.c.sandbox, records.c.seq)
Index(
    "records_differing",
    records.c.seq,
    sqlite_where=records.c.differing.is_(True),
    postgresql_where=records.c.differing.is_(True),
)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


# Hourly sums. `hour` is the Unix second at which the hour of the call's arrival began.
rollups = Table(
    "rollups",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("answering", String, primary_key=True),
    Column("wish", String, primary_key=True),
    Column("stage", String, primary_key=True),
    *map(_count, ("calls", "failed", "cancelled", "mirrored", "compared", "matched", "cosmetic", "contract")),
    *map(_count, ("both_ok", "old_failed", "new_failed", "both_failed")),
    *map(_count, ("validated", "bytes_in", "bytes_out")),
    Column("validation_seconds", Float, nullable=False, server_default="0"),
)

# Hourly counts of named things; `kind` is dropped, held or status.
tallies = Table(
    "tallies",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("answering", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    _count("count"),
)

# Hourly histograms: `position` is answer or shadow, `histogram` is JSON {bucket: count}.
latencies = Table(
    "latencies",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("origin", String, primary_key=True),
    Column("position", String, primary_key=True),
    Column("histogram", Text, nullable=False),
)

# Calls of one sandbox are alike, so evidence is also counted by sandbox. Kept as long as records.
sandbox_hours = Table(
    "sandbox_hours",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("sandbox", String, primary_key=True),
    *map(_count, ("calls", "on_new", "compared", "differing")),
)

signatures = Table(
    "signatures",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("severity", String, nullable=False),
    _count("count"),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
)

# The newest few differences of each signature, redacted and capped before they came here.
samples = Table(
    "samples",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("tool", String, nullable=False),
    Column("name", String, nullable=False),
    Column("call", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("path", Text, nullable=False),
    Column("old", Text, nullable=False),
    Column("new", Text, nullable=False),
)
Index("samples_by_signature", samples.c.tool, samples.c.name, samples.c.seq)

origin_requests = Table(
    "origin_requests",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("origin", String, primary_key=True),
    Column("purpose", String, primary_key=True),
    _count("count"),
)

# Records that could not be written, and why: a report must not pass over them.
losses = Table(
    "losses",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("reason", String, primary_key=True),
    _count("count"),
)

twins = Table(
    "twins",
    metadata,
    Column("id", String, primary_key=True),
    # Beside the body, because it is set alone, on the way of a client's write.
    Column("dirty", Boolean, nullable=False),
    Column("body", Text, nullable=False),
)

flags = Table(
    "flags",
    metadata,
    Column("key", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
)

# Append-only: nothing in this program updates or deletes a row.
flag_history = Table(
    "flag_history",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("key", String, nullable=False),
    Column("author", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("before", Text, nullable=True),
    Column("after", Text, nullable=False),
)
