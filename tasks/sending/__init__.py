"""Sending DICOM outputs back to a PACS."""
