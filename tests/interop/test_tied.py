"""lm_head.weight is left out where save_pretrained leaves it out, whatever part of config.json says so, or none."""
import json

import pytest
import torch
import transformers
from conftest import convert
from gguf_models import SIZES, add_checkpoint
from tensors import read_tensors

VISION = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14,
              head_dim=16)


def mistral3(root: bool, text: bool):
    config = transformers.Mistral3Config(tie_word_embeddings=root, vision_config=VISION | dict(model_type="pixtral"),
                                         text_config=SIZES | dict(model_type="mistral", tie_word_embeddings=text))
    return transformers.Mistral3ForConditionalGeneration(config)


def starcoder2(tied: bool, _):
    return transformers.Starcoder2ForCausalLM(transformers.Starcoder2Config(**SIZES, tie_word_embeddings=tied))


def has_head(directory) -> bool:
    return any(name.endswith("lm_head.weight") for name in read_tensors(directory))


@pytest.mark.parametrize("is_stated", [True, False], ids=["stated", "not_stated"])
@pytest.mark.parametrize(("make", "root", "text"), [(mistral3, True, False), (mistral3, False, True), (mistral3, True, True),
                                                    (starcoder2, True, True), (starcoder2, False, False)])
def test_the_head_is_dropped_where_save_pretrained_drops_it(make, root, text, is_stated, tmp_path):
    torch.manual_seed(0)
    model = make(root, text)
    is_tied = root if is_stated else type(model.config)().tie_word_embeddings
    state = dict(model.state_dict())
    embedding = next(tensor for name, tensor in state.items() if name.endswith("embed_tokens.weight"))
    if is_tied:
        model.lm_head.weight.data.copy_(embedding)
    model.save_pretrained(tmp_path / "hf")
    config = json.loads((tmp_path / "hf/config.json").read_text()) | {"tie_word_embeddings": root}
    if not is_stated:
        del config["tie_word_embeddings"]
    (tmp_path / "hf/config.json").write_text(json.dumps(config))
    add_checkpoint(state | {"lm_head.weight": model.lm_head.weight.data.clone()}, tmp_path / "ckpt", tmp_path / "hf")
    ours = convert(tmp_path / "ckpt", tmp_path / "ours", "--assets", tmp_path / "ckpt/hf")
    type(model).from_pretrained(tmp_path / "hf").save_pretrained(tmp_path / "again")
    assert has_head(ours) == has_head(tmp_path / "again") == (not is_tied)
