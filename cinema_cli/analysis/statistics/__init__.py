"""Statistics as pure functions of arrays: they know no files, no column names, no pages."""
