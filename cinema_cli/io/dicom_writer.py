"""Writes made-up MR series as DICOM with the header habits of Siemens, GE and Philips; the same bytes every time."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from cinema_cli.io.atomic import output_errors
from cinema_cli.io.vendors import IMAGE_TYPE, MAKER, SIEMENS_SEQUENCE, Kind, Vendor

_MR_IMAGE = UID("1.2.840.10008.5.1.4.1.1.4")
_ENHANCED_MR_IMAGE = UID("1.2.840.10008.5.1.4.1.1.4.1")
_SYNTAXES = {"plain": ExplicitVRLittleEndian, "rle": RLELossless, "jpeg2000": JPEG2000Lossless}


@dataclass(frozen=True, slots=True)
class Visit:
    """What all images of a study share: the person, the machine and the date."""

    study_uid: str
    patient_id: str
    patient_name: str
    birth_date: str  # DICOM DA
    sex: str
    age_years: int
    height_cm: float | None  # None: left out of the header
    weight_kg: float | None
    study_date: str  # DICOM DA
    start_s: int  # seconds since midnight
    vendor: Vendor
    field_strength_t: float


@dataclass(frozen=True, slots=True)
class SeriesHeader:
    """What all images of a series share. `after_s` is when it was taken, seconds since the study began."""

    series_uid: str
    number: int
    kind: Kind
    description: str
    after_s: int
    enhanced: bool = False
    frame_major: bool = False  # InstanceNumber runs over the slices of a frame first
    has_trigger_times: bool = True
    syntax: str = "plain"  # or "rle", "jpeg2000"
    rescale_slope: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeriesImages:
    """Pixels and where and when they lie, in DICOM patient coordinates (LPS). Each slice has its own orientation."""

    pixels: NDArray[np.uint16]  # (frame, slice, row, column)
    origins_mm: NDArray[np.float64]  # (slice, 3)
    rows: NDArray[np.float64]  # (slice, 3): unit vectors along which the column index grows
    columns: NDArray[np.float64]  # (slice, 3)
    pixel_mm: float
    thickness_mm: float
    step_mm: float
    cycle_ms: NDArray[np.float64] | None  # (slice,): R-R interval of each breath-hold; None: not gated
    delay_ms: float = 0.0  # trigger time of the first frame

    def trigger_ms(self, position: int, frame: int) -> float | None:
        """Trigger time of one image; None where it was not gated."""
        if self.cycle_ms is None:
            return None
        return float(self.delay_ms + self.cycle_ms[position] * frame / self.pixels.shape[0])


def make_uid(*parts: object) -> str:
    """A valid UID under 2.25 that is always the same for the same parts."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def write_series(folder: Path, *, visit: Visit, header: SeriesHeader, images: SeriesImages) -> list[Path]:
    """Write one series into `folder` (made if missing): a file an image, or one enhanced multi-frame file.

    Raises OutputError where the disk is full or refuses.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if header.enhanced:
            path = folder / "IM_0001.dcm"
            _save(_enhanced(visit, header, images), path, header.syntax)
            return [path]
        paths = []
        for number, position, frame in _order(images, frame_major=header.frame_major):
            path = folder / f"IM_{number:04d}.dcm"
            _save(_single(visit, header, images, position, frame, number), path, header.syntax)
            paths.append(path)
        return paths


def _order(images: SeriesImages, *, frame_major: bool) -> Iterator[tuple[int, int, int]]:
    """(instance number, slice, frame) of every image."""
    frames, slices = images.pixels.shape[:2]
    if frame_major:
        pairs = [(s, f) for f in range(frames) for s in range(slices)]
    else:
        pairs = [(s, f) for s in range(slices) for f in range(frames)]
    return ((number, s, f) for number, (s, f) in enumerate(pairs, start=1))


def _base(visit: Visit, header: SeriesHeader, *, sop_class: UID, key: object) -> FileDataset:
    """Person, study, series and machine."""
    sop_uid = UID(make_uid(header.series_uid, key))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, sop_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("2.25.329800735698586629295641978511506172918")
    meta.ImplementationVersionName = "CINEMA_SIM"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = list(IMAGE_TYPE[visit.vendor, header.kind])
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop_class, sop_uid, "MR"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = visit.study_date
    dataset.StudyTime, dataset.SeriesTime = _time(visit.start_s), _time(visit.start_s + header.after_s)
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "", ""
    dataset.Manufacturer, dataset.ManufacturerModelName = MAKER[visit.vendor]
    if header.description:
        dataset.SeriesDescription = header.description
        dataset.ProtocolName = header.description
    dataset.PatientName, dataset.PatientID = visit.patient_name, visit.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = visit.birth_date, visit.sex
    dataset.PatientAge = f"{visit.age_years:03d}Y"
    if visit.height_cm is not None:
        dataset.PatientSize = f"{visit.height_cm / 100:.2f}"
    if visit.weight_kg is not None:
        dataset.PatientWeight = f"{visit.weight_kg:.1f}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = visit.study_uid, header.series_uid
    dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber = "1", header.number, 1
    dataset.FrameOfReferenceUID = make_uid("frame of reference", visit.study_uid)
    dataset.PositionReferenceIndicator = ""
    dataset.MagneticFieldStrength = f"{visit.field_strength_t:g}"
    dataset.PatientPosition = "HFS"
    return dataset


def _single(
    visit: Visit, header: SeriesHeader, images: SeriesImages, position: int, frame: int, number: int
) -> FileDataset:
    """One classic MR image."""
    dataset = _base(visit, header, sop_class=_MR_IMAGE, key=(position, frame))
    dataset.InstanceNumber = number
    cine = header.kind is Kind.CINE
    dataset.ScanningSequence, dataset.SequenceVariant = "GR", "SS" if cine else "SP"
    dataset.ScanOptions, dataset.MRAcquisitionType = "", "2D"
    if visit.vendor is Vendor.SIEMENS:
        dataset.SequenceName = SIEMENS_SEQUENCE[header.kind]
    dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle = "38.22" if cine else "5.1", "1.16", "60"
    dataset.SliceThickness = f"{images.thickness_mm:g}"
    if visit.vendor is not Vendor.SIEMENS:
        dataset.SpacingBetweenSlices = f"{images.step_mm:g}"
    dataset.PixelSpacing = [f"{images.pixel_mm:g}"] * 2
    dataset.ImagePositionPatient = _decimals(images.origins_mm[position])
    dataset.ImageOrientationPatient = _decimals([*images.rows[position], *images.columns[position]])
    taken = visit.start_s + header.after_s + 14 * position
    dataset.AcquisitionTime, dataset.ContentTime = _time(taken), _time(taken + 9)
    _gate(dataset, visit, header, images, position, frame)
    if header.rescale_slope is not None:
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{header.rescale_slope:g}", "0"
        dataset.RescaleType = "normalized" if visit.vendor is Vendor.PHILIPS else "US"
    _pixels(dataset, images.pixels[frame, position])
    return dataset


def _gate(
    dataset: Dataset, visit: Visit, header: SeriesHeader, images: SeriesImages, position: int, frame: int
) -> None:
    """Timing in the cycle, where the series was gated."""
    at = images.trigger_ms(position, frame)
    if at is None or images.cycle_ms is None:
        return
    cycle = float(images.cycle_ms[position])
    dataset.NominalInterval = round(cycle)
    dataset.CardiacNumberOfImages = images.pixels.shape[0]
    if visit.vendor is not Vendor.SIEMENS:
        dataset.HeartRate = round(60000 / cycle)
    if visit.vendor is Vendor.PHILIPS:
        dataset.TemporalPositionIdentifier = frame + 1
        dataset.NumberOfTemporalPositions = images.pixels.shape[0]
    if header.has_trigger_times:
        dataset.TriggerTime = f"{at:.1f}"


def _enhanced(visit: Visit, header: SeriesHeader, images: SeriesImages) -> FileDataset:
    """One enhanced multi-frame MR object with all images of the series."""
    dataset = _base(visit, header, sop_class=_ENHANCED_MR_IMAGE, key="enhanced")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"]
    order = list(_order(images, frame_major=header.frame_major))
    dataset.NumberOfFrames, dataset.InstanceNumber = len(order), 1
    start = _time(visit.start_s + header.after_s)
    dataset.ContentTime, dataset.AcquisitionDateTime = start, visit.study_date + start
    timing = _item(RepetitionTime=3.1, FlipAngle=60.0)
    measures = _item(
        PixelSpacing=[f"{images.pixel_mm:g}"] * 2,
        SliceThickness=f"{images.thickness_mm:g}",
        SpacingBetweenSlices=f"{images.step_mm:g}",
    )
    dataset.SharedFunctionalGroupsSequence = _item(
        PixelMeasuresSequence=measures, MRTimingAndRelatedParametersSequence=timing
    )
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(
        [_frame_group(header, images, position, frame) for _, position, frame in order]
    )
    _pixels(dataset, np.stack([images.pixels[frame, position] for _, position, frame in order]))
    return dataset


def _frame_group(header: SeriesHeader, images: SeriesImages, position: int, frame: int) -> Dataset:
    group = Dataset()
    group.FrameContentSequence = _item(
        StackID="1",
        InStackPositionNumber=position + 1,
        TemporalPositionIndex=frame + 1,
        DimensionIndexValues=[position + 1, frame + 1],
    )
    group.PlanePositionSequence = _item(ImagePositionPatient=_decimals(images.origins_mm[position]))
    group.PlaneOrientationSequence = _item(
        ImageOrientationPatient=_decimals([*images.rows[position], *images.columns[position]])
    )
    group.MREchoSequence = _item(EffectiveEchoTime=1.5)
    at = images.trigger_ms(position, frame)
    if at is not None and images.cycle_ms is not None:
        group.CardiacSynchronizationSequence = _item(
            NominalCardiacTriggerDelayTime=round(at, 1), RRIntervalTimeNominal=round(float(images.cycle_ms[position]))
        )
    group.PixelValueTransformationSequence = _item(
        RescaleSlope=f"{header.rescale_slope or 1.0:g}", RescaleIntercept="0", RescaleType="US"
    )
    return group


def _item(**values: object) -> DicomSequence:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return DicomSequence([item])


def _pixels(dataset: Dataset, pixels: NDArray[np.uint16]) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _save(dataset: FileDataset, path: Path, syntax: str) -> None:
    wanted = _SYNTAXES[syntax]
    if wanted.is_compressed:
        dataset.compress(wanted, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dcmwrite(path, dataset, enforce_file_format=True)


def _decimals(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    return [f"{float(value) + 0.0:.8g}" for value in values]


def _time(seconds: int) -> str:
    """Seconds since midnight as DICOM TM."""
    return f"{seconds // 3600 % 24:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
