"""Time and memory of planning a large cohort that is indexed already: which studies there are, and their digests.

python bench/plan_cohort.py [--studies 10000] [--images 300] [--out FILE]
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from provenance import provenance

from cinema_cli.io.facts import FACTS_SCHEMA
from cinema_cli.io.index import CohortIndex, of_study, studies, study_digests
from cinema_cli.io.index_rows import IMAGES_SCHEMA, KEY_SCHEMA, SERIES_SCHEMA, STACKS_SCHEMA

FRAMES = 25


def made_index(n_studies: int, n_images: int) -> CohortIndex:
    """An index as a scan would give it, without the files."""
    keys = pl.DataFrame({"number": range(n_studies)}).select(
        participant_id=pl.format("sub-{}", (pl.col("number") + 1_000_000)),
        session_id=pl.lit("ses-1"),
        study_uid=pl.format("1.2.826.0.1.3680043.8.498.{}", pl.col("number") + 10**12),
    )
    plan = pl.DataFrame({"n": range(n_images)}).select(
        view=pl.lit("sax"), slice_index=pl.col("n") // FRAMES, frame_index=pl.col("n") % FRAMES,
        file=pl.format("CINE_segmented_SAX_b{}/{}.dcm", pl.col("n") // FRAMES, pl.col("n") + 10**6),
        frame_item=pl.lit(0), weight=pl.lit(1.0), interpolated=pl.lit(False), file_size=pl.lit(88_416),
        mtime_ns=pl.col("n") + 10**18,
    )  # fmt: skip
    images = keys.join(plan, how="cross").with_columns(path=pl.format("{}/{}", "participant_id", "file"))
    slices = n_images // FRAMES
    stacks = keys.with_columns(
        view=pl.lit("sax"), stack_id=pl.lit("stack-1"), rows=pl.lit(210), columns=pl.lit(208),
        row_spacing_mm=pl.lit(1.82), column_spacing_mm=pl.lit(1.82), slice_spacing_mm=pl.lit(10.0),
        thickness_mm=pl.lit(8.0), row_direction=pl.lit([1.0, 0.0, 0.0]), column_direction=pl.lit([0.0, 1.0, 0.0]),
        origins_mm=pl.lit([0.1] * 3 * slices), times_ms=pl.lit([30.0 * k for k in range(FRAMES)]),
        cycle_ms=pl.lit(900.0), series_uids=pl.lit([f"1.2.3.{k}" for k in range(slices)]),
        note_codes=pl.lit([], dtype=pl.List(pl.String)), note_sentences=pl.lit([], dtype=pl.List(pl.String)),
    )  # fmt: skip
    facts = keys.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in FACTS_SCHEMA.items())
    series = pl.DataFrame(schema=SERIES_SCHEMA)
    none = pl.DataFrame()
    tables = (
        table.select(*schema).cast(pl.Schema(schema))
        for table, schema in ((images, IMAGES_SCHEMA), (stacks, STACKS_SCHEMA), (facts, KEY_SCHEMA | FACTS_SCHEMA))
    )
    return CohortIndex(Path("cohort"), series, *tables, none, none)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the processor seconds it took: other work on the machine must not count."""
    start = time.process_time()
    result = work()
    return result, round(time.process_time() - start, 2)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    index, indexing_s = timed(lambda: made_index(arguments.studies, arguments.images))
    keys, listing_s = timed(lambda: studies(index))
    digests, digests_s = timed(lambda: study_digests(index, keys))
    assert len(set(digests.values())) == len(keys)
    some = keys[:: max(1, len(keys) // 1000)]
    _, look_ups_s = timed(lambda: [of_study(index, "images", key) for key in some])
    result = {
        "studies": len(keys),
        "images": index.images.height,
        "indexing_s": indexing_s,  # made tables, not files
        "listing_s": listing_s,
        "digests_s": digests_s,
        "look_up_ms": round(1000 * look_ups_s / len(some), 3),
        "images_table_mib": round(index.images.estimated_size("mb")),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        **provenance(),
    }
    text = json.dumps(result, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
