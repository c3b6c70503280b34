"""The published config.yaml: plain data whatever is in it, and every disagreement that matters is found."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from published_configs import CARDS, CONFIGS, Config, with_changes

from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.published_yaml import TRAINING_ONLY, disagreements, read_published

AS_OMEGACONF_SAVES = """
defaults: [_self_]
seed: 0
grad_ckpt: true
logging:
  dir: ???
  name: ${now:%Y-%m-%d}
data:
  name: acdc
  dir: ${oc.env:HOME}/acdc
  max_n_samples: -1
  lax: {spacing: [1.0, 1.0], patch_size: [256, 256], in_chans: 1}
transform: {prob: 0.5, rotate: {x: 0.1}}
train: {lr: 1e-3, batch_size: 64, betas: [0.9, 0.95]}
model: {convunetr: {dropout: 0.2, drop_path: 0.0}, unet: {chans: [32]}, freeze: false}
"""


def leaves(table: dict[str, Any], at: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= leaves(value, f"{at}{key}.") if isinstance(value, dict) else {at + key: value}
    return found


def merged(one: dict[str, Any], other: dict[str, Any]) -> Config:
    both = {k: merged(one[k], v) if isinstance(v, dict) and k in one else v for k, v in other.items()}
    return {**one, **both}


def another(value: object) -> object:
    if isinstance(value, list):
        return [another(value[0]), *value[1:]]
    return value + "x" if isinstance(value, str) else value * 1.01 + 1 if isinstance(value, int | float) else None


def without(config: Config, name: str) -> Config:
    config = with_changes(config, {})
    *path, last = name.split(".")
    part = config
    for key in path:
        part = part[key]
    del part[last]
    return config


@pytest.mark.parametrize("name", CARDS)
def test_a_whole_published_file_agrees_with_the_card_it_describes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(AS_OMEGACONF_SAVES), CONFIGS[name])))
    said = read_published(path)
    assert said["logging"] == {"dir": "???", "name": "${now:%Y-%m-%d}"}
    assert disagreements(CONFIGS[name], said) == ()


@pytest.mark.parametrize("name", ["backbone", "segmentation_mnms2_lax_4c", "cvd_acdc_sax", "ef_mnms_sax"])
def test_each_setting_that_decides_is_compared_and_what_only_training_uses_is_not(name: str) -> None:
    config = CONFIGS[name]
    for key, ours in leaves(config).items():
        theirs = another(ours)
        expected = () if key.split(".")[-1] in TRAINING_ONLY else ((key, ours, theirs),)
        assert disagreements(config, with_changes(config, {key: theirs})) == expected


@pytest.mark.parametrize("name", ["backbone", "segmentation_mnms2_lax_4c", "cvd_acdc_sax", "ef_mnms_sax"])
def test_a_setting_that_is_not_there_is_a_disagreement_unless_the_reference_never_reads_it(name: str) -> None:
    config = CONFIGS[name]
    for key, ours in leaves(config).items():
        unread = key == "model.name" or key.split(".")[-1] in {"spacing", *TRAINING_ONLY}
        assert disagreements(config, without(config, key)) == (() if unread else ((key, ours, None),)), key


def test_classes_in_another_order_are_found_with_both_orders() -> None:
    config = CONFIGS["cvd_mnms_sax"]
    theirs = ["HCM", "DCM", "NOR", "ARV", "HHD"]
    found = disagreements(config, with_changes(config, {"data.pathology": theirs}))
    assert found == (("data.pathology", ["DCM", "HCM", "NOR", "ARV", "HHD"], theirs),)


def test_one_view_may_be_said_as_a_list_and_numbers_with_or_without_decimals() -> None:
    config = CONFIGS["ef_acdc_sax"]
    same = {"model.views": ["sax"], "model.n_frames": 2.0, "data.sax.patch_size": [192.0, 192, 16]}
    assert disagreements(config, with_changes(config, same | {"data.ef.mean": 27.6988116})) == ()
    assert disagreements(config, with_changes(config, {"model.views": ["sax", "lax_4c"]})) != ()
    assert disagreements(config, with_changes(config, {"data.ef.mean": 27.7})) == (
        ("data.ef.mean", 27.698811590282546, 27.7),
    )
    assert disagreements(config, with_changes(config, {"data.sax.in_chans": True})) != ()  # which equals 1 in Python


def test_a_view_may_have_sizes_under_its_own_name() -> None:
    config = CONFIGS["segmentation_mnms2_lax_4c"]
    named = with_changes(config, {"data.lax_4c": {**config["data"]["lax"]}})
    del named["data"]["lax"]
    assert disagreements(config, named) == ()
    del named["data"]["lax_4c"]["spacing"]
    assert disagreements(config, named) == ()
    named["data"]["lax_4c"]["patch_size"] = [128, 128]
    assert disagreements(config, named) == (("data.lax_4c.patch_size", [256, 256], [128, 128]),)
    pretrained = CONFIGS["backbone"]
    views = {f"data.{view}": {**pretrained["data"]["lax"]} for view in ("lax_2c", "lax_3c", "lax_4c")}
    named = with_changes(without(pretrained, "data.lax"), views)
    assert disagreements(pretrained, named) == ()
    named["data"]["lax_3c"]["in_chans"] = 2
    assert ("data.lax_3c.in_chans", 1, 2) in disagreements(pretrained, named)


@pytest.mark.parametrize("column", ["class_column", "regression_column"])
def test_a_column_that_would_change_the_answers_is_found(column: str) -> None:
    config = CONFIGS["landmark_coordinate_lax_4c"]
    assert disagreements(config, with_changes(config, {f"data.{column}": None})) == ()
    assert disagreements(config, with_changes(config, {f"data.{column}": "ef"})) == ((f"data.{column}", None, "ef"),)
    masks = CONFIGS["segmentation_acdc_sax"]  # masks have no such columns: a file may list those of its data set
    assert disagreements(masks, with_changes(masks, {f"data.{column}": "ef"})) == ()


def test_a_published_file_of_another_make_disagrees_and_does_not_break() -> None:
    for said in ({}, {"model": "convunetr", "data": None}, {"model": [], "data": {"sax": 5, "lax": []}}):
        found = disagreements(CONFIGS["ef_acdc_sax"], said)
        assert ("data.ef.std", 10.848138374627386, None) in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: !!python/object/apply:os.system [exit 3]", "not plain YAML: could not determine a constructor"),
        ("model: [1, 2", "not plain YAML"),
        ("date: 2026-99-99", "not plain YAML"),
        ("[" * 5000, "not plain YAML"),
        ("", "has no settings"),
        ("- a\n- b", "has no settings"),
        ("<html>Not found</html>", "has no settings"),
    ],
)
def test_what_is_no_settings_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_published(path)
    assert caught.value.code == "bad_yaml" and caught.value.hint


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ConfigError, match="not plain YAML"):
        read_published(path)
