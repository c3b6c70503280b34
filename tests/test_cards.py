"""Cards: all that ship are whole and agree with the published preprocessing; a slip of the pen is named."""

import re
import tomllib
from pathlib import Path

import pytest
from published_configs import CARDS

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.cine import View
from cinema_cli.domain.errors import ConfigError
from cinema_cli.domain.prediction import Task
from cinema_cli.inference.cards import Frames, PublishedCard, StackCard, list_cards, read_card
from cinema_cli.inference.published import format_of

ROOT = Path(__file__).parents[1]


def changed(folder: Path, name: str, old: str, new: str) -> str:
    """The card `name` with its first `old` (a pattern) replaced, in `folder`; the name to read it under."""
    text, count = re.subn(old, new, (heads_directory() / f"{name}.toml").read_text("utf-8"), count=1, flags=re.M)
    assert count == 1, f"{old} is not in the card of {name}"
    (folder / f"{name}.toml").write_text(text, "utf-8")
    return name


def test_every_published_head_has_a_card_and_ours_is_among_them() -> None:
    cards = list_cards()
    assert [card.name for card in cards] == sorted(path.stem for path in heads_directory().glob("*.toml"))
    assert [card.name for card in cards if isinstance(card, StackCard)] == ["starter_sax"]
    assert len(CARDS) == 22
    count = {task: sum(card.task is task for card in CARDS.values()) for task in Task}
    assert count == {
        Task.SEGMENTATION: 4,
        Task.HEAT_MAPS: 2,
        Task.COORDINATES: 2,
        Task.CLASSIFICATION: 7,
        Task.REGRESSION: 6,
        Task.EMBEDDING: 1,
    }


def test_the_setup_of_our_own_head_is_what_earlier_records_hold() -> None:
    """The ledger compares it: another digest would run every finished study again."""
    assert read_card("starter_sax").setup == "b4d7905caa965084c1a33adab040e2960362644500965fab3717232fe70a9178"


@pytest.mark.parametrize("name", CARDS)
def test_a_card_says_what_a_user_must_know(name: str) -> None:
    card = CARDS[name]
    said = (card.title, card.preprocessing, card.training_data, card.intended_use, card.limits, card.licence)
    assert all("  " not in text and text == text.strip() for text in said)
    assert "not a medical device" in card.limits and "config.yaml" in card.limits
    assert "MIT" in card.licence and "read it at the hub" in card.licence
    if card.task is Task.REGRESSION and card.answers == ("ef_pct",):
        assert "is unclear" in card.limits and "lv_ef" in card.limits
    if card.task is Task.CLASSIFICATION:
        assert "label smoothing" in card.limits
    if View.LAX_2C in card.views and card.task is not Task.EMBEDDING:
        assert "exist is unknown" in card.limits


@pytest.mark.parametrize("name", CARDS)
def test_a_card_takes_the_grid_that_studies_are_brought_to(name: str) -> None:
    card = CARDS[name]
    data = card.network["data"]
    assert isinstance(data, dict)
    for view in card.views:
        shape, said = format_of(view), data[view.split("_")[0]]
        size = shape.size if view is View.SAX else shape.size[:2]
        spacing = (*shape.spacing_mm, shape.depth_mm) if view is View.SAX else shape.spacing_mm
        assert (tuple(said["patch_size"]), tuple(said["spacing"])) == (size, spacing)
        assert said["in_chans"] == 1


@pytest.mark.parametrize("name", [name for name in CARDS if name != "backbone"])
def test_three_seeds_lie_where_the_published_layout_puts_them(name: str) -> None:
    """Specification, section 9: finetuned/<task>/<dir>/<dir>_<seed>.safetensors, one config.yaml a folder."""
    card = CARDS[name]
    kind = name.removesuffix("_" + (place := "_".join(name.split("_")[2 if name.startswith("landmark") else 1 :])))
    classes, numbers = ("cvd", "sex", "vendor"), ("ef", "bmi", "age")
    task = f"classification_{kind}" if kind in classes else f"regression_{kind}" if kind in numbers else kind
    files = [(seed, f"finetuned/{task}/{place}/{place}_{seed}.safetensors") for seed in (0, 1, 2)]
    assert [(file.seed, file.path) for file in card.files] == files
    assert card.config_file == f"finetuned/{task}/{place}/config.yaml"
    assert card.repository == "mathpluscode/CineMA"
    assert place.endswith(str(card.views[0])) and len(card.views) == 1


def test_the_backbone_has_one_file_and_answers_for_each_view() -> None:
    card = CARDS["backbone"]
    assert [(file.seed, file.path) for file in card.files] == [(None, "pretrained/cinema.safetensors")]
    assert card.answers == ("cls", "sax", "lax_2c", "lax_3c", "lax_4c")
    assert card.views == tuple(View)


@pytest.mark.parametrize(
    ("name", "mean", "std", "unit"),
    [
        ("ef_acdc_sax", 27.698811590282546, 10.848138374627386, "%"),
        ("bmi_acdc_sax", 25.561040294207242, 4.732639548868183, "kg/m2"),
        ("ef_mnms_sax", 39.75061820807878, 9.459011847661206, "%"),
        ("age_mnms_sax", 52.026666666666664, 18.760570771166726, "years"),
        ("ef_mnms2_sax", 37.97920801605608, 10.328604573626588, "%"),
        ("ef_mnms2_lax_4c", 37.97920801605608, 10.328604573626588, "%"),
    ],
)
def test_values_are_brought_to_their_unit_by_the_published_constants(
    name: str, mean: float, std: float, unit: str
) -> None:
    """Specification, section 11."""
    card = CARDS[name]
    assert (card.mean, card.std, card.unit) == (mean, std, unit)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("cvd_acdc_sax", "DCM HCM MINF NOR RV"),
        ("cvd_mnms_sax", "DCM HCM NOR ARV HHD"),
        ("cvd_mnms2_sax", "ARR CIA FALL HCM LV NOR"),
        ("cvd_mnms2_lax_4c", "ARR CIA FALL HCM LV NOR"),
        ("sex_mnms_sax", "M F"),
        ("segmentation_acdc_sax", "background RV MYO LV"),
        ("landmark_heatmap_lax_4c", "mitral_1 mitral_2 apex"),
    ],
)
def test_answers_are_in_the_published_order(name: str, classes: str) -> None:
    card = CARDS[name]
    assert card.answers == tuple(classes.split())
    assert card.frames is (Frames.ED_ES if card.task is Task.CLASSIFICATION else Frames.EACH)


def test_the_readme_of_the_heads_lists_every_card() -> None:
    readme = (ROOT / "models" / "README.md").read_text("utf-8")
    missing = [card.name for card in list_cards() if f"`{card.name}`" not in readme]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("starter_sax", "^in_chans = 3", "in_chans = 1", "takes 1 channels, but names the image and 2 percentiles"),
        ("starter_sax", "^size_px = 128", 'size_px = "128"', "says input.size_px = '128', where a whole number is"),
        ("starter_sax", r"^turns_deg = \[0.0,", "turns_deg = [true,", "says input.turns_deg = True, where a number is"),
        ("sex_mnms_sax", "^title = .*", "", "lacks title"),
        ("sex_mnms_sax", '^name = "sex_mnms_sax"', 'name = "sex"', "says name = 'sex', but its file is called"),
        ("sex_mnms_sax", "^task = .*", 'task = "classify"', "says task = 'classify', which is none of segmentation, "),
        ("sex_mnms_sax", "^task = .*", 'task = "segmentation"', "'segmentation', which needs network.model.convunetr"),
        ("sex_mnms_sax", "^task = .*", 'task = "embedding"', "'embedding', which needs the masked autoencoder"),
        ("sex_mnms_sax", '"sax"]', '"lax_5c"]', "says input.views = 'lax_5c', which is none of sax, "),
        ("sex_mnms_sax", '"sax"]', '"lax_4c"]', r"views = \['lax_4c'\], but network.model.views = 'sax'"),
        ("sex_mnms_sax", '"sax"]', '"sax", "lax_4c"]', r"views = \['sax', 'lax_4c'\], but network.model.views = 'sax'"),
        ("sex_mnms_sax", "^views = .*", "views = 5", "says input.views = 5, where a list is expected"),
        ("sex_mnms_sax", 'frames = "ed_es"', 'frames = "each"', "frames = 'each', but its network takes 2 at a time"),
        ("sex_mnms_sax", "^n_frames = 2", "", "lacks network.model.n_frames"),
        ("sex_mnms_sax", r"^answers = \[.*\]", 'answers = ["F", "M"]', r"\['F', 'M'\], but its network answers \['M',"),
        ("sex_mnms_sax", "^class_column = .*", "", r"goes with \['class_column'\] in network.data, not \[\]"),
        ("sex_mnms_sax", "^class_column = .*", 'class_column = "gender"', "lacks network.data.gender"),
        ("sex_mnms_sax", "seed = 1", "seed = 0", "one or more weights.files, each of another seed"),
        ("sex_mnms_sax", "seed = 1", "seed = 1.5", "says weights.files.seed = 1.5, where a whole number is expected"),
        ("sex_mnms_sax", 'path = "finetuned', 'path = "..', "'../.*', which is not a path inside the repository"),
        ("sex_mnms_sax", 'path = "finetuned', 'path = "/finetuned', "which is not a path inside the repository"),
        ("sex_mnms_sax", '^config = ".*"', 'config = ""', "has nothing written in weights.config"),
        ("sex_mnms_sax", "^frames = ", "frames ", "is not TOML: .* line"),
        ("ef_acdc_sax", "std = [0-9.]+", "spread = 3.0", "lacks network.data.ef.std"),
        ("ef_acdc_sax", "mean = [0-9.]+, ", "", "lacks network.data.ef.mean"),
        ("ef_acdc_sax", "std = [0-9.]+", "std = 0", r"spread by 0.0 \(std\)"),
        ("ef_acdc_sax", "^unit = .*", "", "lacks output.unit"),
        ("ef_acdc_sax", "^regression_column = .*", "", "lacks network.data.regression_column"),
        ("ef_acdc_sax", r"^answers = \[", 'answers = ["x", ', r"\['x', 'ef_pct'\], but its network has 1 outputs"),
        ("segmentation_acdc_sax", "^out_chans = 4", "out_chans = 5", "but its network has 5 outputs"),
        ("landmark_coordinate_lax_4c", "^out_chans = 6", "out_chans = 3", "but its network has 3 outputs"),
        ("landmark_coordinate_lax_4c", "^out_chans", 'class_column = "a"\nout_chans', None),
        ("landmark_heatmap_lax_4c", r"^\[network.data\]", '[network.data]\nclass_column = "a"', "goes with"),
        ("backbone", r'"cls", "sax"', '"cls"', "but its network answers"),
    ],
)
def test_a_slip_of_the_pen_is_named(tmp_path: Path, name: str, old: str, new: str, message: str | None) -> None:
    name = changed(tmp_path, name, old, new)
    if message is None:  # a setting that no network reads: cards may say more
        assert isinstance(read_card(name, folder=tmp_path), PublishedCard)
        return
    with pytest.raises(ConfigError, match=f"^the card of head '{name}' .*{message}") as caught:
        read_card(name, folder=tmp_path)
    assert str(tmp_path / f"{name}.toml") in caught.value.hint


def test_an_unknown_head_names_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match="no head is called 'nothing'") as caught:
        read_card("nothing")
    assert "starter_sax" in caught.value.hint and "backbone" in caught.value.hint


def test_the_setup_changes_with_whatever_decides_the_answers(tmp_path: Path) -> None:
    setups = {CARDS["ef_acdc_sax"].setup}
    for old, new in (("mean = 27", "mean = 28"), ("std = 10", "std = 11"), ('size = "base"', 'size = "tiny"')):
        setups.add(read_card(changed(tmp_path, "ef_acdc_sax", old, new), folder=tmp_path).setup)
    assert len(setups) == 4
    assert read_card(changed(tmp_path, "ef_acdc_sax", "Research", "Studies"), folder=tmp_path).setup in setups


def test_cards_are_short_lines_for_people() -> None:
    for name in CARDS:
        text = (heads_directory() / f"{name}.toml").read_text("utf-8")
        assert max(map(len, text.splitlines())) <= 120
        assert tomllib.loads(text)["name"] == name
