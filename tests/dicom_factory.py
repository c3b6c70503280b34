"""Tiny, valid cardiac MR DICOM files with realistic planes and header habits, written for tests."""

import hashlib
import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLosslessSV1

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"

Style = Literal["siemens", "ge", "philips", "enhanced"]
Layout = Literal["one_series", "series_per_slice"]
# Called with (dataset, slice, frame) before a file is written; for enhanced objects once, with (dataset, 0, 0).
Edit = Callable[[Dataset, int, int], None]
Floats = NDArray[np.float64]


def _unit(vector: Sequence[float] | Floats) -> Floats:
    array = np.asarray(vector, dtype=float)
    return np.asarray(array / np.linalg.norm(array))


# The heart in DICOM patient coordinates (LPS, mm): apex left, anterior and inferior of the base.
HEART_CENTRE = np.array([35.0, -30.0, 20.0])
TO_APEX = _unit((0.6, -0.6, -0.5))
LATERAL = _unit(np.array([0.71, 0.70, -0.03]) - np.dot([0.71, 0.70, -0.03], TO_APEX) * TO_APEX)
INFERIOR = np.cross(-TO_APEX, LATERAL)  # row x column of a short-axis image points from apex to base
LAX_ANGLE_DEG = {"lax_4c": 30.0, "lax_2c": 90.0, "lax_3c": 150.0}  # from lateral towards anterior (AHA walls 6, 1, 2)


@dataclass(frozen=True, slots=True)
class Plane:
    """One image plane: unit vectors of growing column and row index, and the centre of the image in mm."""

    row: Floats
    column: Floats
    centre: Floats

    def origin(self, size: tuple[int, int], spacing: tuple[float, float]) -> Floats:
        """Centre of the first pixel, (3,) mm."""
        half_column, half_row = spacing[1] * (size[1] - 1) / 2, spacing[0] * (size[0] - 1) / 2
        return np.asarray(self.centre - self.row * half_column - self.column * half_row)


def uid(*parts: object) -> str:
    """A valid UID that is always the same for the same parts."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def sax_planes(slices: int, slice_spacing: float) -> list[Plane]:
    """Parallel short-axis planes, base first."""
    offsets = (np.arange(slices) - (slices - 1) / 2) * slice_spacing
    return [Plane(LATERAL, INFERIOR, HEART_CENTRE + TO_APEX * offset) for offset in offsets]


def lax_plane(view: str) -> Plane:
    """The plane of `lax_2c`, `lax_3c` or `lax_4c`: it holds the long axis, at its angle round it."""
    angle = np.deg2rad(LAX_ANGLE_DEG[view])
    wall = np.cos(angle) * LATERAL - np.sin(angle) * INFERIOR
    if view == "lax_4c":
        return Plane(wall, -TO_APEX, HEART_CENTRE)
    return Plane(-TO_APEX, -wall, HEART_CENTRE)


def heart_image(
    plane: Plane, *, size: tuple[int, int], spacing: tuple[float, float], phase: float
) -> NDArray[np.int16]:
    """A crude beating heart cut by a plane; `phase` runs from 0 to 1 over the cycle, end-systole near 0.4."""
    rows, columns = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij")
    points = plane.origin(size, spacing) + (
        columns[..., None] * spacing[1] * plane.row + rows[..., None] * spacing[0] * plane.column
    )
    offset = points - HEART_CENTRE
    along, lateral, inferior = offset @ TO_APEX, offset @ LATERAL, offset @ INFERIOR
    squeeze = 1.0 - 0.3 * np.sin(np.pi * phase**0.75) ** 2
    taper = np.sqrt(np.clip(1.0 - ((along + 45.0) / 90.0) ** 2, 0.0, 1.0))
    ventricle = (along > -45.0) & (taper > 0)
    radius = np.hypot(lateral, inferior)
    image = np.full(size, 120.0)
    image[lateral > 60.0] = 20.0  # lung
    right = ventricle & (np.hypot((lateral + 38.0) / 1.1, inferior / 1.4) < 24.0 * taper * squeeze)
    image[right] = 820.0
    image[ventricle & (radius < (25.0 * squeeze + 10.0 / squeeze) * taper)] = 260.0
    image[ventricle & (radius < 25.0 * squeeze * taper)] = 900.0
    image[(along <= -45.0) & (np.hypot(radius, along + 65.0) < 20.0)] = 850.0  # left atrium
    return np.asarray(np.rint(image), dtype=np.int16)


@dataclass(frozen=True, slots=True)
class Who:
    """Patient and study part of the headers; `study_uid` follows from person and date unless given."""

    patient_id: str | None = "P001"
    name: str = "Doe^Jane"
    birth_date: str = "19600203"
    sex: str = "F"
    age: str = "063Y"
    height_m: float | None = 1.70
    weight_kg: float | None = 70.0
    study_uid: str | None = None
    study_date: str = "20240102"

    @property
    def study(self) -> str:
        """The study's UID."""
        return self.study_uid or uid("study", self.patient_id, self.name, self.birth_date, self.study_date)


@dataclass(frozen=True, slots=True)
class _Series:
    """What every image of a series shares."""

    who: Who
    series_uid: str
    number: int
    description: str
    style: Style
    image_type: tuple[str, ...]
    sequence_name: str
    scanning_sequence: str
    size: tuple[int, int]
    spacing: tuple[float, float]
    thickness: float
    slice_spacing: float
    cycle_ms: float
    n_frames: int
    rescale: tuple[float, float] | None
    transfer_syntax: str
    timed: bool = True


_MAKER = {
    "siemens": ("SIEMENS", "Aera"),
    "ge": ("GE MEDICAL SYSTEMS", "SIGNA HDx"),
    "philips": ("Philips Medical Systems", "Ingenia"),
    "enhanced": ("Philips", "Ingenia"),
}
_CINE_TYPE = {
    "siemens": ("ORIGINAL", "PRIMARY", "M", "RETRO", "NORM", "DIS2D"),
    "ge": ("ORIGINAL", "PRIMARY", "OTHER"),
    "philips": ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"),
    "enhanced": ("ORIGINAL", "PRIMARY", "CARDIAC", "NONE"),
}
_CINE_SEQUENCE = {"siemens": "*tfi2d1_12", "ge": "", "philips": "", "enhanced": ""}


def _blank(series: _Series, sop_uid: str, *, sop_class: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("2.25.1")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop_class, sop_uid, "MR"
    who = series.who
    if who.patient_id is not None:
        dataset.PatientID = who.patient_id
    dataset.PatientName, dataset.PatientBirthDate = who.name, who.birth_date
    dataset.PatientSex, dataset.PatientAge = who.sex, who.age
    dataset.PatientSize = None if who.height_m is None else f"{who.height_m:g}"
    dataset.PatientWeight = None if who.weight_kg is None else f"{who.weight_kg:g}"
    dataset.StudyInstanceUID, dataset.StudyDate, dataset.StudyTime = who.study, who.study_date, "101500"
    dataset.SeriesInstanceUID, dataset.SeriesNumber = series.series_uid, series.number
    dataset.SeriesDescription, dataset.ProtocolName = series.description, series.description
    dataset.Manufacturer, dataset.ManufacturerModelName = _MAKER[series.style]
    dataset.MagneticFieldStrength = "1.5"
    dataset.ImageType = list(series.image_type)
    dataset.FrameOfReferenceUID = uid("frame of reference", who.study)
    return dataset


def _pixel_tags(dataset: Dataset, pixels: NDArray[np.int16], series: _Series) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = series.size
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _decimals(values: Sequence[float] | Floats) -> list[str]:
    return [f"{float(value):.8g}" for value in values]


def _single(
    series: _Series, plane: Plane, pixels: NDArray[np.int16], *, key: object, time_ms: float | None
) -> FileDataset:
    """One classic MR image."""
    dataset = _blank(series, uid(series.series_uid, key), sop_class=MR_IMAGE)
    dataset.ScanningSequence, dataset.SequenceVariant = series.scanning_sequence, "SS"
    if series.sequence_name:
        dataset.SequenceName = series.sequence_name
    dataset.EchoTime, dataset.RepetitionTime, dataset.FlipAngle = "1.2", "40", "60"
    dataset.SliceThickness = f"{series.thickness:g}"
    if series.style != "siemens":
        dataset.SpacingBetweenSlices = f"{series.slice_spacing:g}"
    dataset.PixelSpacing = _decimals(series.spacing)
    dataset.ImagePositionPatient = _decimals(plane.origin(series.size, series.spacing))
    dataset.ImageOrientationPatient = _decimals([*plane.row, *plane.column])
    dataset.AcquisitionNumber = 1
    dataset.AcquisitionTime = dataset.ContentTime = dataset.SeriesTime = f"{101600 + series.number % 60:06d}"
    if series.timed:
        dataset.CardiacNumberOfImages = series.n_frames
        dataset.NominalInterval = round(series.cycle_ms)
        if series.style != "siemens":
            dataset.HeartRate = round(60000 / series.cycle_ms)
    if time_ms is not None:
        dataset.TriggerTime = f"{time_ms:g}"
    if series.rescale is not None:
        dataset.RescaleSlope, dataset.RescaleIntercept = (f"{value:g}" for value in series.rescale)
        dataset.RescaleType = "US"
    _pixel_tags(dataset, pixels, series)
    return dataset


def _item(**values: Any) -> DicomSequence:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return DicomSequence([item])


def _enhanced(
    series: _Series, frames: Sequence[tuple[int, int, Plane, float | None, NDArray[np.int16]]], *, key: object
) -> FileDataset:
    """One enhanced multi-frame MR object: frames are (slice, frame, plane, ms, pixels)."""
    dataset = _blank(series, uid(series.series_uid, key), sop_class=ENHANCED_MR_IMAGE)
    dataset.NumberOfFrames, dataset.InstanceNumber = len(frames), 1
    dataset.AcquisitionTime = dataset.ContentTime = "101700"
    dataset.SharedFunctionalGroupsSequence = _item(
        PlaneOrientationSequence=_item(ImageOrientationPatient=_decimals([*frames[0][2].row, *frames[0][2].column])),
        PixelMeasuresSequence=_item(
            PixelSpacing=_decimals(series.spacing),
            SliceThickness=f"{series.thickness:g}",
            SpacingBetweenSlices=f"{series.slice_spacing:g}",
        ),
        MRTimingAndRelatedParametersSequence=_item(RepetitionTime="3.0", FlipAngle="60"),
    )
    groups = []
    for slice_index, frame, plane, time_ms, _ in frames:
        group = Dataset()
        group.FrameContentSequence = _item(
            StackID="1",
            InStackPositionNumber=slice_index + 1,
            TemporalPositionIndex=frame + 1,
            DimensionIndexValues=[slice_index + 1, frame + 1],
        )
        group.PlanePositionSequence = _item(ImagePositionPatient=_decimals(plane.origin(series.size, series.spacing)))
        group.MREchoSequence = _item(EffectiveEchoTime=1.5)
        if time_ms is not None:
            group.CardiacSynchronizationSequence = _item(
                NominalCardiacTriggerDelayTime=float(time_ms), RRIntervalTimeNominal=float(series.cycle_ms)
            )
        slope, intercept = series.rescale or (1.0, 0.0)
        group.PixelValueTransformationSequence = _item(
            RescaleSlope=f"{slope:g}", RescaleIntercept=f"{intercept:g}", RescaleType="US"
        )
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
    _pixel_tags(dataset, np.stack([pixels for *_, pixels in frames]), series)
    return dataset


def jpeg_lossless(pixels: NDArray[np.uint16]) -> bytes:
    """Code (row, column) 16-bit pixels as JPEG process 14, selection value 1 (ITU-T T.81, annex H)."""
    values = pixels.astype(np.int64)
    predicted = np.roll(values, 1, axis=1)
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << 15
    bits = []
    for difference in ((values - predicted + 32768) % 65536 - 32768).ravel().tolist():
        category = abs(difference).bit_length()
        bits.append(f"{category:05b}")  # the table below gives category n the 5-bit code n
        if 0 < category < 16:
            bits.append(f"{(difference - (difference < 0)) & ((1 << category) - 1):0{category}b}")
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    coded = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\x00")
    rows, columns = pixels.shape
    frame = b"\xff\xc3" + struct.pack(">HBHHBBBB", 11, 16, rows, columns, 1, 1, 0x11, 0)
    table = b"\xff\xc4" + struct.pack(">HB", 2 + 1 + 16 + 17, 0) + bytes([0] * 4 + [17] + [0] * 11) + bytes(range(17))
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8" + frame + table + scan + coded + b"\xff\xd9"


def _compress_jpeg_lossless(dataset: FileDataset) -> None:
    """Pydicom has no encoder for JPEG lossless."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    stored = np.frombuffer(dataset.PixelData, "<u2").reshape(frames, dataset.Rows, dataset.Columns)
    dataset.PixelData = encapsulate([jpeg_lossless(frame) for frame in stored])
    dataset["PixelData"].is_undefined_length = True
    dataset.BitsStored, dataset.HighBit = 16, 15
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def _save(dataset: FileDataset, path: Path, transfer_syntax: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    syntax = UID(transfer_syntax)
    if syntax == JPEGLosslessSV1:
        _compress_jpeg_lossless(dataset)
    elif syntax.is_compressed and not syntax.is_deflated:
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_little_endian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def _write(
    folder: Path,
    series: _Series,
    planes: Sequence[Plane],
    *,
    layout: Layout = "one_series",
    trigger_times: Sequence[float] | Literal["auto"] | None = "auto",
    missing: Collection[tuple[int, int]] = (),
    duplicated: Collection[tuple[int, int]] = (),
    shuffle: int | None = None,
    extension: str = ".dcm",
    edit: Edit | None = None,
) -> list[Path]:
    """Write planes x frames as files; `shuffle` is a seed for file names and instance numbers."""
    wanted = [(s, f) for s in range(len(planes)) for f in range(series.n_frames) if (s, f) not in missing]
    wanted += list(duplicated)
    order = list(range(len(wanted)))
    if shuffle is not None:
        order = [int(value) for value in np.random.default_rng(shuffle).permutation(len(wanted))]
    if trigger_times == "auto":
        trigger_times = [frame * series.cycle_ms / series.n_frames for frame in range(series.n_frames)]
    own = [series] * len(planes)
    if layout == "series_per_slice":
        own = [
            replace(series, series_uid=uid(series.series_uid, s), number=series.number + s) for s in range(len(planes))
        ]
    images = []
    for s, f in wanted:
        pixels = heart_image(planes[s], size=series.size, spacing=series.spacing, phase=f / series.n_frames)
        images.append((s, f, planes[s], None if trigger_times is None else float(trigger_times[f]), pixels))
    paths = []
    if series.style == "enhanced":
        groups = [images] if layout == "one_series" else [[i for i in images if i[0] == s] for s in range(len(planes))]
        for s, group in enumerate(groups):
            enhanced = _enhanced(own[s], group, key="enhanced")
            if edit is not None:
                edit(enhanced, 0, 0)
            paths.append(_save(enhanced, folder / f"s{own[s].number:03d}_enhanced{extension}", series.transfer_syntax))
        return paths
    for running, (s, f, plane, time_ms, pixels) in enumerate(images):
        dataset = _single(own[s], plane, pixels, key=(s, f, running), time_ms=time_ms)
        dataset.InstanceNumber = order[running] + 1
        if series.style == "philips" and series.timed:
            dataset.TemporalPositionIdentifier = f + 1
            dataset.NumberOfTemporalPositions = series.n_frames
        if edit is not None:
            edit(dataset, s, f)
        paths.append(
            _save(dataset, folder / f"s{series.number:03d}_{order[running]:04d}{extension}", series.transfer_syntax)
        )
    return paths


def _series(
    who: Who,
    *,
    kind: str,
    number: int,
    description: str,
    style: Style,
    size: tuple[int, int],
    spacing: tuple[float, float],
    thickness: float = 8.0,
    slice_spacing: float = 10.0,
    cycle_ms: float = 900.0,
    n_frames: int = 10,
    rescale: tuple[float, float] | None = None,
    transfer_syntax: str = ExplicitVRLittleEndian,
    series_uid: str | None = None,
    image_type: tuple[str, ...] | None = None,
    sequence_name: str | None = None,
    scanning_sequence: str = "GR",
    timed: bool = True,
) -> _Series:
    return _Series(
        who=who,
        series_uid=series_uid or uid("series", who.study, kind, number),
        number=number,
        description=description,
        style=style,
        image_type=image_type or _CINE_TYPE[style],
        sequence_name=_CINE_SEQUENCE[style] if sequence_name is None else sequence_name,
        scanning_sequence=scanning_sequence,
        size=size,
        spacing=spacing,
        thickness=thickness,
        slice_spacing=slice_spacing,
        cycle_ms=cycle_ms,
        n_frames=n_frames,
        rescale=rescale,
        transfer_syntax=transfer_syntax,
        timed=timed,
    )


def _who(who: Who | None, overrides: dict[str, Any]) -> Who:
    return replace(who or Who(), **overrides)


def write_sax(
    folder: Path,
    *,
    slices: int = 8,
    frames: int = 10,
    size: tuple[int, int] = (32, 32),
    spacing: tuple[float, float] = (3.0, 3.0),
    slice_spacing: float = 10.0,
    thickness: float = 8.0,
    cycle_ms: float = 900.0,
    layout: Layout = "one_series",
    style: Style = "siemens",
    transfer_syntax: str = ExplicitVRLittleEndian,
    description: str = "CINE_segmented_SAX",
    series_number: int = 10,
    series_uid: str | None = None,
    trigger_times: Sequence[float] | Literal["auto"] | None = "auto",
    missing: Collection[tuple[int, int]] = (),
    duplicated: Collection[tuple[int, int]] = (),
    shuffle: int | None = None,
    extension: str = ".dcm",
    rescale: tuple[float, float] | None = None,
    edit: Edit | None = None,
    who: Who | None = None,
    **person: Any,
) -> list[Path]:
    """A short-axis cine stack, base slice first in instance order; `missing`/`duplicated` are (slice, frame) pairs.

    `trigger_times`: "auto" spreads `cycle_ms` evenly, a sequence gives each frame's ms, None leaves the tag out.
    `person`: any field of `Who` (patient_id, name, birth_date, sex, study_uid, study_date, ...).
    """
    series = _series(
        _who(who, person),
        kind="sax",
        number=series_number,
        description=description,
        style=style,
        size=size,
        spacing=spacing,
        thickness=thickness,
        slice_spacing=slice_spacing,
        cycle_ms=cycle_ms,
        n_frames=frames,
        rescale=rescale,
        transfer_syntax=transfer_syntax,
        series_uid=series_uid,
    )
    return _write(
        folder,
        series,
        sax_planes(slices, slice_spacing),
        layout=layout,
        trigger_times=trigger_times,
        missing=missing,
        duplicated=duplicated,
        shuffle=shuffle,
        extension=extension,
        edit=edit,
    )


_LAX_NUMBER = {"lax_2c": 30, "lax_3c": 31, "lax_4c": 32}


def write_lax(
    folder: Path,
    view: str,
    *,
    frames: int = 10,
    size: tuple[int, int] = (32, 32),
    spacing: tuple[float, float] = (4.0, 4.0),
    thickness: float = 6.0,
    cycle_ms: float = 900.0,
    style: Style = "siemens",
    transfer_syntax: str = ExplicitVRLittleEndian,
    description: str | None = None,
    series_number: int | None = None,
    trigger_times: Sequence[float] | Literal["auto"] | None = "auto",
    missing: Collection[tuple[int, int]] = (),
    shuffle: int | None = None,
    edit: Edit | None = None,
    who: Who | None = None,
    **person: Any,
) -> list[Path]:
    """A one-slice long-axis cine; `view` is lax_2c, lax_3c or lax_4c; `description=""` leaves only geometry to tell."""
    described = f"CINE_segmented_LAX_{view[-2]}Ch" if description is None else description
    series = _series(
        _who(who, person),
        kind=view,
        number=series_number or _LAX_NUMBER[view],
        description=described,
        style=style,
        size=size,
        spacing=spacing,
        thickness=thickness,
        slice_spacing=thickness,
        cycle_ms=cycle_ms,
        n_frames=frames,
        transfer_syntax=transfer_syntax,
    )
    return _write(
        folder, series, [lax_plane(view)], trigger_times=trigger_times, missing=missing, shuffle=shuffle, edit=edit
    )


def _scout_planes() -> list[Plane]:
    x, y, z = np.eye(3)
    axes = ((x, y, z), (x, -z, y), (y, -z, x))  # axial, coronal, sagittal
    return [
        Plane(row, column, HEART_CENTRE + normal * offset) for row, column, normal in axes for offset in (-30, 0, 30)
    ]


def write_localizer(
    folder: Path,
    *,
    style: Style = "siemens",
    description: str = "localizer",
    series_number: int = 1,
    who: Who | None = None,
    **person: Any,
) -> list[Path]:
    """Nine still scout images in three orthogonal planes."""
    named = ("ORIGINAL", "PRIMARY", "OTHER") if style == "ge" else ("ORIGINAL", "PRIMARY", "LOCALIZER")
    series = _series(
        _who(who, person),
        kind="localizer",
        number=series_number,
        description=description,
        style=style,
        size=(32, 32),
        spacing=(12.0, 12.0),
        slice_spacing=30.0,
        n_frames=1,
        image_type=named,
        timed=False,
    )
    return _write(folder, series, _scout_planes(), trigger_times=None)


_VELOCITY_TYPE = {
    "siemens": ("DERIVED", "PRIMARY", "P", "RETRO", "DIS2D"),
    "ge": ("DERIVED", "PRIMARY", "VELOCITY MAP"),
    "philips": ("ORIGINAL", "PRIMARY", "VELOCITY MAP", "P", "PCA"),
    "enhanced": ("ORIGINAL", "PRIMARY", "VELOCITY", "PHASE_CONTRAST"),
}


def write_flow(
    folder: Path,
    *,
    frames: int = 10,
    style: Style = "siemens",
    description: str = "flow_AAo_v150in",
    series_number: int = 50,
    who: Who | None = None,
    **person: Any,
) -> list[Path]:
    """A velocity-encoded cine: one phase series and one magnitude series of the same slice above the base."""
    plane = Plane(LATERAL, INFERIOR, HEART_CENTRE - 80.0 * TO_APEX)
    paths = []
    for offset, kind in enumerate(("phase", "magnitude")):
        series = _series(
            _who(who, person),
            kind=f"flow {kind}",
            number=series_number + offset,
            description=f"{description}_{kind}",
            style=style,
            size=(32, 32),
            spacing=(3.0, 3.0),
            thickness=6.0,
            n_frames=frames,
            sequence_name="*fl2d1_v150in" if style == "siemens" else "",
            image_type=_VELOCITY_TYPE[style] if kind == "phase" else None,
            scanning_sequence="GR",
        )
        paths += _write(folder, series, [plane])
    return paths


def write_t1_map(
    folder: Path,
    *,
    slices: int = 3,
    style: Style = "siemens",
    description: str = "ShMOLLI_192i_T1MAP",
    series_number: int = 60,
    who: Who | None = None,
    **person: Any,
) -> list[Path]:
    """Short-axis T1 maps: one still image a slice."""
    series = _series(
        _who(who, person),
        kind="t1 map",
        number=series_number,
        description=description,
        style=style,
        size=(32, 32),
        spacing=(3.0, 3.0),
        slice_spacing=20.0,
        n_frames=1,
        image_type=("DERIVED", "PRIMARY", "M", "T1 MAP"),
        sequence_name="*tfi2d1_35" if style == "siemens" else "",
        scanning_sequence="IR",
        timed=False,
    )
    return _write(folder, series, sax_planes(slices, 20.0), trigger_times=None)


def write_lge(
    folder: Path,
    *,
    slices: int = 8,
    style: Style = "siemens",
    description: str = "LGE_PSIR_SAX",
    series_number: int = 70,
    who: Who | None = None,
    **person: Any,
) -> list[Path]:
    """Late enhancement: a still short-axis stack with inversion."""

    def inversion(dataset: Dataset, _slice: int, _frame: int) -> None:
        dataset.InversionTime = "320"

    series = _series(
        _who(who, person),
        kind="lge",
        number=series_number,
        description=description,
        style=style,
        size=(32, 32),
        spacing=(3.0, 3.0),
        n_frames=1,
        sequence_name="*tfl2d1_21" if style == "siemens" else "",
        scanning_sequence="IR",
        timed=False,
    )
    return _write(folder, series, sax_planes(slices, 10.0), trigger_times=None, edit=inversion)


def write_study(folder: Path, *, style: Style = "siemens", who: Who | None = None, **person: Any) -> list[Path]:
    """A small whole visit: SAX a series a slice, three long-axis cines, localizer, flow, T1 map, LGE."""
    subject = _who(who, person)
    paths = write_sax(folder / "sax", style=style, layout="series_per_slice", slices=6, who=subject)
    for view in LAX_ANGLE_DEG:
        paths += write_lax(folder / "lax", view, style=style, who=subject)
    still: Style = "siemens" if style == "enhanced" else style
    paths += write_localizer(folder / "scout", style=still, who=subject)
    paths += write_flow(folder / "flow", style=still, who=subject)
    paths += write_t1_map(folder / "t1", style=still, who=subject)
    return paths + write_lge(folder / "lge", style=still, who=subject)


def write_junk(folder: Path) -> list[Path]:
    """Files that a scan must ignore: text, CSV, an empty file, hidden files, an index without a preamble."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "notes.txt": b"seen on Monday\n",
        "manifest.csv": b"filename,series\n1.dcm,CINE\n",
        "empty.dcm": b"",
        ".DS_Store": b"\0\0\0\1Bud1",
        "DICOMDIR": b"\0" * 128 + b"DICM" + b"\0" * 64,
        "noise.bin": bytes(range(256)) * 8,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def truncate(path: Path, *, drop_bytes: int) -> None:
    """Cut the end off a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - drop_bytes])


def set_tags(path: Path, **values: Any) -> None:
    """Rewrite a file with other values; None removes the tag (Modality="CT" makes it another modality)."""
    dataset = dcmread(path)
    for keyword, value in values.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)


def drop_tags(path: Path, *keywords: str) -> None:
    """Rewrite a file without some tags."""
    set_tags(path, **dict.fromkeys(keywords))
