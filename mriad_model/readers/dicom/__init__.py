"""DICOM series: tags, headers, frames, transfer syntaxes -> one volume."""
