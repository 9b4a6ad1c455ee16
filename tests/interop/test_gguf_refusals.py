"""What writer gguf refuses, and says; model files and settings of the user's own."""
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from conftest import TESTS, convert, unshard
from llama_tools import needs_converter, read_gguf, reference_convert

QWEN3 = TESTS.parent / "configs/models/qwen3.toml"


@pytest.fixture
def model(tiny, tmp_path) -> Path:
    """A checkpoint of a tiny Qwen3, to be damaged."""
    return Path(shutil.copytree(tiny("qwen3") / "ckpt", tmp_path / "ckpt"))


def edit(file: Path, change) -> None:
    """`change` gets the content of a JSON or rank file and returns the new one, or None for what it changed in place."""
    is_json = file.suffix == ".json"
    content = json.loads(file.read_text()) if is_json else torch.load(file)
    changed = change(content)
    content = content if changed is None else changed
    file.write_text(json.dumps(content)) if is_json else torch.save(content, file)


def refused(checkpoint: Path, *options) -> str:
    """The one line that is said, without the directory whose name repeats what the test is about."""
    output = checkpoint.parent / "out.gguf"
    before = set(checkpoint.parent.iterdir())
    done = unshard("convert", checkpoint, "-o", output, "--assets", checkpoint / "hf", *options)
    said = [line for line in done.err.splitlines() if not line.startswith("unshard: warning: ")]
    assert done.code in (1, 2) and len(said) == 1, done.err
    assert set(checkpoint.parent.iterdir()) == before
    return said[0].replace(str(checkpoint.parent), "DIR")


def rank_file(checkpoint: Path) -> Path:
    return checkpoint / "model_world_size_1_rank_0.pt"


# --- the model


def test_an_unknown_architecture_is_refused_with_the_known_ones_and_the_cure(model):
    edit(model / "hf/config.json", lambda config: config.update(architectures=["MambaForCausalLM"]))
    said = refused(model)
    assert "'MambaForCausalLM'" in said and "Gemma2ForCausalLM" in said and "output.options.model_dir=DIR" in said


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_missing_size_is_the_classs_own_which_the_tensors_do_not_have(field, model):
    edit(model / "hf/config.json", lambda config: config.pop(field) and None)
    said = refused(model)
    assert re.search(r"config\.json: \d+ " + ("missing" if field == "num_hidden_layers" else "of another shape"), said)


@pytest.mark.parametrize("value", [-1, 1 << 40, 1.5, "x", [1]])
def test_a_size_that_is_none_is_named(value, model):
    edit(model / "hf/config.json", lambda config: config.update(max_position_embeddings=value))
    assert "max_position_embeddings" in refused(model)


def test_no_config_is_refused(model):
    (model / "hf/config.json").unlink()
    assert "config.json" in refused(model)


def test_missing_and_unknown_tensors_are_named(model):
    def change(state):
        del state["model.layers.1.self_attn.v_proj.weight"]
        state["model.layers.1.self_attn.w_proj.weight"] = torch.zeros(2, 2)
    edit(rank_file(model), change)
    said = refused(model, "--allow-missing", "--keep", "w_proj")
    assert "self_attn.v_proj.weight: missing" in said
    assert "self_attn.w_proj.weight: not a tensor of this model" in said


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_cannot_be_quantised_is_named(value, model):
    def change(state):
        state["model.layers.1.mlp.up_proj.weight"][3, 5] = value
    edit(rank_file(model), change)
    said = refused(model, "--dtype", "q8_0")
    assert "model.layers.1.mlp.up_proj.weight" in said and "NaN" in said


def test_values_that_a_narrower_type_makes_infinite_are_told_with_their_tensor(model, tmp_path):
    def change(state):
        state["model.layers.1.mlp.up_proj.weight"][3, 5] = 70000.0
    edit(rank_file(model), change)
    done = unshard("convert", model, "-o", tmp_path / "out.gguf", "--assets", model / "hf", "--dtype", "f16")
    assert done.code == 1
    assert re.search(r"'model\.layers\.1\.mlp\.up_proj\.weight': 1 values are .* infinite", done.err)


@pytest.mark.parametrize("name", ["gemma", "gemma2", "cohere"])
def test_an_output_that_llama_cpp_has_no_place_for_is_refused_unless_it_equals_the_embedding(name, tiny, tmp_path):
    checkpoint = Path(shutil.copytree(tiny(name) / "ckpt", tmp_path / "ckpt"))
    edit(checkpoint / "hf/config.json", lambda config: config.update(tie_word_embeddings=False))
    said = refused(checkpoint)
    assert "lm_head.weight" in said and 'say so with "tie_word_embeddings": true' in said
    edit(checkpoint / "hf/config.json", lambda config: config.update(tie_word_embeddings=True))
    edit(rank_file(checkpoint), lambda state: state.update({"lm_head.weight": state["lm_head.weight"] + 1}))
    assert "lm_head.weight" in refused(checkpoint)
    edit(rank_file(checkpoint), lambda state: state.update({"lm_head.weight": state["model.embed_tokens.weight"].clone()}))
    tied = convert(checkpoint, tmp_path / "tied.gguf", "--assets", checkpoint / "hf")
    assert "output.weight" not in read_gguf(tied)[1]


@pytest.mark.parametrize(("name", "buffers"), [("qwen3", ["model.layers.1.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"]),
                                               ("gpt2", ["transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias"])])
def test_buffers_of_old_transformers_versions_are_left_out(name, buffers, tiny, tmp_path):
    checkpoint = Path(shutil.copytree(tiny(name) / "ckpt", tmp_path / "ckpt"))
    edit(rank_file(checkpoint), lambda state: state.update({buffer: torch.ones(4) for buffer in buffers}))
    options = ("--assets", checkpoint / "hf", "--set", "output.options.name=x")
    same = convert(tiny(name) / "ckpt", tmp_path / "same.gguf", *options)
    assert convert(checkpoint, tmp_path / "out.gguf", *options).read_bytes() == same.read_bytes()


def test_layers_of_multi_token_prediction_are_left_out(tiny, tmp_path):
    checkpoint = Path(shutil.copytree(tiny("deepseek_v3") / "ckpt", tmp_path / "ckpt"))
    names = ["eh_proj.weight", "enorm.weight", "shared_head.norm.weight", "self_attn.o_proj.weight"]
    edit(rank_file(checkpoint), lambda state: state.update({f"model.layers.3.{name}": torch.ones(8, 8) for name in names}))
    options = ("--assets", checkpoint / "hf", "--set", "output.options.name=x")
    same = convert(tiny("deepseek_v3") / "ckpt", tmp_path / "same.gguf", *options)
    assert convert(checkpoint, tmp_path / "out.gguf", *options).read_bytes() == same.read_bytes()


def test_a_name_that_is_too_long_is_refused(model, tmp_path):
    (tmp_path / "models").mkdir()
    rules = QWEN3.read_text().replace('"blk.{layer}.attn_q"', f'"blk.{{layer}}.attn_{"q" * 60}"')
    (tmp_path / "models/long.toml").write_text(rules)
    said = refused(model, "--set", f"output.options.model_dir={tmp_path / 'models'}")
    assert f"'blk.0.attn_{'q' * 60}.weight': the name has 78 bytes, GGUF allows 63" in said


def test_rows_that_are_no_whole_blocks_get_another_type_and_a_warning(model, tmp_path):
    done = unshard("convert", model, "-o", tmp_path / "out.gguf", "--assets", model / "hf", "--dtype", "q4_k_m")
    assert done.code == 0
    assert re.search(r"token_embd\.weight and \d+ more: rows of 64 elements are not whole blocks of 'q4_k': stored as 'q5_0'", done.err)
    assert done.err.count("are not whole blocks") < 8


# --- the tokenizer


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", "{", "[1]", '"text"', "\x00\xff"], ids=["empty", "open", "list", "text", "bytes"])
def test_a_broken_tokenizer_file_is_named(name, content, model):
    (model / "hf" / name).write_bytes(content.encode("latin-1"))
    assert name in refused(model)


def test_a_missing_tokenizer_is_refused(model):
    (model / "hf/tokenizer.json").unlink()
    assert "tokenizer.json" in refused(model)


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_broken_sentencepiece_model_is_named(kept, tiny, tmp_path):
    model = shutil.copytree(tiny("gemma") / "ckpt", tmp_path / "ckpt")
    file = model / "hf/tokenizer.model"
    file.write_bytes(file.read_bytes()[:kept])
    assert "tokenizer.model" in refused(model)


@pytest.mark.parametrize("change", [
    lambda t: t["model"].update(type="Unigram"), lambda t: t["model"].pop("vocab") and None,
    lambda t: t["model"].update(merges=[["a"]]), lambda t: t["model"].update(merges=[]),
    lambda t: t["model"]["vocab"].update(zzz=-1), lambda t: t["model"]["vocab"].update(zzz="x"),
    lambda t: t["added_tokens"].append({"id": 1 << 40, "content": "x"}), lambda t: t["added_tokens"].append({"id": 399}),
], ids=["unigram", "no vocabulary", "merge of one", "no merges", "negative id", "text as id", "huge id", "no text"])
def test_a_tokenizer_of_another_form_is_refused(change, model):
    edit(model / "hf/tokenizer.json", change)
    assert "tokenizer.json" in refused(model)


def test_more_tokens_than_the_embedding_has_rows_are_refused(model):
    edit(model / "hf/tokenizer.json", lambda t: t["model"]["vocab"].update({"<too much>": 400}))
    said = refused(model)
    assert "'<too much>' has the id 400" in said and "400 rows" in said


def test_two_tokens_of_one_text_are_refused(model):
    edit(model / "hf/tokenizer.json", lambda t: t["added_tokens"].extend(
        {"id": 380 + i, "content": text, "special": False} for i, text in enumerate(["a b", "a\u2581b"])))
    assert "'a b'" in refused(model)


def test_an_unknown_pre_tokenizer_is_refused_until_its_name_is_given(model, tmp_path):
    edit(model / "hf/tokenizer.json", lambda t: t.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "[0-9]"}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]}))
    said = refused(model)
    assert "split [0-9]; words and bytes" in said and "the nearest is 'gpt-2'" in said
    assert "--set output.options.pre=NAME" in said
    done = convert(model, tmp_path / "out.gguf", "--assets", model / "hf", "--set", "output.options.pre=starcoder")
    assert read_gguf(done)[0]["tokenizer.ggml.pre"] == (8, b"starcoder")


# --- settings


@pytest.fixture
def tuned(model, tmp_path) -> Path:
    """The checkpoint of an architecture that nobody knows, and models/ with a file for it."""
    edit(model / "hf/config.json", lambda config: config.update(architectures=["TunedForCausalLM"]))
    (tmp_path / "models").mkdir()
    rules = re.sub("architectures = .*", 'architectures = ["TunedForCausalLM"]', QWEN3.read_text())
    (tmp_path / "models/tuned.toml").write_text(rules)
    return model


def test_a_new_model_of_a_known_kind_is_a_new_file(tuned, tiny, tmp_path):
    name = ("--set", "output.options.name=x")
    new = convert(tuned, tmp_path / "new.gguf", "--assets", tuned / "hf", *name,
                  "--set", f"output.options.model_dir={tmp_path / 'models'}")
    known = convert(tiny("qwen3") / "ckpt", tmp_path / "known.gguf", "--assets", tiny("qwen3") / "ckpt/hf", *name)
    assert new.read_bytes() == known.read_bytes()


def test_model_files_beside_the_pipeline_are_found(tuned, tmp_path):
    (tmp_path / "run.toml").write_text('version = 1\ninput.path = "ckpt"\ninput.assets = "ckpt/hf"\n'
                                       '[[output]]\npath = "out.gguf"\n')
    done = unshard("run", tmp_path / "run.toml")
    assert done.code == 0, done.err
    assert "TunedForCausalLM" in done.out and (tmp_path / "out.gguf").exists()


def test_types_are_overridden_by_name(model, tmp_path):
    (tmp_path / "run.toml").write_text("""
        version = 1
        input = { path = "ckpt", assets = "ckpt/hf" }
        [[output]]
        path  = "out.gguf"
        dtype = "q8_0"
        types = [{ match = 'blk\\.0\\.attn', type = "f32" }, { match = "attn_v", type = "q4_1" }]
        """)
    assert unshard("run", tmp_path / "run.toml").code == 0
    types = {name: kind for name, (kind, *_) in read_gguf(tmp_path / "out.gguf")[1].items()}
    assert (types["blk.0.attn_v.weight"], types["blk.1.attn_v.weight"], types["blk.1.attn_q.weight"]) == (0, 3, 8)


@needs_converter
def test_split_files_are_those_of_the_converter(tiny, tmp_path):
    (tmp_path / "reference").mkdir()
    folder = convert(tiny("llama3") / "ckpt", tmp_path / "m.gguf", "--assets", tiny("llama3") / "ckpt/hf", "--dtype",
                     "bf16", "--max-shard-size", "40K")
    reference_convert(tiny("llama3") / "hf", tmp_path / "reference/m.gguf", "bf16", "gpt-2", "--split-max-size", "40K")
    names = sorted(file.name for file in folder.iterdir())
    assert names == [f"m-{number:05}-of-{len(names):05}.gguf" for number in range(1, len(names) + 1)]
    ours = [read_gguf(folder / name) for name in names]
    reference = [read_gguf(file) for file in sorted((tmp_path / "reference").iterdir())]
    split = {"split.count": (2, len(names).to_bytes(2, "little")), "split.tensors.count": reference[0][0]["split.tensors.count"]}
    for number, (keys, tensors) in enumerate(ours):
        others = reference[0][0] if number == 0 else {}
        assert keys == others | split | {"split.no": (2, number.to_bytes(2, "little"))}
        assert sum(len(data) for _, _, data in tensors.values()) <= 40_000 or len(tensors) == 1
    together = [{name: value for _, tensors in files for name, value in tensors.items()} for files in (ours, reference)]
    assert together[0] == together[1]

    llama_cpp = pytest.importorskip("llama_cpp")
    assert llama_cpp.Llama(str(folder / names[0]), n_ctx=8, verbose=False).n_vocab() == 400
