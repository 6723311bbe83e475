from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    MixtralConfig,
    PhiConfig,
)
from transformers.pytorch_utils import Conv1D

from unlearn.errors import DamagedModelError, UnsupportedModelError
from unlearn.modules import FAMILIES, map_modules, map_tensors, projection, weight

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2 = {"vocab_size": 40, "n_embd": 16, "n_inner": 24, "n_layer": 3, "n_head": 2, "n_positions": 32}


def tiny(kind: str, **change: Any) -> Any:
    torch.manual_seed(0)
    sizes = {**GPT2, "bos_token_id": 1, "eos_token_id": 2} if kind == "gpt2" else SMALL
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**sizes, **change}))


@pytest.fixture(params=sorted(FAMILIES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_each_family_is_mapped_to_its_own_down_projections_and_embeddings(kind: str) -> None:
    net = tiny(kind)

    found = map_modules(net)

    assert (found.family, found.layers, found.width, found.inner) == (kind, 3, 16, 24)
    assert net.get_submodule(found.inputs) is net.get_input_embeddings()
    assert net.get_submodule(found.outputs).weight is net.get_output_embeddings().weight
    assert found.tied is (kind in ("gemma", "gemma2", "gemma3_text", "gpt2"))
    for layer in range(3):
        assert isinstance(projection(net, found, layer), (Conv1D, torch.nn.Linear))
        assert weight(net, found, layer).shape == (16, 24)


def test_what_a_layer_writes_is_its_weight_times_its_input(kind: str) -> None:
    net = tiny(kind).eval()
    found = map_modules(net)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    hook = projection(net, found, 1).register_forward_hook(
        lambda module, given, made: seen.append((given[0], made))
    )

    with torch.no_grad():
        net(input_ids=torch.tensor([[3, 4, 5]]))
    hook.remove()

    [(key, value)] = seen
    bias = getattr(projection(net, found, 1), "bias", None)
    expected = key @ weight(net, found, 1).T + (0 if bias is None else bias.detach())
    torch.testing.assert_close(value, expected)


def test_changing_a_weight_through_the_view_changes_the_model(kind: str) -> None:
    net = tiny(kind).eval()
    found = map_modules(net)
    ids = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        before = net(input_ids=ids).logits

        weight(net, found, 0).add_(torch.ones(16, 24))

        assert not torch.equal(net(input_ids=ids).logits, before)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["llama", "gpt_neox", "gpt2"])
def test_tied_embeddings_are_seen(family: str, tied: bool) -> None:
    found = map_modules(tiny(family, tie_word_embeddings=tied))

    assert found.tied is tied
    assert (found.outputs == found.inputs) is tied


def test_checkpoint_of_the_bare_decoder_is_mapped_without_its_prefix() -> None:
    net = tiny("gpt2")
    shapes = {
        name.removeprefix("transformer."): tuple(value.shape)
        for name, value in net.named_parameters()
    }

    found = map_tensors(net.config.to_dict(), shapes)

    assert found.down[0] == "h.0.mlp.c_proj"
    assert found.inputs == "wte"


def test_architectures_without_a_row_are_refused() -> None:
    net = AutoModelForCausalLM.from_config(MixtralConfig(**{**SMALL, "num_local_experts": 2}))

    with pytest.raises(UnsupportedModelError, match="'mixtral' have no known layout") as caught:
        map_modules(net)

    assert "llama" in caught.value.hint


def test_layers_that_share_their_weights_are_refused() -> None:
    net = tiny("llama")
    layers = net.model.layers
    layers[1].mlp.down_proj.weight = layers[0].mlp.down_proj.weight

    with pytest.raises(UnsupportedModelError, match="share"):
        map_modules(net)


def test_quantised_weights_are_refused() -> None:
    config = {**LlamaConfig(**SMALL).to_dict(), "quantization_config": {"quant_method": "gptq"}}

    with pytest.raises(UnsupportedModelError, match="quantised"):
        map_tensors(config, {})


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        ("model.layers.2.mlp.fc2.weight", "'model.layers.2.mlp.fc2.weight' is missing"),
        ("model.embed_tokens.weight", "missing"),
        ("lm_head.weight", "missing"),
    ],
)
def test_missing_tensors_are_named(drop: str, said: str) -> None:
    net = tiny("phi")
    shapes = {name: tuple(value.shape) for name, value in net.named_parameters() if name != drop}

    with pytest.raises(DamagedModelError, match=said):
        map_tensors(PhiConfig(**SMALL).to_dict(), shapes)


def test_shapes_that_contradict_the_configuration_are_refused() -> None:
    shapes = {name: tuple(value.shape) for name, value in tiny("gpt_neox").named_parameters()}

    with pytest.raises(DamagedModelError, match="not the configured 20"):
        map_tensors(GPTNeoXConfig(**{**SMALL, "hidden_size": 20}).to_dict(), shapes)
