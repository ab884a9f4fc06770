"""Hostile, damaged and mistaken model files; every attack is first shown to work on torch alone."""

import io
import json
import pickle
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from isotopy.errors import UnsafeFileError
from isotopy.networks import load_model, read_weights

HEADER = "import torch\nfrom torch import nn\n"


class Touch:
    """Unpickling this creates a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


class Chain(nn.Sequential):
    def forward(self, points):
        return super().forward(points) if points.shape[0] % 2 == 0 else points  # exporting it leaves a guard


def plain():
    torch.manual_seed(0)
    return Chain(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()


@pytest.fixture(scope="module")
def members():
    """Members of a real archive, with a symbolic batch and a guard."""
    rows = torch.export.Dim("rows", min=2, max=64)
    program = torch.export.export(plain(), (torch.ones(4, 4),), dynamic_shapes=({0: 2 * rows},))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    with zipfile.ZipFile(stream) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write(path, members, **extra):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, **extra}.items():
            archive.writestr(f"model/{name}", data)
    return path


def saved(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def edited(members, change):
    model = json.loads(members["models/model.json"])
    change(model, model["graph_module"])
    return {**members, "models/model.json": json.dumps(model).encode()}


# --- attacks: members, marker -> members --------------------------------------------------------------


def sample_input(members, marker):
    return {**members, "data/sample_inputs/model.pt": saved(((Touch(marker),), {}))}


def pickled_weight(members, marker):
    config = json.loads(members["data/weights/model_weights_config.json"])
    config["config"]["0.weight"]["use_pickle"] = True
    encoded = json.dumps(config).encode()
    return {**members, "data/weights/weight_0": saved(Touch(marker)), "data/weights/model_weights_config.json": encoded}


def legacy_weights(members, marker):
    return {**members, "data/weights/model.pt": saved({"0.weight": Touch(marker)})}


def _constant(members, file, data):
    entry = {"path_name": file, "is_param": False, "use_pickle": True, "tensor_meta": None}
    encoded = json.dumps({"config": {"c": entry}}).encode()
    return {**members, f"data/constants/{file}": data, "data/constants/model_constants_config.json": encoded}


def opaque_constant(members, marker):
    return _constant(members, "opaque_obj_0", pickle.dumps(Touch(marker)))


def pickled_constant(members, marker):
    return _constant(members, "tensor_0", saved(Touch(marker)))


def _call(marker):
    return f"__import__('pathlib').Path('{marker}').touch()"


def symbolic_shape(members, marker):
    def change(model, module):
        module["graph"]["tensor_values"]["points"]["sizes"][0]["as_expr"]["expr_str"] = _call(marker)

    return edited(members, change)


def argument_name(members, marker):
    """Placeholders become parameters of Python source, and this one brings a default value."""
    text = members["models/model.json"].decode()
    return {**members, "models/model.json": text.replace('"points"', json.dumps(f"points={_call(marker)}")).encode()}


def forward_argument(members, marker):
    """The name stands twice in the source that torch writes; what lies between becomes a string."""

    def change(model, module):
        name = f'points={_call(marker)}):\n    """\n#'
        module["module_call_graph"][0]["signature"]["forward_arg_names"] = [name]

    return edited(members, change)


def guard(members, marker):
    def change(model, module):
        model["guards_code"] = [f"{_call(marker)} is None"]

    return edited(members, change)


def operator(members, marker):
    def change(model, module):
        node = module["graph"]["nodes"][1]
        node["target"] = "torch.os.mkdir"
        node["inputs"] = [{"name": "", "arg": {"as_string": str(marker)}, "kind": 1}]

    return edited(members, change)


def operator_argument(members, marker):
    def change(model, module):
        module["graph"]["nodes"][1]["inputs"][0]["arg"] = {"as_operator": "torch.os.system"}

    return edited(members, change)


def file_operator(members, marker):
    def change(model, module):
        node = module["graph"]["nodes"][1]
        node["target"] = "torch.ops.aten.from_file.default"
        node["inputs"] = [
            {"name": "filename", "arg": {"as_string": str(marker)}, "kind": 1},
            {"name": "shared", "arg": {"as_bool": True}, "kind": 1},
            {"name": "size", "arg": {"as_int": 16}, "kind": 1},
        ]

    return edited(members, change)


def container(members, marker):
    folder = Path(marker).parent
    (folder / "imported_by_model.py").write_text(
        f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nfactory = list\n"
    )
    context = {"default_factory_module": "imported_by_model", "default_factory_name": "factory", "dict_context": []}
    leaf = {"type": None, "context": None, "children_spec": []}
    spec = {"type": "collections.defaultdict", "context": context, "children_spec": [leaf]}

    def change(model, module):
        module["module_call_graph"][0]["signature"]["out_spec"] = json.dumps([1, spec])

    return edited(members, change)


def compiled_code(members, marker):
    return {**members, "data/aotinductor/model/model.so": b"\x7fELF"}


def escaping_name(members, marker):
    return {**members, "../../escaped": b"data"}


LIVE = [sample_input, pickled_weight, legacy_weights, opaque_constant, pickled_constant, symbolic_shape, argument_name,
        forward_argument, guard, file_operator, container]  # fmt: skip
ATTACKS = [*LIVE, operator, operator_argument, compiled_code, escaping_name]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_hostile_archive_is_refused_and_nothing_runs(attack, members, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    marker = tmp_path / "marker"
    path = write(tmp_path / "hostile.pt2", attack(members, marker))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UnsafeFileError, match="refused, nothing was executed"):
        load_model(path)
    assert not marker.exists()
    assert "imported_by_model" not in sys.modules
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("attack", LIVE, ids=lambda attack: attack.__name__)
def test_the_same_archive_would_have_run_in_torch(attack, members, tmp_path, monkeypatch):
    """The witness of the test above: without the screening (trust=True) each of these does leave its mark."""
    monkeypatch.syspath_prepend(tmp_path)
    marker = tmp_path / "marker"
    path = write(tmp_path / "hostile.pt2", attack(members, marker))
    try:
        load_model(path, trust=True).module()(torch.ones(4, 4))
    except Exception as error:  # what torch raises after the harm is done is its own affair
        print(type(error))
    sys.modules.pop("imported_by_model", None)
    assert marker.exists()


def test_harmless_archive_computes_what_the_module_does(members, tmp_path):
    program = load_model(write(tmp_path / "model.pt2", members))
    x = torch.randn(6, 4)
    torch.testing.assert_close(program.module()(x), plain()(x), rtol=0, atol=0)
    with pytest.raises(AssertionError, match="Guard failed"):  # its guards are kept
        program.module()(torch.ones(5, 4))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_what_a_gpu_machine_exported_loads_without_gpu(members, tmp_path):
    moved = {
        name: data.replace(b'"type": "cpu", "index": null', b'"type": "cuda", "index": 0') if "json" in name else data
        for name, data in members.items()
    }
    assert moved != members
    x = torch.randn(6, 4)
    program = load_model(write(tmp_path / "model.pt2", moved))
    torch.testing.assert_close(program.module()(x), plain()(x), rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"could not be read by torch"):  # as torch alone does
        load_model(tmp_path / "model.pt2", trust=True)


class Rich(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]), persistent=False)
        self.scale = torch.tensor([1.0, 2.0])

    def forward(self, x, *, gain=1.0):
        y = self.features(x)
        y = self.dropout(y + y.mean((2, 3), keepdim=True)).flatten(2)
        z, _ = self.attention(y, y, y)
        return {"out": (z[..., :2] + self.mask.exp()) * gain * self.scale, "shape": y.shape[0] * 2}


def test_convolution_attention_constants_and_dicts_pass_the_screen(tmp_path):
    torch.manual_seed(0)
    module, x = Rich().eval(), torch.randn(4, 1, 4, 4)
    program = torch.export.export(
        module, (x,), {"gain": 2.0}, dynamic_shapes={"x": {0: torch.export.Dim("n")}, "gain": None}
    )
    torch.export.save(program, tmp_path / "rich.pt2")
    x = torch.randn(7, 1, 4, 4)
    given = load_model(tmp_path / "rich.pt2").module()(x, gain=2.0)
    torch.testing.assert_close(given["out"], module(x, gain=2.0)["out"])
    assert given["shape"] == 14


@pytest.mark.filterwarnings("ignore")
def test_archives_of_older_torch_are_read_and_screened(members, tmp_path):
    """torch up to 2.7 wrote the parts side by side, weights and inputs pickled."""
    state = plain().state_dict(keep_vars=True)
    parts = {
        "version": "8.1",
        "serialized_exported_program.json": members["models/model.json"],
        "serialized_state_dict.pt": saved(state),
        "serialized_constants.pt": saved({}),
        "serialized_example_inputs.pt": saved(((torch.ones(4, 4),), {})),
    }
    for name, hostile in (("old", False), ("hostile", True)):
        if hostile:
            parts["serialized_constants.pt"] = saved({"c": Touch(tmp_path / "marker")})
        with zipfile.ZipFile(tmp_path / f"{name}.pt2", "w") as archive:
            for member, data in parts.items():
                archive.writestr(member, data)
    x = torch.randn(4, 4)
    torch.testing.assert_close(load_model(tmp_path / "old.pt2").module()(x), plain()(x))
    with pytest.raises(UnsafeFileError, match="nothing was executed"):
        load_model(tmp_path / "hostile.pt2")
    assert not (tmp_path / "marker").exists()


def test_names_that_come_twice_are_refused(members, tmp_path):
    path = write(tmp_path / "twice.pt2", members)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("model/models/model.json", members["models/model.json"])
    with pytest.raises(UnsafeFileError, match="comes twice"):
        load_model(path)


def test_bombs_are_refused_before_they_are_unpacked(members, tmp_path):
    path = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"model/{name}", data)
        archive.writestr("model/data/weights/weight_9", bytes(2**26))
    with pytest.raises(UnsafeFileError, match="nothing was unpacked"):
        load_model(path)
    with pytest.raises(ValueError, match="over the limit"):
        load_model(write(tmp_path / "large.pt2", members), max_bytes=1000)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**26))
    path = write(tmp_path / "nested.pt2", {**members, "data/sample_inputs/model.pt": inner.getvalue()})
    with pytest.raises(UnsafeFileError, match="nothing was unpacked"):
        load_model(path)


def test_truncated_and_foreign_archives_are_named(members, tmp_path):
    whole = write(tmp_path / "whole.pt2", members).read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 30):
        (tmp_path / "cut.pt2").write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"cut.pt2 must be an archive that torch.export.save wrote"):
            load_model(tmp_path / "cut.pt2")
    flipped = bytearray(whole)
    flipped[whole.index(b'"graph_module"')] ^= 1
    (tmp_path / "flipped.pt2").write_bytes(flipped)
    with pytest.raises(ValueError, match="CRC"):
        load_model(tmp_path / "flipped.pt2")
    without = {name: data for name, data in members.items() if name != "data/weights/weight_0"}
    with pytest.raises(ValueError, match=r"the values of '0.weight' .* are missing"):
        load_model(write(tmp_path / "without.pt2", without))
    with pytest.raises(ValueError, match="holds no model"):
        load_model(write(tmp_path / "empty.pt2", {"archive_format": b"pt2"}))
    with pytest.raises(ValueError, match=r"could not be read by torch .*export it again"):
        load_model(write(tmp_path / "hollow.pt2", members, **{"models/model.json": b"{}"}))
    with pytest.raises(ValueError, match="must be JSON"):
        load_model(write(tmp_path / "nonsense.pt2", members, **{"models/model.json": b"{"}))


def test_program_exported_in_training_mode_is_refused(tmp_path):
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU())
    torch.export.save(torch.export.export(module.train(), (torch.randn(8, 4),)), tmp_path / "train.pt2")
    with pytest.raises(ValueError, match=r"evaluation mode; node \w+ of .* is batch_norm in training mode"):
        load_model(tmp_path / "train.pt2")
    torch.export.save(torch.export.export(module.eval(), (torch.randn(8, 4),)), tmp_path / "eval.pt2")
    load_model(tmp_path / "eval.pt2")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_named(value, tmp_path):
    module = plain()
    with torch.no_grad():
        module[2].weight[1, 0] = value
    torch.export.save(torch.export.export(module, (torch.ones(4, 4),)), tmp_path / "model.pt2")
    with pytest.raises(ValueError, match=r"weights must be finite; 2.weight \(2, 3\) holds"):
        load_model(tmp_path / "model.pt2")
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="weights must be finite"):
        load_model("mlp", weights=tmp_path / "weights.pt")


# --- other files given as the model --------------------------------------------------------------


def test_pickled_module_is_refused_with_the_way_out(tmp_path):
    torch.save(plain(), tmp_path / "whole.pt")
    with pytest.raises(UnsafeFileError, match=r"pickled module.*torch.save\(model.state_dict\(\).*torch.export.save"):
        load_model(tmp_path / "whole.pt")
    (tmp_path / "raw.pkl").write_bytes(pickle.dumps(Touch(tmp_path / "marker")))
    with pytest.raises(UnsafeFileError, match="nothing was executed"):
        load_model(tmp_path / "raw.pkl")
    assert not (tmp_path / "marker").exists()


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_refused_with_the_way_out(tmp_path):
    torch.jit.trace(plain(), torch.ones(1, 4)).save(tmp_path / "script.pt")
    with pytest.raises(UnsafeFileError, match="TorchScript program"):
        load_model(tmp_path / "script.pt")


def test_weights_alone_say_how_to_use_them(tmp_path):
    torch.save(plain().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"state dict, weights alone. For a plain MLP: --model mlp --weights"):
        load_model(tmp_path / "weights.pt")
    with pytest.raises(FileNotFoundError, match="there is no"):
        load_model(tmp_path / "missing.pt2")
    with pytest.raises(ValueError, match="is a folder"):
        load_model(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match="none of them"):
        load_model(tmp_path / "notes.txt")


# --- source and weights --------------------------------------------------------------


def source(tmp_path, text):
    (tmp_path / "net.py").write_text(HEADER + text)
    return tmp_path / "net.py"


BUILD = "def build():\n    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))\n"


@pytest.mark.parametrize("ending", ["safetensors", "pt", "checkpoint", "parallel"])
def test_factory_with_weights_gives_the_saved_network(ending, tmp_path):
    state = plain().state_dict()
    path = tmp_path / ("weights.safetensors" if ending == "safetensors" else "weights.pt")
    if ending == "safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    elif ending == "checkpoint":
        torch.save({"epoch": 3, "model_state_dict": state, "optimizer": {"lr": 0.1}}, path)
    elif ending == "parallel":
        torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    model = load_model(f"{source(tmp_path, BUILD)}:build", weights=path)
    x = torch.randn(6, 4)
    torch.testing.assert_close(model(x), plain()(x), rtol=0, atol=0)
    assert not model.training
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["net.py", path.name])  # no __pycache__


def test_mismatched_weights_list_what_does_not_fit(tmp_path):
    state = plain().state_dict()
    state["0.weight"] = torch.zeros(3, 5)
    state["extra"] = state.pop("2.bias")
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"missing: 2.bias. unexpected: extra. of another shape: 0.weight is \(3, 5\)"):
        load_model(f"{source(tmp_path, BUILD)}:build", weights=tmp_path / "weights.pt")


def test_training_mode_with_batch_norm_is_said_and_put_right(tmp_path):
    text = "def build():\n    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout())\n"
    with pytest.warns(UserWarning, match=r"was in training mode; 1, 2 was put into evaluation mode"):
        model = load_model(f"{source(tmp_path, text)}:build")
    assert not any(module.training for module in model.modules())
    load_model(f"{source(tmp_path, text.replace('Dropout())', 'Dropout()).eval()'))}:build")  # no warning


def test_class_instance_and_neighbor_imports_work(tmp_path):
    (tmp_path / "parts.py").write_text(
        HEADER + "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(4, 2)\n"
    )
    path = source(tmp_path, "from parts import Net\nready = Net()\n")
    before = list(sys.path)
    assert load_model(f"{path}:Net").in_features == 4
    assert load_model(f"{path}:ready").out_features == 2
    assert sys.path == before
    sys.modules.pop("parts")


@pytest.mark.parametrize(
    ("text", "factory", "error", "message"),
    [
        ("def build(): return 3", "build", TypeError, "must give a torch.nn.Module; got int"),
        ("def build(): return 1 / 0", "build", ValueError, "line 3: ZeroDivisionError"),
        ("def build(width): return nn.Linear(width, 2)", "build", ValueError, "TypeError: build.. missing 1 required"),
        ("def build(: pass", "build", ValueError, "SyntaxError"),
        ("def make(): pass", "build", ValueError, "must define 'build'; it defines torch, nn, make"),
        ("", "", ValueError, "must name what to call"),
    ],
)
def test_mistakes_in_source_are_named(text, factory, error, message, tmp_path):
    path = source(tmp_path, text)
    with pytest.raises(error, match=message):
        load_model(f"{path}:{factory}" if factory else str(path))


def test_weights_that_are_no_state_dict_are_named(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "epoch.pt")
    with pytest.raises(ValueError, match="holds a dict with the keys epoch"):
        read_weights(tmp_path / "epoch.pt")
    torch.save(torch.ones(3), tmp_path / "tensor.pt")
    with pytest.raises(ValueError, match="holds a Tensor"):
        read_weights(tmp_path / "tensor.pt")
    torch.save({"a": Touch(tmp_path / "marker")}, tmp_path / "hostile.pt")
    with pytest.raises(UnsafeFileError, match="asks for getattr"):
        read_weights(tmp_path / "hostile.pt")
    assert not (tmp_path / "marker").exists()
    for name in ("cut.pt", "cut.safetensors"):
        whole = saved({"a": torch.ones(1000)}) if name == "cut.pt" else b"\x40\0\0\0\0\0\0\0{"
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match="truncated"):
            read_weights(tmp_path / name)


# --- plain MLPs --------------------------------------------------------------


def test_mlp_takes_its_shapes_from_the_weights(tmp_path):
    torch.manual_seed(0)
    layers = [nn.Linear(3 if k == 0 else 5, 5, bias=k != 3) for k in range(12)]
    torch.save(
        {f"layers.{2 * k}.{n}": t for k, m in enumerate(layers) for n, t in m.state_dict().items()}, tmp_path / "w.pt"
    )
    x = torch.randn(7, 3)
    for name, activation in (("mlp", torch.relu), ("mlp:tanh", torch.tanh)):
        y = x
        for k, layer in enumerate(layers):
            y = layer(y if k == 0 else activation(y))
        torch.testing.assert_close(load_model(name, weights=tmp_path / "w.pt")(x), y, rtol=0, atol=0)


def test_mlp_says_what_it_cannot_build(tmp_path):
    with pytest.raises(ValueError, match=r"mlp:ACTIVATION must be one of relu.*got mlp:swish"):
        load_model("mlp:swish", weights=tmp_path / "w.pt")
    for state, message in (
        (
            {"0.weight": torch.ones(3, 2), "2.weight": torch.ones(2, 4)},
            "2 of .* takes 4 values, the layer before gives 3",
        ),
        ({"0.weight": torch.ones(3, 2, 3, 3)}, r"linear layers only.*0 of .* holds weight \(3, 2, 3, 3\)"),
        ({"0.weight": torch.ones(3, 2), "0.running_mean": torch.ones(3)}, "linear layers only"),
    ):
        torch.save(state, tmp_path / "w.pt")
        with pytest.raises(ValueError, match=message):
            load_model("mlp", weights=tmp_path / "w.pt")


def test_published_networks_classify_their_test_data(data_root):
    import numpy as np

    for name in ("D-I", "D-II", "D-III"):
        model = load_model("mlp", weights=data_root / "naitzat" / "models" / f"{name}_0.safetensors")
        data = np.load(data_root / "naitzat" / f"{name}.npz")
        guess = model(torch.tensor(data["x_test"], dtype=torch.float32)).argmax(1)
        assert (guess.numpy() == data["y_test"]).mean() > 0.98


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_missing_gpu_is_named(tmp_path):
    torch.save(plain().state_dict(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"torch finds no GPU. Use cpu"):
        load_model("mlp", weights=tmp_path / "w.pt", device="cuda")
