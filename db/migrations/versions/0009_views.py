"""Views for people who ask the record by SQL: v_scan, v_decision, v_worklist, v_daily.

They read the tables and can't be written to. A step that changes a column which a view names has
to drop the views first, and to make them again.
"""

from alembic import op

revision = "r0009"
down_revision = "r0008"

# A field of the JSON object `geometry`, as each database asks for it.
FIELD = {
    "sqlite": "json_extract(s.geometry, '$.{name}')",
    "postgresql": "CAST(s.geometry AS json) ->> '{name}'",
}
# A review that was not withdrawn, and is no withdrawal.
HOLDS = """{review}.withdrawn IS NULL AND NOT EXISTS (
    SELECT 1 FROM review later
    WHERE later.scan_id = {review}.scan_id AND later.withdrawn = {review}.id)"""
ACTIVE = "(SELECT a.threshold_id FROM activation a ORDER BY a.id DESC LIMIT 1)"
LABEL = """SELECT l.value FROM label l
    WHERE l.scan_id = s.id AND (l.source <> 'reviewer' OR NOT EXISTS (
        SELECT 1 FROM review gave JOIN review back ON back.withdrawn = gave.id
        WHERE gave.scan_id = l.scan_id AND gave.created_at = l.created_at
            AND gave.reviewer = l.author AND back.scan_id = gave.scan_id))
    ORDER BY l.id DESC LIMIT 1"""
# A series of many files is named by its folder: what stands before the last slash.
PATH = """CASE WHEN s.kind = 'dicom' AND CAST(coalesce({files}, '1') AS integer) > 1
    THEN rtrim(seen.path, replace(seen.path, '/', '')) ELSE seen.path END"""

SCAN = f"""
CREATE VIEW v_scan AS
SELECT s.id AS scan_id, s.kind, {{contrast}} AS contrast, s.scanner, s.patient, s.study_uid,
    s.series_uid, s.sha256, s.n_slices, {PATH} AS path, ({LABEL}) AS label,
    (SELECT count(*) FROM decision d WHERE d.scan_id = s.id) AS decisions,
    (SELECT count(*) FROM review r WHERE r.scan_id = s.id AND {HOLDS.format(review="r")})
        AS reviews,
    s.created_at AS registered_at, s.run_id, run.software_version
FROM scan s JOIN run ON run.id = s.run_id
LEFT JOIN sighting seen ON seen.id = (SELECT max(x.id) FROM sighting x WHERE x.scan_id = s.id)"""  # noqa: S608

DECISION = f"""
CREATE VIEW v_decision AS
SELECT d.id AS decision_id, d.scan_id, v.path, v.kind, v.contrast, v.scanner, v.patient,
    v.study_uid, v.series_uid, v.label, t.model_id, d.threshold_id,
    CASE WHEN d.threshold_id = {ACTIVE} THEN 1 ELSE 0 END AS active,
    CASE WHEN d.verdict <> 'not_scorable' THEN sc.value END AS score,
    t.value AS threshold,
    CASE WHEN d.verdict <> 'not_scorable' THEN (sc.value - t.mean) / nullif(t.sd, 0) END
        AS sigmas_above_healthy,
    CASE WHEN d.verdict <> 'not_scorable' THEN d.p_value END AS p_value,
    d.verdict, d.reason, sc.gate, sc.spread,
    (SELECT h.path FROM heatmap h WHERE h.score_id = d.score_id ORDER BY h.id LIMIT 1)
        AS heatmap_path,
    r.verdict AS review, r.reviewer, r.tags, r.created_at AS reviewed_at,
    d.created_at AS decided_at, substr(d.created_at, 1, 10) AS day, d.run_id
FROM decision d
JOIN v_scan v ON v.scan_id = d.scan_id
JOIN score sc ON sc.id = d.score_id
JOIN threshold t ON t.id = d.threshold_id
LEFT JOIN review r ON r.id = (
    SELECT max(x.id) FROM review x
    WHERE x.scan_id = d.scan_id AND x.decision_id = d.id AND {HOLDS.format(review="x")})"""  # noqa: S608

# Of each scan the active threshold's decision, else the last, as the pages have it.
WORKLIST = f"""
CREATE VIEW v_worklist AS
SELECT v.* FROM v_decision v
WHERE v.verdict IN ('suspicious', 'uncertain')
    AND v.decision_id = (
        SELECT d.id FROM decision d WHERE d.scan_id = v.scan_id
        ORDER BY CASE WHEN d.threshold_id = {ACTIVE} THEN 0 ELSE 1 END, d.id DESC LIMIT 1)
    AND NOT EXISTS (
        SELECT 1 FROM review x WHERE x.scan_id = v.scan_id AND {HOLDS.format(review="x")})"""  # noqa: S608

# A scan counts once, on the day of its first decision: a recalibration decides many again.
DAILY = f"""
CREATE VIEW v_daily AS
SELECT substr(d.created_at, 1, 10) AS day, s.scanner, count(*) AS scans,
    count(CASE WHEN d.verdict = 'suspicious' THEN 1 END) AS suspicious,
    count(CASE WHEN d.verdict = 'uncertain' THEN 1 END) AS uncertain,
    count(CASE WHEN d.verdict = 'not_scorable' THEN 1 END) AS not_scorable,
    count(CASE WHEN d.verdict = 'normal' THEN 1 END) AS normal,
    count(CASE WHEN EXISTS (
        SELECT 1 FROM review x WHERE x.scan_id = d.scan_id AND {HOLDS.format(review="x")}
    ) THEN 1 END) AS reviewed
FROM decision d JOIN scan s ON s.id = d.scan_id
WHERE d.id = (SELECT min(x.id) FROM decision x WHERE x.scan_id = d.scan_id)
GROUP BY substr(d.created_at, 1, 10), s.scanner"""  # noqa: S608


def upgrade() -> None:
    """Make the views, those that others read first."""
    field = FIELD[op.get_context().dialect.name]
    contrast, files = (field.format(name=name) for name in ("contrast", "files"))
    for statement in (SCAN.format(contrast=contrast, files=files), DECISION, WORKLIST, DAILY):
        op.execute(statement)
