"""What happens at a time: the stage of every layer, by name, and its ends."""

import pytest
import torch

from isotopy import networks, see
from isotopy.see.frames import caption
from isotopy.see.motion import Motion, stage


@pytest.fixture
def flow():
    module = networks.mlp("2-2t-2v-2r-2", generator=torch.Generator().manual_seed(0))
    return see.scene(module, torch.randn(6, 2, generator=torch.Generator().manual_seed(1)), grid=None)


def test_every_layer_tells_its_own_stages(flow):
    assert [stage(flow, t) for t in (0.2, 0.5, 0.9)] == [
        ("linear map", False),
        ("shift", False),
        ("activation", False),
    ]
    assert stage(flow, 1.5) == ("flow", False)
    assert [stage(flow, 2 + t)[0] for t in (0.2, 0.5, 0.9)] == ["linear map", "shift", "activation"]


def test_ends_of_stages_are_told_as_ends(flow):
    for entry in flow.flow["layers"][0]["stages"][:-1]:
        assert stage(flow, entry["to"])[1]
        assert not stage(flow, entry["to"] - 0.01)[1]
        assert not stage(flow, entry["to"] + 0.01)[1]
    first, second = (entry["to"] for entry in flow.flow["layers"][0]["stages"][:2])
    assert stage(flow, first) == ("linear map", True)
    assert caption(flow, first) == "layer 1 of 3: after the linear map"
    assert caption(flow, second) == "layer 1 of 3: after the shift"
    assert caption(flow, 1.5) == "layer 2 of 3: flow"
    assert caption(flow, 3.0) == "layer 3 of 3"


def test_times_outside_are_refused(flow):
    for t in (-0.1, 3.1, float("nan")):
        with pytest.raises(ValueError, match="t must be from 0 to 3, the number of layers in the scene"):
            Motion(flow).at(t)
