"""Inspections of networks whose ranks, certificates and pictures are known by hand."""

import json
import math
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from isotopy import networks
from isotopy.errors import BudgetError
from isotopy.measure import Inspection, inspect


def linear(weight, bias=None):
    weight = torch.as_tensor(weight, dtype=torch.float32)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias))
    return layer


@pytest.fixture
def fold():
    """|x| in the first coordinate by two ReLUs, then a sum: rank 1 everywhere but at 0, then x is lost."""
    return nn.Sequential(linear([[1.0, 0.0], [-1.0, 0.0]]), nn.ReLU(), linear([[1.0, 1.0], [0.0, 0.0]]))


def cloud(n=120, seed=1):
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] > 0).long()


def statuses(i):
    return {sentence.status for sentence in i.sentences}


def said(i):
    return "\n".join(f"[{sentence.status}] {sentence.text}" for sentence in i.sentences)


def test_every_row_of_a_network_known_by_hand(fold):
    x, y = cloud()
    i = inspect(fold, x, y, classes=["left", "right"])
    shapes = [(layer.index, layer.kind, layer.width) for layer in i.layers]
    assert shapes == [(0, "input", 2), (1, "relu", 2), (2, "affine", 2)]
    entry, first, last = i.layers
    assert (i.samples, i.ambient_dimension, i.m, i.m_given) == (120, 2, 2, False)
    assert i.classes == ("left", "right")
    assert np.array_equal(i.labels, y.numpy())
    assert entry.rank.histogram == {2: 120}
    assert (entry.codeword_size, entry.polytopes, entry.active, entry.destructive_share) == (None, None, None, 0.0)
    assert first.rank.histogram == {1: 120}
    assert first.codeword_size.histogram == {1: 120}
    assert (first.active, first.polytopes, first.patterns) == (2, 2, 2)
    assert (first.destructive_share, first.proved_share, first.ambiguous_share) == (1.0, 1.0, 0.0)
    assert first.certificate.verdict == "collapse"
    assert (last.codeword_size, last.active) == (None, None)
    assert last.rank.histogram == {1: 120}
    # the Jacobian is one row of length 1, then (1, 0) or (-1, 0)
    assert first.stretch.largest == pytest.approx(1.0)
    assert last.stretch.ratio == pytest.approx(1.0)
    assert len(first.stretch.points) == 120
    assert entry.knn_accuracy > 0.9
    assert first.linear_accuracy > 0.95  # two ReLUs unfold left and right; points near the line may be missed
    assert last.linear_accuracy < 0.7  # |x| does not tell left from right
    assert (first.distinct, last.distinct) == (120, 120)
    assert (
        "[proved] The rank (directions kept near a point) falls from 2 at the input to 1 at layer 1: all points"
        in said(i)
    )
    assert i.accuracy is not None
    assert i.baseline == pytest.approx(max(y.double().mean(), 1 - y.double().mean()))


def test_tanh_network_is_an_embedding_throughout():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 3))
    i = inspect(net, cloud()[0])
    assert [layer.certificate.verdict for layer in i.layers] == [
        "identity",
        "homeomorphism",
        "embedding",
        "homeomorphism",
    ]
    assert "[proved] Every layer is one-to-one" in said(i)
    assert "destructive" not in said(i)
    assert all(layer.linear_accuracy is None and layer.betti[0].beyond[0] >= 1 for layer in i.layers)


def test_skipping_a_layer_says_nothing_about_the_whole():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    i = inspect(net, cloud()[0], layers=[0, 1])
    assert [layer.index for layer in i.layers] == [0, 1]
    assert "Every layer is one-to-one" not in said(i)
    assert [layer.index for layer in inspect(net, cloud()[0], layers=["input", -1]).layers] == [0, 2]


def test_certificates_are_worked_out_for_the_layers_asked_for(fold, monkeypatch):
    asked = []
    inner = sys.modules["isotopy.measure.inspect"].certificates
    monkeypatch.setattr(
        sys.modules["isotopy.measure.inspect"],
        "certificates",
        lambda net, *, layers: asked.extend(layers) or inner(net, layers=layers),
    )
    x, _ = cloud(30)
    whole = inspect(fold, x)
    assert inspect(fold, x, layers=[0, 2]).layers[1].certificate == whole.layers[2].certificate
    assert asked == [1, 2, 2]
    without = inspect(fold, x, certify=False)
    assert asked == [1, 2, 2]
    assert [layer.certificate.verdict for layer in without.layers] == ["identity", "not certified", "not certified"]
    assert "left out" in without.layers[1].certificate.sentence
    assert "one-to-one" not in said(without)
    assert "As maps" not in said(without)


def test_rank_zero_and_inactive_layers(fold):
    x, y = cloud()
    off = linear(np.eye(2), [-100.0, -100.0])
    dead = nn.Sequential(linear(np.eye(2)), nn.ReLU(), off, nn.ReLU(), linear([[1.0, 1.0]]))
    i = inspect(dead, x, y)
    assert i.layers[2].rank.histogram == {0: 120}
    assert (i.layers[2].active, i.layers[2].codeword_size.histogram) == (0, {0: 120})
    assert (i.layers[2].distinct, i.layers[3].distinct) == (1, 1)
    assert i.layers[2].stretch.smallest is None
    assert np.isnan(i.layers[2].stretch.sigma_rank).all()
    assert i.layers[2].betti[0].betti == (1, 0)
    assert i.layers[2].intrinsic_dimension == {"twonn": None, "mle": None}
    assert i.layers[3].knn_accuracy == pytest.approx(i.baseline)
    assert "have rank 0" in said(i)


def test_intrinsic_dimension_sets_the_low_share(generator):
    angle = 2 * math.pi * torch.rand(200, generator=generator)
    x = torch.stack([angle.cos(), angle.sin()], dim=1)
    half_plane = nn.Sequential(linear([[1.0, 0.0], [0.0, 1.0]]), nn.ReLU())
    i = inspect(half_plane, x, m=2)
    ranks = (x > 0).sum(dim=1)
    assert i.settings["intrinsic dimension for low ranks"] == 1
    assert i.layers[1].low_share == pytest.approx(float((ranks < 1).double().mean()))
    assert i.layers[1].destructive_share == pytest.approx(float((ranks < 2).double().mean()))
    assert inspect(half_plane, x, m=1).layers[1].destructive_share == i.layers[1].low_share


def test_stretch_is_the_svd_of_the_jacobian(generator):
    from isotopy.measure.stretch import stretch

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 25), nn.Tanh(), nn.Linear(25, 20)).double()
    x = torch.randn(12, 30, generator=generator, dtype=torch.float64)
    net = networks.trace(module, x[:1])
    points = (0, 3, 11)
    found = stretch(net, x, points, networks.rank_decomposition(net, x).ranks)
    for k in range(3):
        for place, row in enumerate(points):
            part = module[: 2 * k + 2]
            values = torch.linalg.svdvals(torch.autograd.functional.jacobian(part, x[row]))
            rank = int((values > 1e-10 * values[0]).sum())
            # the Gram matrix keeps half of the digits
            assert found[k].sigma_max[place] == pytest.approx(float(values[0]), rel=1e-7)
            assert found[k].sigma_rank[place] == pytest.approx(float(values[rank - 1]), rel=1e-3)
            assert found[k].numeric_rank[place] == int((values > 1e-3 * values[0]).sum())
        assert found[k].ratio == pytest.approx((found[k].sigma_max / found[k].sigma_rank).max())


def test_stretch_of_nearly_singular_maps_keeps_its_digits(generator):
    left, right = (torch.linalg.qr(torch.randn(20, 20, generator=generator).double()).Q for _ in range(2))
    weight = left @ torch.diag(torch.logspace(0, -11, 20, dtype=torch.float64)) @ right
    module = nn.Sequential(nn.Linear(20, 20, bias=False)).double()
    with torch.no_grad():
        module[0].weight.copy_(weight)
    i = inspect(module, torch.randn(20, 20, generator=generator, dtype=torch.float64))
    assert i.layers[1].stretch.ratio == pytest.approx(1e11, rel=1e-3)
    assert i.layers[1].certificate.verdict == "homeomorphism"


def test_plane_is_what_the_network_does_at_each_pixel(fold):
    x, y = cloud()
    i = inspect(fold, x, y)
    left, right, bottom, top = i.plane.extent
    width = float(x[:, 0].max() - x[:, 0].min())
    assert left == pytest.approx(float(x[:, 0].min()) - 0.15 * width, rel=1e-6)
    assert i.plane.classes.shape == (240, 240)
    assert i.plane.ranks.shape == i.plane.polytopes.shape == (2, 240, 240)
    for row, column in ((0, 0), (239, 5), (120, 239)):
        point = torch.tensor(
            [[left + (column + 0.5) / 240 * (right - left), bottom + (row + 0.5) / 240 * (top - bottom)]]
        )
        out = fold(point)[0].detach()
        assert i.plane.margin[row, column] == pytest.approx(float(out[1] - out[0]), abs=1e-5)
        assert i.plane.classes[row, column] == int(out.argmax())
        assert i.plane.ranks[0, row, column] == 1
    assert len(np.unique(i.plane.polytopes[0])) == 2
    assert inspect(nn.Sequential(nn.Linear(3, 2)), torch.randn(20, 3)).plane is None


def test_picture_shows_neurons_or_principal_components(generator):
    from isotopy.measure.picture import picture

    few, names = picture(torch.tensor([[1.0, 2.0, 3.0]]))
    assert few.tolist() == [[1.0, 2.0, 3.0]]
    assert names == ("neuron 1", "neuron 2", "neuron 3")
    x = torch.randn(300, 250, generator=generator, dtype=torch.float64) * torch.linspace(9, 0.1, 250).double()
    found, names = picture(x)
    centered = x - x.mean(0)
    _, s, v = torch.linalg.svd(centered, full_matrices=False)
    axes = v[:3] * v[:3].gather(1, v[:3].abs().argmax(dim=1, keepdim=True)).sign()
    assert np.abs(found - (centered @ axes.T).numpy()).max() < 1e-6 * float(s[0])
    assert names[0] == f"PC 1 ({100 * float(s[0] ** 2 / s.square().sum()):.0f} %)"
    assert picture(torch.ones(5, 9))[0].tolist() == [[0.0, 0.0, 0.0]] * 5
    assert picture(torch.zeros(5, 0))[0].shape == (5, 1)
    line = torch.arange(5.0)[:, None] * torch.ones(7)
    assert picture(line)[1] == ("PC 1 (100 %)", "PC 2 (0 %)", "PC 3 (0 %)")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(12, 2)

    def forward(self, x):
        return self.last(self.attention(x, x, x)[0].flatten(1))


def test_opaque_module_is_known_by_its_activations(generator):
    torch.manual_seed(0)
    x, y = torch.randn(50, 3, 4, generator=generator), torch.arange(50) % 2
    i = inspect(Attention(), x, y)
    assert i.layers[0].kind == "input"
    for layer in i.layers[1:]:
        assert (layer.rank, layer.codeword_size, layer.stretch, layer.destructive_share) == (None, None, None, None)
        assert "not piecewise affine" in layer.why
        assert layer.certificate.verdict == "not certified"
        assert layer.knn_accuracy is not None
        assert layer.betti[0].sample == 50
    assert "proved" not in statuses(i)
    assert "not piecewise affine" in said(i)
    assert any(note.startswith("Not traced") for note in i.settings["notes"])


def test_recordings_alone_or_with_inputs(generator):
    x, y = cloud(40)
    recordings = [
        ("first", torch.rand(40, 3, 2, generator=generator)),
        ("second", torch.rand(40, 5, generator=generator)),
    ]
    alone = inspect(recordings, labels=y)
    assert [(layer.name, layer.width) for layer in alone.layers] == [("first", 6), ("second", 5)]
    assert alone.ambient_dimension == 6
    assert alone.layers[0].certificate.verdict == "not certified"
    given = inspect(recordings, x, y)
    assert [layer.name for layer in given.layers] == ["input", "first", "second"]
    assert given.ambient_dimension == 2
    with pytest.raises(ValueError, match="recordings must have one row per sample; first has 40, second has 39"):
        inspect([recordings[0], ("second", torch.rand(39, 2))])
    with pytest.raises(ValueError, match="second must be finite"):
        inspect([recordings[0], ("second", torch.full((40, 2), math.nan))])


def test_images_flat_or_not_and_residual_blocks(generator):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2))
            self.more = nn.Conv2d(2, 2, 3, padding=1)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            y = self.body(x)
            return self.head(torch.relu(y + self.more(torch.relu(y))).flatten(1))

    torch.manual_seed(0)
    module = Block()
    x, y = torch.rand(30, 1, 4, 4, generator=generator), torch.arange(30) % 3
    i = inspect(module, x, y)
    assert module.training  # left as it was
    assert "read in evaluation mode" in said(i)
    assert [layer.kind for layer in i.layers] == ["input", "relu", "max_pool", "relu", "relu", "affine"]
    assert i.layers[0].width == 16
    assert i.layers[4].certificate.verdict == "not certified"
    net = networks.trace(module.eval(), x[:1])
    flat = inspect(net, x.flatten(1), y)
    assert flat.layers[-1].rank == i.layers[-1].rank
    assert flat.ambient_dimension == 16


def test_samples_are_a_subset_drawn_by_seed(fold):
    x, y = cloud()
    one, two = inspect(fold, x, y, samples=50), inspect(fold, x, y, samples=50)
    assert one.samples == 50
    assert one.to_dict()["layers"] == two.to_dict()["layers"]
    assert not np.array_equal(one.layers[0].picture, inspect(fold, x, y, samples=50, seed=1).layers[0].picture)
    assert inspect(fold, x, y, samples=500).samples == 120
    rows = {tuple(row) for row in x.double().tolist()}
    assert all(tuple(row) in rows for row in one.layers[0].picture.tolist())


def test_progress_rises_to_the_end(fold):
    seen = []
    inspect(fold, *cloud(), progress=lambda done, total: seen.append((done, total)))
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1


def test_accuracy_needs_one_output_per_class(generator):
    x, y = cloud()
    sign = nn.Sequential(linear([[1.0, 0.0]]))
    assert inspect(sign, x, y).accuracy == 1.0
    two = nn.Sequential(linear([[-1.0, 0.0], [1.0, 0.0]]))
    assert inspect(two, x, y).accuracy == 1.0
    assert inspect(two, x, y + 1).accuracy is None  # labels 1 and 2 are no outputs 0 and 1
    assert inspect(two, x).accuracy is None
    half = nn.Sequential(linear([[1.0, 0.0]]), nn.Sigmoid())
    assert inspect(half, x, y).accuracy == 1.0


def test_what_was_written_is_read_back(fold, tmp_path):
    x, y = cloud()
    i = inspect(fold, x, y, settings={"model": "fold", "data": "cloud"})
    i.save(tmp_path / "new" / "report")
    again = Inspection.load(tmp_path / "new" / "report")
    document = json.loads((tmp_path / "new" / "report" / "report.json").read_text())
    assert document == i.to_dict() == again.to_dict()
    assert json.dumps(document, allow_nan=False)
    assert sorted(p.name for p in (tmp_path / "new" / "report").iterdir()) == ["arrays.npz", "report.json"]
    for one, two in zip(i.layers, again.layers, strict=True):
        assert np.array_equal(one.picture, two.picture)
        assert one.rank == two.rank
        assert one.certificate == two.certificate
        assert [t.betti for t in one.betti] == [t.betti for t in two.betti]
        assert np.array_equal(one.betti[0].diagram[0], two.betti[0].diagram[0])  # with its infinite bar
        if one.stretch is not None:
            assert np.array_equal(one.stretch.sigma_max, two.stretch.sigma_max)
            assert one.stretch.points == two.stretch.points
    assert np.array_equal(i.labels, again.labels)
    assert np.array_equal(i.plane.margin, again.plane.margin)
    assert again.plane.extent == i.plane.extent
    assert again.settings["model"] == "fold"
    layer = document["layers"][1]
    for key in (
        "name",
        "width",
        "rank",
        "codeword_size",
        "polytopes",
        "destructive_share",
        "certificate",
        "betti",
        "stretch",
        "linear_accuracy",
        "knn_accuracy",
    ):
        assert key in layer
    assert set(layer["rank"]) == {"mean", "min", "max", "histogram"}
    assert layer["betti"][0]["diagram"]["0"][-1][1] is None  # never dies


def test_inspections_of_the_first_version_are_read(fold, tmp_path):
    """Version 1 named the null "no null" and had neither limits nor bands."""
    i = inspect(fold, *cloud(30))
    i.save(tmp_path)
    document = json.loads((tmp_path / "report.json").read_text())
    document["version"] = 1
    for own in (own for one in document["layers"] for own in one["betti"]):
        for name in ("nulls", "radius", "smallest", "half_widths", "beyond"):
            del own[name]
        own["null"] = "no null"
    (tmp_path / "report.json").write_text(json.dumps(document))
    old = Inspection.load(tmp_path)
    assert [own.betti for own in old.layers[0].betti] == [own.betti for own in i.layers[0].betti]
    assert old.layers[0].betti[0].half_widths == ()


def test_broken_folders_are_refused(fold, tmp_path):
    i = inspect(fold, *cloud(30))
    with pytest.raises(FileNotFoundError, match=r"there is no report\.json"):
        Inspection.load(tmp_path)
    i.save(tmp_path)
    (tmp_path / "arrays.npz").write_bytes((tmp_path / "arrays.npz").read_bytes()[:500])
    with pytest.raises(ValueError, match="do not fit together"):
        Inspection.load(tmp_path)
    i.save(tmp_path)
    text = (tmp_path / "report.json").read_text()
    (tmp_path / "report.json").write_text(text.replace('"version": 2', '"version": 99'))
    with pytest.raises(ValueError, match="Update isotopy"):
        Inspection.load(tmp_path)
    (tmp_path / "report.json").write_text(text[:100])
    with pytest.raises(ValueError, match="is damaged"):
        Inspection.load(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ValueError, match="is no inspection"):
        Inspection.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="directory must be a folder"):
        i.save(tmp_path / "file")


def test_a_failed_write_leaves_the_old_files(fold, tmp_path, monkeypatch):
    i = inspect(fold, *cloud(30))
    i.save(tmp_path)
    before = (tmp_path / "arrays.npz").read_bytes()

    def full(stream, **_):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        i.save(tmp_path)
    assert (tmp_path / "arrays.npz").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arrays.npz", "report.json"]


def test_labels_of_every_kind_say_the_same(fold):
    x, y = cloud()
    wanted = inspect(fold, x, y, layers=[0])
    kinds = [y.bool(), y.double(), y.to(torch.bfloat16), y[:, None], y.numpy(), y.tolist()]
    for labels in (*kinds, nn.functional.one_hot(y), nn.functional.one_hot(y).float().numpy()):
        found = inspect(fold, x, labels, layers=[0])
        assert (found.classes, found.accuracy) == (wanted.classes, wanted.accuracy) == (("0", "1"), wanted.accuracy)
        assert np.array_equal(found.labels, wanted.labels)
    named = inspect(fold, x, np.array(["cat", "dog"])[y], layers=[0])
    assert (named.classes, named.layers[0].knn_accuracy) == (("cat", "dog"), wanted.layers[0].knn_accuracy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"module": "net.pt2"}, "module must be a torch.nn.Module, .* or a list of recordings .* got str"),
        ({"x": np.zeros((3, 2))}, r"x must be a tensor; got ndarray. Convert: torch.as_tensor\(x\)"),
        ({"module": [("a", np.zeros((3, 2)))], "x": None}, "recordings must be tensors; a is ndarray"),
        *(
            ({name: 2.5}, f"{name} must be a whole number; got 2.5")
            for name in ("m", "samples", "neighbors", "stretch_points", "landmarks", "seed", "memory")
        ),
    ],
)
def test_arguments_of_another_type_are_named(fold, arguments, message):
    plain = inspect.__wrapped__  # without the type checks of the tests
    with pytest.raises(TypeError, match=message):
        plain(**{"module": fold, "x": cloud()[0], **arguments})


def test_bad_input_is_named(fold):
    x, y = cloud()
    with pytest.raises(ValueError, match=r"x must have shape \(n, 2\)"):
        inspect(networks.trace(fold, x[:1]), torch.rand(5, 3))
    with pytest.raises(ValueError, match="x must be finite; 1 of 120 rows"):
        inspect(fold, x.index_fill(0, torch.tensor([3]), math.inf))
    with pytest.raises(ValueError, match="labels must have one entry per sample: 120 samples, 100 labels"):
        inspect(fold, x, y[:100])
    with pytest.raises(ValueError, match="x must hold at least one sample"):
        inspect(fold, x[:0])
    with pytest.raises(ValueError, match="x must hold the inputs"):
        inspect(fold)
    with pytest.raises(ValueError, match="m must be between 1 and the ambient dimension 2; got 3"):
        inspect(fold, x, m=3)
    with pytest.raises(ValueError, match="layers must be indices"):
        inspect(fold, x, layers=[7])
    with pytest.raises(ValueError, match=r"layers must be indices .* got 'nothing'"):
        inspect(fold, x, layers=["nothing"])
    with pytest.raises(ValueError, match="labels must be indices into classes"):
        inspect(fold, x, y + 5, classes=["a", "b"])
    with pytest.raises(ValueError, match="samples must be at least 1"):
        inspect(fold, x, samples=0)
    with pytest.raises(BudgetError, match=r"need about 0\.0 MiB, more than memory=0\.0 MiB\. Take samples=\d+"):
        inspect(fold, x, memory=1000)
    with pytest.raises(BudgetError, match=r"Give at least memory=\d\d"):
        inspect(fold, x, memory=1)
    with pytest.raises(ValueError, match="seed must be at least 0; got -1"):
        inspect(fold, x, seed=-1)
    with pytest.raises(ValueError, match=r"labels must be class numbers; row 0 has 0\.5"):
        inspect(fold, x, y + 0.5)
    with torch.no_grad():
        fold[0].weight[0, 0] = math.nan
    with pytest.raises(ValueError, match="holds NaN or inf"):
        inspect(fold, x)


def test_wrong_width_of_an_untraced_module_is_one_clear_error():
    with pytest.raises(ValueError, match=r"takes no input of shape \(2, 3\).*shape \(n, \*input_shape\)"):
        inspect(nn.Sequential(nn.Linear(4, 2)), torch.rand(10, 3))


def test_one_sample_constant_features_and_duplicates(fold):
    x, y = cloud()
    one = inspect(fold, x[:1], y[:1])
    assert one.samples == 1
    assert one.layers[0].linear_accuracy is None
    assert "at least two classes" in one.layers[0].why
    assert one.layers[0].betti[0].betti == (1, 0)
    constant = inspect(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), torch.cat([x, torch.ones(120, 1)], dim=1), y)
    assert constant.layers[0].linear_accuracy == pytest.approx(inspect(fold, x, y).layers[0].linear_accuracy)
    twice = inspect(fold, torch.cat([x, x[:20]]), torch.cat([y, y[:20]]))
    assert twice.layers[0].distinct == 120
    assert "20 points repeat another one exactly" in said(twice)
    json.dumps(one.to_dict(), allow_nan=False)


def test_narrow_layers_and_networks_without_activation():
    x, y = cloud()
    narrow = nn.Sequential(nn.Linear(2, 1), nn.Tanh(), nn.Linear(1, 2))
    assert [layer.width for layer in inspect(narrow, x, y).layers] == [2, 1, 2]
    plain = inspect(nn.Sequential(linear([[2.0, 0.0], [0.0, 3.0]])), x, y)
    assert plain.layers[1].certificate.verdict == "homeomorphism"
    assert plain.layers[1].polytopes == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that a layer of width 0 has nothing to initialize
        empty = nn.Sequential(nn.Linear(2, 0), nn.ReLU(), nn.Linear(0, 2))
    found = inspect(empty, x, y)
    assert [layer.width for layer in found.layers] == [2, 0, 2]
    assert found.layers[1].certificate.verdict == "collapse"
    assert found.layers[2].rank.histogram == {0: 120}
    assert [str(own.image) for own in found.images.layers] == ["H0 = Z", "H0 = Z"]  # points
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("data", "model"), [("D-II", "D-II_0"), ("D-III", "D-III-2_1")])
def test_trained_nets_of_naitzat_lose_rank_in_late_layers(data_root, data, model):
    from safetensors.torch import load_file

    weights = load_file(data_root / "naitzat" / "models" / f"{model}.safetensors")
    matrices = [weights[key] for key in sorted(weights, key=lambda k: int(k.split(".")[1])) if key.endswith("weight")]
    layers = [part for w in matrices for part in (nn.Linear(w.shape[1], w.shape[0]), nn.ReLU())][:-1]
    net = nn.Sequential(*layers)
    net.load_state_dict({key.removeprefix("layers."): value for key, value in weights.items()})
    arrays = np.load(data_root / "naitzat" / f"{data}.npz")
    x, y = torch.from_numpy(arrays["x_test"]).float(), torch.from_numpy(arrays["y_test"]).long()
    i = inspect(net, x, y, samples=300)
    assert i.accuracy > 0.9
    means = [layer.rank.mean for layer in i.layers]
    assert means == sorted(means, reverse=True)
    assert means[-1] < 3
    assert i.layers[-1].destructive_share > 0
    assert "topologically destructive" in said(i)
    # the same ranks from the Jacobian by autograd, at a few points
    rows = torch.from_numpy(i.layers[0].picture)[:5]
    for place, point in enumerate(rows):
        jacobian = torch.autograd.functional.jacobian(net.double(), point)
        values = torch.linalg.svdvals(jacobian)
        rank = int((values > 1e-9 * values[0]).sum()) if values[0] > 0 else 0
        found = networks.rank_decomposition(networks.trace(net, rows), rows).ranks[place, -1]
        assert rank == found
