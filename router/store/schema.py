"""Tables of the store, and the version of their shape."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

# Raise it with every change that an older program could not read or would damage.
SCHEMA_VERSION = 4

metadata = MetaData()
# SQLite numbers rows by itself only where the type is spelled INTEGER.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# Records, a batch a row (segments.py). The columns say which segments are worth unpacking; the body stands last, so
# that SQLite does not touch its pages while it looks at the others.
segments = Table(
    "segments",
    metadata,
    # Order of completion: a call that ends late has an early id, and whoever follows must still see it. A number is
    # never given again, not even when all rows are gone: a follower would wait for it for ever.
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("records", Integer, nullable=False),
    Column("differing", Integer, nullable=False),
    Column("first_at", Float, nullable=False),  # arrival of the earliest call in it
    Column("last_at", Float, nullable=False),
    Column("first_id", String, nullable=False),
    Column("last_id", String, nullable=False),
    Column("marks", LargeBinary, nullable=False),  # tools and sandboxes in it, 4 bytes each (calls.py)
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
# The last first: calls that are looked up are young, and only segments from theirs on have a later last id.
Index("segments_by_id", segments.c.last_id, segments.c.first_id)


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


# What is summed of a sandbox, and the lowest and highest version of the tool's flag that its calls were decided by
# (0: by no share of it). `wished`: for which the flag wished new. `log_seconds`: sum of logarithms over the `timed`.
SANDBOX_SUMS = (
    *("calls", "on_new", "compared", "differing", "failed", "wished", "pairs", "old_failed", "new_failed", "timed"),
    "log_seconds",
)


def _of_sandboxes() -> Sequence[Column[Any]]:
    return (
        Column("hour", BigInteger, primary_key=True),
        Column("tool", String, primary_key=True),
        Column("sandbox", String, primary_key=True),
        *map(_count, SANDBOX_SUMS[:-1]),
        Column(SANDBOX_SUMS[-1], Float, nullable=False, server_default="0"),
        *map(_count, ("first_version", "last_version")),
    )


# Calls of one sandbox are alike, so evidence is also counted by sandbox. Kept as long as records.
sandbox_hours = Table("sandbox_hours", metadata, *_of_sandboxes())
# A reader's own: what is not written yet (late.py).
sandboxes_unwritten = Table("sandboxes_unwritten", MetaData(), *_of_sandboxes(), prefixes=["TEMPORARY"])

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

# Calls that differ in more than looks, by all their kinds together: a call is explained when all of its kinds are.
# `kinds` is a hash of `names`, which is JSON [[signature, severity]] (kinds.py).
kind_sets = Table(
    "kind_sets",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("kinds", String, primary_key=True),
    Column("names", Text, nullable=False),
    *map(_count, ("calls", "contract", "new_failed")),
)
# The same calls by sandbox. Kept as long as records.
sandbox_kinds = Table(
    "sandbox_kinds",
    metadata,
    Column("hour", BigInteger, primary_key=True),
    Column("tool", String, primary_key=True),
    Column("sandbox", String, primary_key=True),
    Column("kinds", String, primary_key=True),
    _count("calls"),
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

# What people said of kinds of difference (crossfade/judgement.py). Append-only, too.
judgements = Table(
    "judgements",
    metadata,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("saying", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", String, nullable=False),
    Column("until", Float, nullable=True),
)
