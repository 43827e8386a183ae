"""Views also have scans without a score: v_unscored; v_worklist those that are not scorable.

v_daily counts both. An index finds rejections by their reason.
"""

from alembic import op

revision = "r0012"
down_revision = "r0011"

# A review that was not withdrawn, and is no withdrawal.
HOLDS = """{review}.withdrawn IS NULL AND NOT EXISTS (
    SELECT 1 FROM review later
    WHERE later.scan_id = {review}.scan_id AND later.withdrawn = {review}.id)"""
ACTIVE = "(SELECT a.threshold_id FROM activation a ORDER BY a.id DESC LIMIT 1)"

# Of each scan the active threshold's decision, else the last, as the pages have it.
WORKLIST = f"""
CREATE VIEW v_worklist AS
SELECT v.* FROM v_decision v
WHERE v.verdict IN ('suspicious', 'uncertain', 'not_scorable')
    AND v.decision_id = (
        SELECT d.id FROM decision d WHERE d.scan_id = v.scan_id
        ORDER BY CASE WHEN d.threshold_id = {ACTIVE} THEN 0 ELSE 1 END, d.id DESC LIMIT 1)
    AND NOT EXISTS (
        SELECT 1 FROM review x WHERE x.scan_id = v.scan_id AND {HOLDS.format(review="x")})"""  # noqa: S608

# As db.repository.reports.unscored has it; a test holds the two together.
UNSCORED = f"""
CREATE VIEW v_unscored AS
SELECT v.scan_id, v.path, v.kind, v.contrast, v.scanner, v.patient, v.study_uid, v.series_uid,
    v.label, 'not_scorable' AS verdict,
    CASE r.reason WHEN 'unregistered' THEN 'registration_failed' ELSE r.reason END AS reason,
    r.detail, r.id AS rejection_id, r.created_at AS decided_at,
    substr(r.created_at, 1, 10) AS day, r.run_id
FROM (
    SELECT seen.scan_id, max(f.id) AS rejection_id
    FROM rejection f JOIN sighting seen ON seen.path = f.path AND seen.size = f.size
        AND seen.mtime_ns = f.mtime_ns AND f.created_at > seen.seen_at
    WHERE f.reason IN ('unregistered', 'incomplete', 'bad_geometry', 'no_signal')
        AND (f.reason = 'unregistered' OR NOT EXISTS (
            SELECT 1 FROM rejection o WHERE o.run_id = f.run_id AND o.created_at = f.created_at
                AND o.reason = f.reason AND o.detail = f.detail AND o.id <> f.id))
    GROUP BY seen.scan_id) last
JOIN rejection r ON r.id = last.rejection_id
JOIN v_scan v ON v.scan_id = last.scan_id
WHERE NOT EXISTS (
    SELECT 1 FROM decision d WHERE d.scan_id = last.scan_id AND d.threshold_id = {ACTIVE})"""  # noqa: S608

# A scan counts once, on the day of its first decision: a recalibration decides many again. One
# without any counts on the day when it failed last.
DAILY = f"""
CREATE VIEW v_daily AS
SELECT t.day, t.scanner, count(*) AS scans,
    count(CASE WHEN t.verdict = 'suspicious' THEN 1 END) AS suspicious,
    count(CASE WHEN t.verdict = 'uncertain' THEN 1 END) AS uncertain,
    count(CASE WHEN t.verdict = 'not_scorable' THEN 1 END) AS not_scorable,
    count(CASE WHEN t.verdict = 'normal' THEN 1 END) AS normal,
    count(CASE WHEN EXISTS (
        SELECT 1 FROM review x WHERE x.scan_id = t.scan_id AND {HOLDS.format(review="x")}
    ) THEN 1 END) AS reviewed
FROM (
    SELECT substr(d.created_at, 1, 10) AS day, s.scanner, d.verdict, d.scan_id
    FROM decision d JOIN scan s ON s.id = d.scan_id
    WHERE d.id = (SELECT min(x.id) FROM decision x WHERE x.scan_id = d.scan_id)
    UNION ALL
    SELECT u.day, u.scanner, u.verdict, u.scan_id FROM v_unscored u
    WHERE NOT EXISTS (SELECT 1 FROM decision x WHERE x.scan_id = u.scan_id)) t
GROUP BY t.day, t.scanner"""  # noqa: S608


def upgrade() -> None:
    """Make the index, and the views anew."""
    op.create_index("ix_rejection_reason", "rejection", ["reason"])
    for name in ("v_daily", "v_worklist"):
        op.execute(f"DROP VIEW {name}")
    for statement in (WORKLIST, UNSCORED, DAILY):
        op.execute(statement)
