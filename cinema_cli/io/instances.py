"""What is known of each image of a cohort: the columns of the table of headers."""

import polars as pl

# A large cohort has millions of rows: what many images share is kept once (Categorical; `plain` makes it text again).
INSTANCE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    # where the image is
    "path": pl.String,  # relative to the root, "/" separated, as `io.names` writes it
    "member": pl.String,  # name inside the archive that `path` is; null for a plain file
    "frame_item": pl.Int32,  # 0-based frame inside the file (0 for single-frame objects)
    "n_file_frames": pl.Int32,  # NumberOfFrames (1 for single-frame objects)
    # ids (patient_id and person_key never leave the scan: see io.identity)
    "sop_uid": pl.String,
    "series_uid": pl.String,
    "study_uid": pl.String,
    "patient_id": pl.String,
    "person_key": pl.Categorical(),  # digest of birth date, sex and name: tells people apart, is never written
    "instance_number": pl.Int32,
    "series_number": pl.Int32,
    "acquisition_number": pl.Int32,
    "study_date": pl.String,  # raw DA text; may be invalid
    # what was acquired
    "sop_class_uid": pl.Categorical(),
    "modality": pl.String,
    "image_type": pl.Categorical(),  # joined with "\\"
    "series_description": pl.Categorical(),
    "protocol_name": pl.Categorical(),
    "scanning_sequence": pl.Categorical(),
    "manufacturer": pl.Categorical(),
    "model": pl.Categorical(),
    "field_strength_t": pl.Float64,
    "echo_time_ms": pl.Float64,
    "repetition_time_ms": pl.Float64,
    "inversion_time_ms": pl.Float64,
    "flip_angle_deg": pl.Float64,
    "velocity_encoded": pl.Boolean,  # any phase-contrast marker
    "transfer_syntax": pl.Categorical(),  # UID
    # geometry: None where absent or not finite
    "rows": pl.Int32,
    "columns": pl.Int32,
    "row_spacing_mm": pl.Float64,  # between rows
    "column_spacing_mm": pl.Float64,  # between columns
    "position_x": pl.Float64,
    "position_y": pl.Float64,
    "position_z": pl.Float64,
    "row_x": pl.Float64,  # ImageOrientationPatient, first triple: along which the column index grows
    "row_y": pl.Float64,
    "row_z": pl.Float64,
    "column_x": pl.Float64,  # second triple
    "column_y": pl.Float64,
    "column_z": pl.Float64,
    "thickness_mm": pl.Float64,
    "spacing_between_mm": pl.Float64,
    # time
    "trigger_time_ms": pl.Float64,
    "temporal_position": pl.Int32,
    "acquisition_time_s": pl.Float64,  # seconds since midnight
    "content_time_s": pl.Float64,
    "nominal_interval_ms": pl.Float64,
    "heart_rate_bpm": pl.Float64,
    "n_cardiac_images": pl.Int32,
    # the person, as far as it serves phenotypes
    "sex": pl.String,
    "age_years": pl.Float64,
    "height_cm": pl.Float64,
    "weight_kg": pl.Float64,
    # reading
    "has_pixels": pl.Boolean,
    "defect": pl.String,  # why the pixels cannot be used although the header can: the file was cut short
    # of NIfTI files only
    "moment": pl.Categorical(),  # that the name of a single frame says: "ed", "es", "frame"
    "oriented": pl.Boolean,  # whether the axes can be those of the patient
    "refusal": pl.Categorical(),  # why it is no cine: code and sentence, ": " between
    "file_size": pl.Int64,
    "mtime_ns": pl.Int64,
}

PROBLEM_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "path": pl.String,
    "code": pl.String,
    "sentence": pl.String,
}

# What was read: a row of each image frame, and one of each other file, so that it is not read again.
READ_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **INSTANCE_SCHEMA,
    "listed_size": pl.Int64,  # of the file or archive when it was listed: with the next, what tells a changed one
    "listed_mtime_ns": pl.Int64,
    "code": pl.String,  # of a problem; empty where the file is no DICOM; `member` is empty for an archive as a whole
    "sentence": pl.String,
}
IS_IMAGE = pl.col("frame_item").is_not_null()  # which rows of READ_SCHEMA are of image frames


def plain(instances: pl.DataFrame) -> pl.DataFrame:
    """Rows of few images with all that is text as text."""
    return instances.cast({pl.Categorical: pl.String})
