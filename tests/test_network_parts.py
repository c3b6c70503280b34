"""The parts of the published networks: positions, patches, masks, checks at the door, and what happens in training."""

import json
from collections.abc import Callable

import pytest
import torch
from networks_golden import GOLDEN, tensors
from torch import Tensor, nn

from cinema_models.blocks import ChannelNorm, Norm, make_norm
from cinema_models.convvit import ConvViT
from cinema_models.downsampling import ConvStages
from cinema_models.mae import CineMA, mask_from_noise
from cinema_models.patches import patchify, pick, unpatchify
from cinema_models.positions import position_embedding, resize_embedding
from cinema_models.resnet import ResNet
from cinema_models.unet import UNet, pad_end
from cinema_models.unetr import ConvUNetR, DecoderLevels
from cinema_models.views import ViewGeometry, ViewOfAnySize
from cinema_models.vit import Attention, Block, DropPath, TransformerSize

pytestmark = pytest.mark.usefixtures("one_thread")
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden networks are not at {GOLDEN}")

VIEWS = {
    "sax": ViewGeometry((32, 32, 2), 1, (4, 4, 1), (2, 2, 1)),  # 8 tokens
    "lax_4c": ViewGeometry((32, 64), 1, (4, 4), (2, 2)),  # 8 tokens
}
STAGES = ConvStages((4, 6), 1)
SMALL = TransformerSize(16, 2, 2)
LEVELS = {
    "sax": DecoderLevels((4, 4, 6, 6, 8), (2, 2, 1), (2, 2, 1)),
    "lax_4c": DecoderLevels((4, 4, 6, 6, 8), (2, 2), (2, 2)),
}


def mae(**options: float) -> CineMA:
    torch.manual_seed(0)
    return CineMA(VIEWS, stages=STAGES, encoder=SMALL, decoder=SMALL, **options)


def convvit(**options: float) -> ConvViT:
    torch.manual_seed(0)
    return ConvViT(VIEWS, 3, stages=STAGES, encoder=SMALL, **options)


def convunetr(**options: float) -> ConvUNetR:
    torch.manual_seed(0)
    return ConvUNetR(VIEWS, 4, stages=STAGES, encoder=SMALL, levels=LEVELS, **options)


def unet(**options: float) -> UNet:
    torch.manual_seed(0)
    return UNet("lax_4c", ViewOfAnySize(1, 2), 4, chans=(4, 6, 8), patch=(2, 2), scale=(2, 2), **options)


def resnet() -> ResNet:
    torch.manual_seed(0)
    return ResNet("lax_4c", ViewOfAnySize(1, 2), 3, depth=10, chans=(4, 6, 8, 10))


def images(*views: str, batch: int = 2, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {view: torch.rand(batch, 1, *VIEWS[view].size, generator=generator) for view in views or VIEWS}


# Positions and patches


@needs_golden
def test_position_embeddings_are_those_of_the_reference() -> None:
    for name, wanted in tensors(GOLDEN / "functions" / "pos_embed.npz").items():
        width, grid = name.split("_")
        found = position_embedding([int(n) for n in grid.split("x")], int(width))
        torch.testing.assert_close(found[0], wanted, rtol=0, atol=1e-6)


@needs_golden
@pytest.mark.parametrize(
    ("width", "grid"), [(768, (12, 12, 16)), (768, (16, 16)), (512, (12, 12, 16)), (512, (16, 16))]
)
def test_full_size_position_embeddings_sum_to_the_reference(width: int, grid: tuple[int, ...]) -> None:
    known = json.loads((GOLDEN / "functions" / "info.json").read_text())[f"pos_embed_{width}_{grid}"]
    found = position_embedding(grid, width)
    assert list(found[0].shape) == known["shape"]
    assert found.double().sum().item() == pytest.approx(known["sum"], rel=1e-7)
    assert found.double().abs().sum().item() == pytest.approx(known["abs_sum"], rel=1e-7)


def test_a_grid_of_the_same_size_keeps_its_positions() -> None:
    embedding = position_embedding((3, 4), 8)
    assert resize_embedding(embedding, (3, 4), (3, 4)) is embedding


def test_interpolated_positions_keep_their_mean_level_and_precision() -> None:
    flat = torch.full((1, 24, 8), 0.5, dtype=torch.bfloat16)
    larger = resize_embedding(flat, (2, 3, 4), (4, 5, 6))
    assert larger.shape == (1, 120, 8) and larger.dtype == torch.bfloat16
    assert torch.equal(larger, torch.full_like(larger, 0.5))


@needs_golden
def test_patches_are_those_of_the_reference() -> None:
    golden = tensors(GOLDEN / "functions" / "patchify.npz")
    for dims, patch, grid in (("3", (2, 3, 2), (2, 2, 2)), ("2", (2, 3), (2, 2))):
        assert torch.equal(patchify(golden[f"x{dims}"], patch), golden[f"p{dims}"])
        assert torch.equal(unpatchify(golden[f"p{dims}"], patch, grid), golden[f"x{dims}"])


def test_unpatchify_undoes_patchify() -> None:
    image = torch.rand(2, 3, 8, 12, 4)
    assert torch.equal(unpatchify(patchify(image, (4, 2, 1)), (4, 2, 1), (2, 6, 4)), image)


def test_patches_run_row_by_row_with_channels_fastest() -> None:
    image = torch.arange(2 * 4 * 4).view(1, 2, 4, 4)
    tokens = patchify(image, (2, 2))
    assert tokens[0, 1].tolist() == [image[0, c, x, y].item() for x in (0, 1) for y in (2, 3) for c in (0, 1)]


def test_padding_is_at_the_end() -> None:
    padded = pad_end(torch.ones(1, 1, 2, 3), (3, 3))
    assert padded[0, 0].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]


# Norms, attention, stochastic depth


def test_a_single_channel_leaves_the_layer_norm_as_its_bias() -> None:
    norm = ChannelNorm(1, eps=1e-6)
    nn.init.constant_(norm.bias, 0.3)
    assert torch.equal(norm(torch.rand(1, 1, 5, 5)), torch.full((1, 1, 5, 5), 0.3))


@pytest.mark.parametrize(("norm", "over"), [(Norm.LAYER, 1), (Norm.INSTANCE, (2, 3)), (Norm.GROUP, (2, 3))])
def test_norms_have_mean_zero_over_their_own_axes(norm: Norm, over: int | tuple[int, ...]) -> None:
    y = make_norm(norm, 6, 2)(torch.rand(2, 6, 8, 8) + 3.0)
    assert y.mean(over).abs().max() < 1e-5
    assert y.var(over, correction=0).sub(1).abs().max() < 1e-3


def test_instance_norm_has_no_weights() -> None:
    assert not make_norm(Norm.INSTANCE, 6, 3).state_dict()


def test_attention_is_a_weighted_mean_of_values() -> None:
    torch.manual_seed(0)
    attention, x, context = Attention(8, 2), torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    q = attention.q(x).view(3, 2, 4)
    k, v = attention.kv(context).view(5, 2, 2, 4).unbind(1)
    weights = torch.einsum("qhc,khc->hqk", q, k).div(2.0).softmax(-1)  # 2 = square root of 4 channels a head
    wanted = attention.proj(torch.einsum("hqk,khc->qhc", weights, v).reshape(1, 3, 8))
    torch.testing.assert_close(attention(x, context), wanted)


def test_heads_share_the_width() -> None:
    with pytest.raises(ValueError, match="width 10 is not a multiple of 4 heads"):
        Attention(10, 4)


def test_outside_keys_are_not_normed() -> None:
    torch.manual_seed(0)
    block, x, context = Block(8, 2), torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    assert not torch.allclose(block(x, context), block(x, 2 * context))
    torch.testing.assert_close(block(x, block.norm1(x)), block(x))


def test_stochastic_depth_drops_whole_samples_in_training_only() -> None:
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(4000, 2, 3)
    y = drop.train()(x)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert (y.amax((1, 2)) == y.amin((1, 2))).all()
    assert y.mean().item() == pytest.approx(1.0, abs=0.05)
    assert drop.eval()(x) is x


# Masks


def test_noise_keeps_the_lowest_values() -> None:
    mask = mask_from_noise(torch.tensor([[0.9, 0.1, 0.5, 0.3], [0.2, 0.8, 0.1, 0.4]]), 0.5)
    assert mask.tolist() == [[True, False, True, False], [False, True, False, True]]


@pytest.mark.parametrize(("ratio", "removed"), [(0.75, 6), (0.5, 4), (0.7, 6), (1.0, 8), (0.01, 1)])
def test_the_ratio_says_how_many_tokens_are_removed(ratio: float, removed: int) -> None:
    mask = mask_from_noise(torch.rand(5, 8), ratio)  # int(8 * (1 - ratio)) are kept
    assert mask.sum(1).tolist() == [removed] * 5


def test_pick_keeps_the_order_of_the_grid() -> None:
    tokens = torch.arange(8.0).view(2, 4, 1)
    chosen = torch.tensor([[True, False, True, False], [False, True, False, True]])
    assert pick(tokens, chosen).flatten(1).tolist() == [[0.0, 2.0], [5.0, 7.0]]


def test_a_mask_and_the_noise_it_comes_from_give_the_same_answer() -> None:
    net, given = mae().eval(), images()
    noise = {view: torch.rand(2, 8) for view in given}
    with torch.inference_mode():
        by_noise = net(given, 0.5, noise=noise)
        by_mask = net(given, masks={view: mask_from_noise(value, 0.5) for view, value in noise.items()})
    assert torch.equal(by_noise.loss, by_mask.loss)
    for view in given:
        assert torch.equal(by_noise.predictions[view], by_mask.predictions[view])
        assert torch.equal(by_noise.masks[view], by_mask.masks[view])


def test_masks_are_drawn_from_the_seed() -> None:
    net, given, drawn = mae().eval(), images(), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        with torch.inference_mode():
            drawn.append(net(given).masks["sax"])
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert drawn[0].sum(1).tolist() == [6, 6]


@pytest.mark.parametrize("cross_attention", [True, False])
def test_everything_can_be_hidden(cross_attention: bool) -> None:
    net = mae(cross_attention=cross_attention).train()
    out = net(images(), 1.0)
    out.loss.backward()
    assert out.loss.isfinite() and out.predictions["sax"].shape == (2, 8, 256)
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.1, float("nan")])
def test_hiding_nothing_leaves_nothing_to_learn(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"mask_ratio is .*`feature_forward` hides nothing"):
        mae()(images(), ratio)


def test_hidden_pixels_reach_no_prediction_through_the_transformer() -> None:
    """Only patch convolutions and residual paths of the hidden tokens themselves see them, and these are dropped."""
    net, given = mae().eval(), images("lax_4c")
    mask = torch.zeros(2, 8, dtype=torch.bool)
    mask[:, 5] = True  # grid (2, 4): x 16..31, y 16..31
    changed = {"lax_4c": given["lax_4c"].clone()}
    changed["lax_4c"][:, :, 16:, 16:32] += 1.0
    with torch.inference_mode():
        a, b = (net(x, masks={"lax_4c": mask}) for x in (given, changed))
    assert torch.equal(a.predictions["lax_4c"], b.predictions["lax_4c"])
    assert not torch.equal(a.loss, b.loss)


def test_a_view_without_a_finite_loss_does_not_count() -> None:
    net = mae().train()
    nn.init.constant_(net.pred_head_dict["lax_4c"].bias, 1e30)  # its square overflows
    out = net(images())
    out.loss.backward()
    assert out.metrics["lax_4c_mse_loss"].isinf()
    assert torch.equal(out.loss, out.metrics["sax_mse_loss"])
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"sax": torch.ones(2, 8, dtype=torch.bool)}, "view 'lax_4c' has an image but no mask"),
        ({"sax": torch.ones(2, 8)}, r"mask of view 'sax' is torch.float32 \(2, 8\), not torch.bool \(2, 8\)"),
        ({"sax": torch.ones(2, 7, dtype=torch.bool)}, r"mask of view 'sax' is torch.bool \(2, 7\)"),
        ({"lax_2c": torch.ones(2, 8, dtype=torch.bool)}, "mask for view 'lax_2c' but no image"),
        ({view: torch.zeros(2, 8, dtype=torch.bool) for view in VIEWS}, r"view 'sax' removes \[0, 0\] tokens"),
        ({view: torch.eye(8).bool()[:2].cumsum(1).bool() for view in VIEWS}, r"view 'sax' removes \[8, 7\] tokens"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mae()(images(), masks=masks)


def test_noise_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"view 'lax_4c' needs noise of shape \(2, 8\)"):
        mae()(images(), noise={"sax": torch.rand(2, 8)})


# Images of other sizes


@pytest.mark.parametrize("build", [mae, convvit])
def test_features_come_from_images_of_other_sizes(build: Callable[[], CineMA | ConvViT]) -> None:
    given = {"sax": torch.rand(2, 1, 48, 16, 5), "lax_4c": torch.rand(2, 1, 16, 16)}
    with torch.inference_mode():
        features = build().eval().feature_forward(given)
    assert {name: tuple(f.shape) for name, f in features.items()} == {
        "cls": (2, 1, 16),
        "sax": (2, 15, 16),
        "lax_4c": (2, 1, 16),
    }


def test_a_mask_on_another_size_follows_the_image() -> None:
    net, image = convvit().eval(), images() | {"sax": torch.rand(2, 1, 48, 16, 5)}
    mask = torch.zeros(2, 15, dtype=torch.bool)
    with torch.inference_mode():
        torch.testing.assert_close(net(image, masks={"sax": mask}), net(image), rtol=0, atol=1e-6)
        assert not torch.allclose(net(image, masks={"sax": ~mask}), net(image))


def test_the_order_of_views_does_not_matter() -> None:
    net, given = convvit().eval(), images()
    with torch.inference_mode():
        torch.testing.assert_close(net(given), net(dict(reversed(given.items()))))


@pytest.mark.parametrize("build", [mae, convunetr])
def test_networks_of_one_size_refuse_others(build: Callable[[], CineMA | ConvUNetR]) -> None:
    given = images() | {"lax_4c": torch.rand(2, 1, 64, 32)}
    with pytest.raises(ValueError, match=r"view 'lax_4c' has size \(64, 32\), this network takes \(32, 64\) only"):
        build()(given)


@pytest.mark.parametrize("build", [mae, convvit])
def test_features_need_whole_tokens(build: Callable[[], CineMA | ConvViT]) -> None:
    given = images() | {"sax": torch.rand(2, 1, 40, 32, 2)}
    with pytest.raises(ValueError, match=r"view 'sax' has size \(40, 32, 2\), not a multiple of \(16, 16, 1\)"):
        build().feature_forward(given)


def test_a_unet_takes_any_size_that_reaches_its_coarsest_level() -> None:
    with torch.inference_mode():
        assert unet().eval()({"lax_4c": torch.rand(1, 1, 11, 9)})["lax_4c"].shape == (1, 4, 11, 9)
    for size in ((11, 3), (7, 7)):
        with pytest.raises(
            ValueError, match=rf"view 'lax_4c' has size \({size[0]}, {size[1]}\), not more than \(4, 4\)"
        ):
            unet()({"lax_4c": torch.rand(1, 1, *size)})


# The check at the door


@pytest.mark.parametrize("build", [mae, convvit, convunetr, unet, resnet])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lax_9c": torch.rand(2, 1, 32, 64)}, "unknown view 'lax_9c': this network takes .*lax_4c"),
        ({"lax_4c": torch.rand(2, 32, 64)}, r"view 'lax_4c' has shape \(2, 32, 64\), not \(batch, channel, x, y\)"),
        ({"lax_4c": torch.rand(2, 2, 32, 64)}, "view 'lax_4c' has 2 channels .*this network takes 1"),
    ],
)
def test_images_that_do_not_fit_are_refused(
    build: Callable[[], nn.Module], change: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build()(images(*build().views) | change)


@pytest.mark.parametrize("build", [mae, convvit, convunetr])
def test_views_come_in_the_same_batch(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="view 'lax_4c' has a batch of 3, view 'sax' of 2"):
        build()(images("sax") | images("lax_4c", batch=3))


@pytest.mark.parametrize("build", [mae, convvit, convunetr, unet, resnet])
def test_no_images_at_all_are_refused(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="is missing: this network takes"):
        build()({})


@pytest.mark.parametrize("build", [convvit, convunetr])
def test_networks_of_several_views_need_them_all(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="view 'lax_4c' is missing: this network takes sax, lax_4c"):
        build()(images("sax"))


def test_the_average_is_over_known_heads() -> None:
    net, given = convvit().eval(), images()
    with torch.inference_mode():
        every, patch, cls = (net(given, kind) for kind in ("all", "patch", "cls"))
    torch.testing.assert_close(every, (2 * patch + cls) / 3)  # two views and the class token
    with pytest.raises(ValueError, match="'mean' is not a valid Reduction"):
        net(given, "mean")


# Training


def total(net: nn.Module, given: dict[str, Tensor]) -> Tensor:
    """A number that depends on everything a network answers."""
    out = net(given)
    if isinstance(net, CineMA):
        loss: Tensor = out.loss
        return loss
    return torch.stack([y.square().mean() for y in (out.values() if isinstance(out, dict) else [out])]).sum()


@pytest.mark.parametrize("build", [mae, convvit, convunetr])
def test_recomputing_in_training_gives_the_same_gradients(build: Callable[..., nn.Module]) -> None:
    grads = []
    for grad_ckpt in (False, True):
        net = build(grad_ckpt=grad_ckpt, drop_path=0.5).train()
        torch.manual_seed(1)
        total(net, images()).backward()
        grads.append({name: p.grad for name, p in net.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys() and grads[0]
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad)


def test_a_unet_recomputes_too() -> None:
    grads = []
    for grad_ckpt in (False, True):
        net = unet(grad_ckpt=grad_ckpt, dropout=0.5).train()
        torch.manual_seed(1)
        total(net, images("lax_4c")).backward()
        grads.append(net.encoder.in_conv.conv.weight.grad)
    torch.testing.assert_close(grads[0], grads[1])


@pytest.mark.parametrize("build", [mae, convvit, convunetr])
def test_drop_path_acts_in_training_only(build: Callable[..., nn.Module]) -> None:
    given, net = images(), build(drop_path=0.5)
    answers = []
    for training in (True, False):
        net.train(training)
        for seed in (0, 1):
            torch.manual_seed(seed)
            noise = {view: torch.linspace(0, 1, 8).expand(2, 8) for view in given}
            with torch.no_grad():
                answers.append(net(given, noise=noise).loss if isinstance(net, CineMA) else total(net, given))
    assert answers[0] != answers[1] and answers[2] == answers[3]


@pytest.mark.parametrize("build", [convunetr, unet])
def test_dropout_acts_in_training_only(build: Callable[..., nn.Module]) -> None:
    net = build(dropout=0.5)
    given, answers = images(*net.views), []
    for training in (True, False):
        net.train(training)
        for seed in (0, 1):
            torch.manual_seed(seed)
            with torch.no_grad():
                answers.append(total(net, given))
    assert answers[0] != answers[1] and answers[2] == answers[3]


def test_dropout_stays_out_of_the_up_sampling_decoder() -> None:
    rates = {name: m.p for name, m in convunetr(dropout=0.5).named_modules() if isinstance(m, nn.Dropout)}
    assert {p for name, p in rates.items() if name.startswith("decoder_dict")} == {0.0}
    assert {p for name, p in rates.items() if not name.startswith("decoder_dict")} == {0.5}


@pytest.mark.parametrize("build", [mae, convvit, convunetr])
def test_positions_are_not_trained(build: Callable[[], nn.Module]) -> None:
    frozen = {name for name, p in build().named_parameters() if not p.requires_grad}
    assert frozen and all(name.endswith("pos_embed") for name in frozen)


@pytest.mark.parametrize("build", [mae, convvit, convunetr, resnet])
def test_every_other_weight_is_trained(build: Callable[[], nn.Module]) -> None:
    net = build().train()
    total(net, images(*net.views)).backward()
    idle = {name for name, p in net.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())}
    # one channel leaves a layer norm as its bias (see ChannelNorm), at first zero: what comes next sees nothing
    assert idle <= {f"dec_image_conv_block_dict.{view}.{name}.weight" for view in VIEWS for name in ("norm1", "conv1")}


def test_the_unet_has_one_unused_layer() -> None:
    net = unet().train()
    total(net, images("lax_4c")).backward()
    assert {name for name, p in net.named_parameters() if p.grad is None} == {
        "decoder.in_conv.conv.weight",
        "decoder.in_conv.conv.bias",
    }
