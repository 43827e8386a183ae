"""How the record's tables came to be, step by step; run by `db.engine.connect.open_record`."""
