"""cinema: from folders of cine cardiac MR DICOM to phenotypes and a report."""

__version__ = "0.1.0"
