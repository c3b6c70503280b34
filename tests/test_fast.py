"""Published networks made quick answer as before: in float32 nearly to the bit, in bfloat16 within its rounding."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cinema_cli.inference.fast import KnownBranch, attend_by_head, frames_at_once, ready
from cinema_models.convvit import ConvViT
from cinema_models.downsampling import ConvStages
from cinema_models.mae import CineMA
from cinema_models.unetr import ConvUNetR, DecoderLevels
from cinema_models.views import ViewGeometry
from cinema_models.vit import TransformerSize

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
VIEWS = {"sax": ViewGeometry((32, 32, 4), 1, (4, 4, 1), (2, 2, 1)), "lax_4c": ViewGeometry((64, 64), 1, (4, 4), (2, 2))}
LEVELS = {
    "sax": DecoderLevels((8, 16, 16, 32, 32), (2, 2, 1), (2, 2, 1)),
    "lax_4c": DecoderLevels((8, 16, 16, 32, 32), (2, 2), (2, 2)),
}
STAGES, SIZE = ConvStages((16, 32), 1), TransformerSize(32, 2, 4)

Answer = dict[str, Tensor]
Ask = Callable[[nn.Module, Answer], Answer]


def convunetr(view: str, in_chans: int = 1) -> nn.Module:
    size = VIEWS[view]
    views = {view: ViewGeometry(size.size, in_chans, size.patch, size.scale)}
    return ConvUNetR(views, 4, stages=STAGES, encoder=SIZE, levels=LEVELS, dropout=0.1, drop_path=0.1)


def vit() -> nn.Module:
    return ConvViT(VIEWS, 3, stages=STAGES, encoder=SIZE, drop_path=0.1)


def mae() -> nn.Module:
    return CineMA(VIEWS, stages=STAGES, encoder=SIZE, decoder=SIZE)


def spread(net: nn.Module) -> nn.Module:
    """Random weights that keep the spread of every layer, biases and norms that matter."""
    torch.manual_seed(0)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            noise = torch.randn_like(value)
            is_weight = key.endswith(".weight")
            value.copy_((noise * 0.1 + is_weight) if value.ndim == 1 else noise / value[0].numel() ** 0.5)
    return net


def seen(*views: str, chans: int = 1, batch: int = 2) -> Answer:
    torch.manual_seed(1)
    return {view: torch.rand(batch, chans, *VIEWS[view].size) for view in views}


def maps(net: nn.Module, images: Answer) -> Answer:
    out: Answer = net(images)
    return out


def numbers(net: nn.Module, images: Answer) -> Answer:
    return {"answer": net(images)}


def features(net: nn.Module, images: Answer) -> Answer:
    assert isinstance(net, (ConvViT, CineMA))
    return net.feature_forward(images)


CASES: dict[str, tuple[Callable[[], nn.Module], Answer, Ask]] = {
    "sax": (lambda: convunetr("sax"), seen("sax"), maps),
    "lax": (lambda: convunetr("lax_4c"), seen("lax_4c"), maps),
    "three_channels": (lambda: convunetr("sax", 3), seen("sax", chans=3), maps),
    "vit": (vit, seen("sax", "lax_4c"), numbers),
    "vit_features": (vit, seen("sax", "lax_4c"), features),
    "mae_features": (mae, seen("lax_4c", "sax"), features),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("short", "share"), [(torch.float32, 1e-6), (torch.bfloat16, 0.02)])
@torch.inference_mode()
def test_answers_are_float32_and_those_of_the_plain_network(name: str, short: torch.dtype, share: float) -> None:
    make, images, ask = CASES[name]
    plain = spread(make()).eval()
    wanted = ask(plain, images)
    quick = ready(copy.deepcopy(plain), device=CPU, numbers=short)
    first, second = ask(quick, images), ask(quick, images)
    assert first.keys() == wanted.keys()
    for key, value in wanted.items():
        assert first[key].dtype == torch.float32
        assert torch.equal(first[key], second[key])
        error = (first[key] - value).square().mean().sqrt() / value.std()
        assert error <= share
        if short is torch.bfloat16:  # bfloat16 was really used
            assert error > 1e-4


@torch.inference_mode()
def test_labels_are_those_of_the_plain_network() -> None:
    plain = spread(convunetr("sax")).eval()
    images = seen("sax", batch=8)
    wanted = plain(images)["sax"].argmax(1)
    assert len(wanted.unique()) == 4
    for short, alike in ((torch.float32, 0.9999), (torch.bfloat16, 0.985)):
        found = ready(copy.deepcopy(plain), device=CPU, numbers=short)(images)["sax"].argmax(1)
        assert (found == wanted).float().mean() >= alike


def test_a_network_made_ready_no_longer_learns_nor_drops_anything() -> None:
    plain = spread(convunetr("sax")).eval()
    net = copy.deepcopy(plain).train()
    assert ready(net, device=CPU, numbers=torch.float32) is net
    with torch.inference_mode():
        torch.testing.assert_close(net(seen("sax")), plain(seen("sax")), rtol=0, atol=1e-4)
    assert not any(part.training for part in net.modules())
    assert not any(weight.requires_grad for weight in net.parameters())


def test_what_decides_labels_stays_in_float32() -> None:
    net = ready(spread(convunetr("sax")), device=CPU, numbers=torch.bfloat16)
    kept = {name for name, weight in net.named_parameters() if weight.dtype == torch.float32}
    assert {name.split(".")[0] for name in kept} == {
        *("enc_down_dict", "encoder", "pred_head_dict", "dec_conv_blocks_dict", "decoder_dict")
    }
    in_short = {name for name, weight in net.named_parameters() if name not in kept}
    assert all("norm" in name or "token" in name for name in kept if name.startswith(("encoder.", "dec")))
    assert {"encoder.blocks.0.attn.q.weight", "decoder_dict.sax.blocks.0.up.weight"} <= in_short
    assert all(weight.dtype in (torch.float32, torch.bfloat16) for weight in net.parameters())


@pytest.mark.parametrize("short", [torch.float32, torch.bfloat16])
def test_maps_lie_with_channels_last(short: torch.dtype) -> None:
    net = ready(spread(convunetr("sax")), device=CPU, numbers=short)
    layouts = []
    for part in net.modules():
        if isinstance(part, nn.Conv3d) and part.in_channels > 1:
            part.register_forward_hook(lambda part, inputs, output: layouts.append(inputs[0].stride(1) == 1))
    with torch.inference_mode():
        net(seen("sax"))
    assert len(layouts) > 20
    assert all(layouts)


@torch.inference_mode()
def test_the_image_branch_is_known_beforehand_where_one_channel_is_normed() -> None:
    images = seen("sax")["sax"]
    one, three = (spread(convunetr("sax", chans)).eval() for chans in (1, 3))
    wanted = one.dec_image_conv_block_dict["sax"](images)
    for net in (one, three):
        ready(net, device=CPU, numbers=torch.float32)
    known = one.dec_image_conv_block_dict["sax"]
    assert isinstance(known, KnownBranch)
    torch.testing.assert_close(known(images), wanted, rtol=0, atol=1e-5)
    assert not isinstance(three.dec_image_conv_block_dict["sax"], KnownBranch)


@torch.inference_mode()
@pytest.mark.parametrize("tokens", [1, 17, 64])
def test_attention_head_by_head_is_attention(tokens: int) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 5, tokens, 8)  # (batch, head, token, channel)
    wanted = nn.functional.scaled_dot_product_attention(q, k[:, :, : tokens // 2 + 1], v[:, :, : tokens // 2 + 1])
    found = attend_by_head(q, k[:, :, : tokens // 2 + 1], v[:, :, : tokens // 2 + 1])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_more_images_together_on_a_gpu_than_on_a_cpu() -> None:
    sax, lax = convunetr("sax"), convunetr("lax_4c")
    assert frames_at_once(sax, CPU) == 1
    assert frames_at_once(lax, CPU) > 1
    assert frames_at_once(sax, torch.device("cuda")) > 1
    assert frames_at_once(lax, torch.device("cuda")) > frames_at_once(sax, torch.device("cuda"))
