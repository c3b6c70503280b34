import numpy as np
import pytest

from cinema_cli.domain.cine import Label
from cinema_cli.domain.errors import InputError, UsageError
from cinema_cli.io.label_maps import LABEL_MAPS, UNKNOWN_LABELS, label_map, relabelled

RV, MYO, LV = Label.RV, Label.MYO, Label.LV


@pytest.mark.parametrize(
    ("name", "order"),  # shared/design/field-notes.md, shared/spec/cinema.md section 10.1
    [
        ("cinema", (RV, MYO, LV)),
        ("acdc", (RV, MYO, LV)),
        ("mnms", (LV, MYO, RV)),
        ("mnms2", (LV, MYO, RV)),
        ("rescan", (LV, MYO, RV)),
        ("ukbb_cardiac", (LV, MYO, RV)),
    ],
)
def test_orders_of_data_sets(name: str, order: tuple[Label, ...]) -> None:
    values = np.array([[0, 1], [2, 3]])
    assert relabelled(values, label_map(name), where="a file").tolist() == [[0, order[0]], [order[1], order[2]]]
    assert LABEL_MAPS[name].classes == (RV, MYO, LV)


def test_an_order_of_ones_own() -> None:
    own = label_map("500=LV, 200=myo,1220=myo,7=background")
    assert own.classes == (MYO, LV)
    found = relabelled(np.array([0.0, 500.0, 200.0, 1220.0, 7.0]), own, where="a file")
    assert found.dtype == np.uint8 and found.tolist() == [0, LV, MYO, MYO, 0]


@pytest.mark.parametrize("words", ["", "acdcs", "1=lv,1=rv", "1=atrium", "0=lv", "1:lv", "1=lv,", "4=background"])
def test_what_is_no_order_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="not an order of labels") as refused:
        label_map(words)
    assert "1=lv,2=myo,3=rv" in refused.value.hint


def test_labels_that_nobody_explained_are_named() -> None:
    with pytest.raises(InputError, match=r"p1_gt\.nii has labels that `1=lv` does not know: 0\.5, 2, 9") as refused:
        relabelled(np.array([0, 0.5, 1, 2, 9]), label_map("1=lv"), where="p1_gt.nii")
    assert refused.value.code == UNKNOWN_LABELS
    with pytest.raises(InputError, match=r"-1, 4, 5, 6, 7, \.\.\."):
        relabelled(np.arange(-1, 9), LABEL_MAPS["acdc"], where="p1_gt.nii")
