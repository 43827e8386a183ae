"""When a scan is suspicious, uncertain or not scorable; and whether scores drift."""
