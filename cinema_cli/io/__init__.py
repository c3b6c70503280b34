"""Floor 1: DICOM, NIfTI, tables and records on disk; the only floor that knows file formats."""
