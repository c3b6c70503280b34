"""What Siemens, GE and Philips write into the headers of their series."""

from enum import StrEnum


class Vendor(StrEnum):
    """Whose header habits a file has."""

    SIEMENS = "siemens"
    GE = "ge"
    PHILIPS = "philips"


class Kind(StrEnum):
    """What a series is."""

    CINE = "cine"
    LOCALIZER = "localizer"
    FLOW_MAGNITUDE = "flow_magnitude"
    FLOW_PHASE = "flow_phase"
    T1_MAP = "t1_map"


MAKER = {
    Vendor.SIEMENS: ("SIEMENS", "Aera"),
    Vendor.GE: ("GE MEDICAL SYSTEMS", "SIGNA Artist"),
    Vendor.PHILIPS: ("Philips Medical Systems", "Ingenia"),
}
# ImageType and ScanningSequence by vendor and kind
IMAGE_TYPE: dict[tuple[Vendor, Kind], tuple[str, ...]] = {
    (Vendor.SIEMENS, Kind.CINE): ("ORIGINAL", "PRIMARY", "M", "RETRO", "NORM", "DIS2D"),
    (Vendor.SIEMENS, Kind.LOCALIZER): ("ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"),
    (Vendor.SIEMENS, Kind.FLOW_MAGNITUDE): ("ORIGINAL", "PRIMARY", "M", "RETRO", "DIS2D"),
    (Vendor.SIEMENS, Kind.FLOW_PHASE): ("DERIVED", "PRIMARY", "P", "RETRO", "DIS2D"),
    (Vendor.SIEMENS, Kind.T1_MAP): ("DERIVED", "PRIMARY", "T1 MAP", "NORM", "DIS2D"),
    (Vendor.GE, Kind.CINE): ("ORIGINAL", "PRIMARY", "OTHER"),
    (Vendor.GE, Kind.LOCALIZER): ("ORIGINAL", "PRIMARY", "OTHER"),
    (Vendor.GE, Kind.FLOW_MAGNITUDE): ("ORIGINAL", "PRIMARY", "OTHER"),
    (Vendor.GE, Kind.FLOW_PHASE): ("DERIVED", "PRIMARY", "VELOCITY MAP"),
    (Vendor.GE, Kind.T1_MAP): ("DERIVED", "SECONDARY", "T1 MAP"),
    (Vendor.PHILIPS, Kind.CINE): ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"),
    (Vendor.PHILIPS, Kind.LOCALIZER): ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"),
    (Vendor.PHILIPS, Kind.FLOW_MAGNITUDE): ("ORIGINAL", "PRIMARY", "M_PCA", "M", "PCA"),
    (Vendor.PHILIPS, Kind.FLOW_PHASE): ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "PCA"),
    (Vendor.PHILIPS, Kind.T1_MAP): ("DERIVED", "PRIMARY", "T1 MAP", "T1", "UNSPECIFIED"),
}
SIEMENS_SEQUENCE = {
    Kind.CINE: "*tfi2d1_12",
    Kind.LOCALIZER: "*tfi2d1_149",
    Kind.FLOW_MAGNITUDE: "*fl2d1r3",
    Kind.FLOW_PHASE: "*fl2d1_v150in",
    Kind.T1_MAP: "*tfi2d1_35",
}
