#!/usr/bin/env bash
# docs/report.png from an output folder of `cinema analyse` on a simulated cohort: its report beside the page of one study.
# usage: docs/make_picture.sh OUT [STUDY, such as sub-SIM0003/ses-1]      Only simulated cohorts: the picture is committed.
set -euo pipefail
[ $# -ge 1 ] && [ -f "$1/report.html" ] || { echo "usage: $0 OUT [STUDY]: OUT holds report.html" >&2; exit 2; }
out="$(cd "$1" && pwd)"
here="$(cd "$(dirname "$0")" && pwd)"
pages=("$out"/sub-*/ses-*/study.html)
study="$out/${2:-$(dirname "${pages[0]#"$out"/}")}/study.html"
browser="$(command -v chromium || command -v google-chrome)" || { echo "error: no chromium, see .ci/packages" >&2; exit 1; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

shoot() { # page png
    "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --hide-scrollbars --host-resolver-rules="MAP * ~NOTFOUND" \
        --user-data-dir="$work/profile" --window-size=1100,1480 --screenshot="$2" "file://$1" >"$work/log" 2>&1 \
        || { cat "$work/log" >&2; exit 1; }
}
shoot "$out/report.html" "$work/cohort.png"
shoot "$study" "$work/study.png"
"$here/../.venv/bin/python" - "$work/cohort.png" "$work/study.png" "$here/report.png" <<'PYTHON'
import sys

import numpy as np
from PIL import Image

left, right = (Image.open(path).convert("RGB").resize((770, 1036), Image.Resampling.LANCZOS) for path in sys.argv[1:3])
sheet = Image.new("RGB", (1588, 1064), (214, 220, 227))
for k, page in enumerate((left, right)):
    sheet.paste(page, (16 + k * 786, 14))
pixels = np.asarray(sheet).reshape(-1, 3)
bright = np.ptp(pixels.astype(int), axis=1) > 50  # contours and marks are few: their colours get a share of their own
palette = []
for several, n in ((pixels[~bright], 160), (pixels[bright], 96)):
    strip = Image.fromarray(several[None]).quantize(n, method=Image.Quantize.MEDIANCUT)
    palette += (strip.getpalette() or [])[: 3 * n]
colours = Image.new("P", (1, 1))
colours.putpalette(palette)
sheet.quantize(palette=colours, dither=Image.Dither.NONE).save(sys.argv[3], optimize=True)
PYTHON
echo "$here/report.png: $(($(stat -c %s "$here/report.png") / 1024)) kB"
