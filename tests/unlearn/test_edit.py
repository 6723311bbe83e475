import pytest
import torch

from tests.unlearn.tiny import tokenizer, untrained, world
from unlearn.edit import TOO_LARGE, applied, apply, edit, failed, preserved
from unlearn.errors import ModelDriftedError

DOWN = "model.layers.0.mlp.down_proj.weight"
UP = "model.layers.1.mlp.up_proj.weight"


def model(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    net = untrained(tokenizer(world(people=2, public=2)), hidden_size=16, intermediate_size=24)
    return net.to(dtype)


def state(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(
        torch.equal(one[name].view(torch.uint8), other[name].view(torch.uint8)) for name in one
    )


def moved(net: torch.nn.Module, name: str, by: float = 0.1) -> torch.Tensor:
    return net.get_parameter(name).detach().double() + by


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_lent_weights_are_given_back_bit_for_bit(dtype: torch.dtype) -> None:
    net = model(dtype)
    before = state(net)
    change = edit("test", net, {DOWN: moved(net, DOWN), UP: moved(net, UP)})

    with applied(net, change):
        assert not same(before, state(net)), "positive control"
        assert torch.equal(net.get_parameter(DOWN), change.weights[DOWN])

    assert same(before, state(net))


def test_weights_come_back_when_the_block_fails() -> None:
    net = model()
    before = state(net)

    with pytest.raises(RuntimeError, match="inside"):
        with preserved(net, [DOWN]):
            net.get_parameter(DOWN).data.zero_()
            raise RuntimeError("inside")

    assert same(before, state(net))


def test_making_an_edit_leaves_the_model_alone_and_applying_it_keeps_it() -> None:
    net = model()
    before = state(net)
    change = edit("test", net, {DOWN: moved(net, DOWN)})
    assert same(before, state(net))

    apply(net, change)

    after = state(net)
    assert torch.equal(after.pop(DOWN), change.weights[DOWN])
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_edit_of_other_weights_is_refused_and_nothing_written() -> None:
    net = model()
    change = edit("test", net, {UP: moved(net, UP), DOWN: moved(net, DOWN)})
    net.get_parameter(DOWN).data[0, 0] += 1e-3
    before = state(net)

    with pytest.raises(ModelDriftedError, match="changed since the edit was computed"):
        apply(net, change)

    assert same(before, state(net))


def test_change_and_its_loss_in_the_cast_are_reported() -> None:
    net = model(torch.bfloat16)
    old = net.get_parameter(DOWN).detach().double()
    value = old + 0.01 * torch.randn(old.shape, dtype=torch.float64)

    change = edit("test", net, {DOWN: value})

    assert change.change[DOWN] == pytest.approx(((value - old).norm() / old.norm()).item())
    # bfloat16 has eight bits: weights near .02 are 1e-4 apart, a hundredth of this change.
    assert 1e-4 < change.rounding[DOWN] < 0.05
    assert edit("test", model(), {DOWN: value}).rounding[DOWN] < 1e-5


def test_change_lost_in_the_precision_is_no_part_of_the_edit() -> None:
    net = model(torch.bfloat16)

    change = edit("test", net, {DOWN: net.get_parameter(DOWN).detach().double() * (1 + 1e-6)})

    assert change.weights == {}


def test_change_larger_than_the_weights_is_flagged() -> None:
    net = model()
    old = net.get_parameter(DOWN).detach()

    change = edit("test", net, {DOWN: old * (2.1 + TOO_LARGE - 1), UP: moved(net, UP, 1e-4)})

    assert change.flagged == (DOWN,)


def test_edit_that_did_not_converge_changes_nothing() -> None:
    net = model()
    before = state(net)

    apply(net, failed("test", "no strength was accepted"))

    assert same(before, state(net))
