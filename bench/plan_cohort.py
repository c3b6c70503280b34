"""Time and memory of a large cohort whose index is on disk: loading it, listing its studies, planning some of them.

python bench/plan_cohort.py [--studies 75000] [--images 300] [--out FILE]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from provenance import peak_mib, provenance

from cinema_cli.io.assembled import STUDIES_SCHEMA
from cinema_cli.io.cohort_index import CohortIndex, plan_of, studies, study_digests
from cinema_cli.io.facts import FACTS_SCHEMA
from cinema_cli.io.index_rows import IMAGES_SCHEMA, KEY_SCHEMA, SERIES_SCHEMA, STACKS_SCHEMA
from cinema_cli.io.index_store import Found, IndexStore, open_index, shelve
from cinema_cli.io.study_tables import KEPT_SCHEMA, StudyTables, recalled

FRAMES = 25
SERIES = 14  # of a study
AT_ONCE = 80  # studies whose images lie in one table
TREE = "made"


def made_keys(numbers: range) -> pl.DataFrame:
    """Studies by number."""
    return pl.DataFrame({"number": numbers}).select(
        participant_id=pl.format("sub-{}", (pl.col("number") + 1_000_000)),
        session_id=pl.lit("ses-1"),
        study_uid=pl.format("1.2.826.0.1.3680043.8.498.{}", pl.col("number") + 10**12),
    )


def made_images(keys: pl.DataFrame, n_images: int) -> pl.DataFrame:
    """Plans of studies, without the files."""
    plan = pl.DataFrame({"n": range(n_images)}).select(
        view=pl.lit("sax"), slice_index=pl.col("n") // FRAMES, frame_index=pl.col("n") % FRAMES,
        file=pl.format("CINE_segmented_SAX_b{}/{}.dcm", pl.col("n") // FRAMES, pl.col("n") + 10**6),
        member=pl.lit(None, pl.String), frame_item=pl.lit(0), weight=pl.lit(1.0), interpolated=pl.lit(False),
        file_size=pl.lit(88_416), mtime_ns=pl.col("n") + 10**18,
    )  # fmt: skip
    images = keys.join(plan, how="cross").with_columns(path=pl.format("{}/{}", "participant_id", "file"))
    return images.select(*IMAGES_SCHEMA).cast(pl.Schema(IMAGES_SCHEMA))


def made_tables(keys: pl.DataFrame, n_images: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Series, stacks and facts of studies."""
    slices = n_images // FRAMES
    stacks = keys.with_columns(
        view=pl.lit("sax"), stack_id=pl.lit("stack-1"), rows=pl.lit(210), columns=pl.lit(208),
        row_spacing_mm=pl.lit(1.82), column_spacing_mm=pl.lit(1.82), slice_spacing_mm=pl.lit(10.0),
        thickness_mm=pl.lit(8.0), row_direction=pl.lit([1.0, 0.0, 0.0]), column_direction=pl.lit([0.0, 1.0, 0.0]),
        origins_mm=pl.lit([0.1] * 3 * slices), times_ms=pl.lit([30.0 * k for k in range(FRAMES)]),
        cycle_ms=pl.lit(900.0), series_uids=pl.lit([f"1.2.3.{k}" for k in range(slices)]),
        note_codes=pl.lit([], dtype=pl.List(pl.String)), note_sentences=pl.lit([], dtype=pl.List(pl.String)),
    )  # fmt: skip
    numbered = keys.join(pl.DataFrame({"series_number": range(SERIES)}), how="cross")
    uid = pl.format("{}.{}", "study_uid", "series_number")
    said = {
        "series_uid": uid,
        "view": pl.lit("sax"),
        "verdict": pl.lit("used"),
        "reason": pl.lit("used as sax: 12 x 25"),
    }
    return (
        _filled(numbered.with_columns(**said), SERIES_SCHEMA),
        _filled(stacks, STACKS_SCHEMA),
        _filled(keys, KEY_SCHEMA | FACTS_SCHEMA),
    )


def _filled(table: pl.DataFrame, schema: Any) -> pl.DataFrame:
    missing = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in table.columns]
    return table.with_columns(missing).select(*schema).cast(pl.Schema(schema))


def make_index(folder: Path, *, n_studies: int, n_images: int) -> None:
    """An index on disk as a scan would leave it."""
    store = open_index(folder, root=folder)
    keys = made_keys(range(n_studies))
    names = []
    for start in range(0, n_studies, AT_ONCE):
        images = shelve(made_images(keys.slice(start, AT_ONCE), n_images), store.images)
        names.append(Path(str(images)).name)
    series, stacks, facts = made_tables(keys, n_images)
    own = keys.with_row_index("n").with_columns(
        digest=pl.format("{}", pl.col("n").hash()), n_images=pl.lit(n_images), n_bytes=pl.lit(88_416 * n_images),
        start=pl.col("n") % AT_ONCE * n_images, length=pl.lit(n_images), table=pl.col("n") // AT_ONCE,
        state=pl.col("n").hash(), images=pl.lit(n_images),
    )  # fmt: skip
    tables = StudyTables(series, stacks, facts, _filled(own, STUDIES_SCHEMA | KEPT_SCHEMA), ())
    store.keep_found("made", Found(TREE, tables.kept(), tuple(names), {}))


def load_index(store: IndexStore) -> CohortIndex:
    """The index as an unchanged tree gives it."""
    found = store.found("made")
    assert found is not None
    tables, none = (
        recalled(found, store),
        pl.DataFrame(schema=dict.fromkeys(("participant_id", "session_id"), pl.String)),
    )
    own = tables.studies.select(*KEY_SCHEMA, "digest", "n_images", "n_bytes")
    return CohortIndex(Path("cohort"), tables.series, tables.image_parts, tables.stacks, tables.facts, own, none,
                       none.with_columns(code=pl.lit(""), sentence=pl.lit("")))  # fmt: skip


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the processor seconds it took: other work on the machine must not count."""
    start = time.process_time()
    result = work()
    return result, round(time.process_time() - start, 2)


def measured(folder: Path) -> dict[str, Any]:
    """Time and memory of this process, which does nothing else."""
    store = open_index(folder, root=folder)
    index, loading_s = timed(lambda: load_index(store))
    keys, listing_s = timed(lambda: studies(index))
    _, digests_s = timed(lambda: study_digests(index, keys))
    some = keys[:: max(1, len(keys) // 1000)]
    _, plans_s = timed(lambda: [plan_of(index, key).images.height for key in some])
    tables = (index.series, index.stacks, index.facts, index.studies)
    n_images = int(index.studies["n_images"].sum())
    return {
        "studies": len(keys),
        "images": n_images,
        "loading_s": loading_s,
        "listing_s": listing_s,
        "digests_s": digests_s,
        "plan_of_a_study_ms": round(1000 * plans_s / len(some), 2),
        "tables_bytes_an_image": round(sum(table.estimated_size() for table in tables) / n_images, 1),
        "peak_mib": peak_mib(),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=75_000)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.load:
        print(json.dumps(measured(arguments.load)))
        return
    with tempfile.TemporaryDirectory(prefix="cinema-bench-") as folder:
        make_index(Path(folder), n_studies=arguments.studies, n_images=arguments.images)
        command = [sys.executable, __file__, "--load", folder]
        own = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
    result = {**own, "disk_bytes_an_image": round(disk / own["images"], 1), **provenance()}
    text = json.dumps(result, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
