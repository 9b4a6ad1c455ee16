"""Where the checkpoint is found, what is taken along beside the weights, and what becomes of an existing output."""
import importlib
import json
import shutil
from pathlib import Path

import transformers
from conftest import GOLDEN, convert, unshard
from tensors import assert_same_tensors, read_tensors

DEMO = GOLDEN / "fsdp-qwen3-4ranks"


def test_the_checkpoint_is_found_in_the_directory_of_its_step(tmp_path):
    step = tmp_path / "global_step_1"
    shutil.copytree(DEMO / "ckpt", step / "actor")
    (step / "data.pt").write_bytes(b"the state of the data loader")
    output = convert(step, tmp_path / "out")
    assert_same_tensors(read_tensors(output), read_tensors(DEMO / "truth.safetensors"))
    assert (output / "tokenizer.json").exists()


def test_of_two_checkpoints_in_one_directory_neither_is_chosen(tmp_path, refusal):
    for role in ("actor", "critic"):
        shutil.copytree(DEMO / "ckpt", tmp_path / "global_step_1" / role)
    said = refusal(tmp_path / "global_step_1")
    assert "actor" in said and "critic" in said


def test_optimizer_and_extra_state_are_left_out(demo, tmp_path):
    for rank in range(4):
        for kind in ("optim", "extra_state"):
            (demo / f"{kind}_world_size_4_rank_{rank}.pt").write_bytes(b"not even a zip")
    output = convert(demo, tmp_path / "out")
    assert_same_tensors(read_tensors(output), read_tensors(DEMO / "truth.safetensors"))


def test_what_a_model_needs_is_copied_and_what_training_left_is_not(demo, tmp_path):
    assets = demo / "huggingface"
    config = json.loads((assets / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    (assets / "config.json").write_text(json.dumps(config))
    taken = {"added_tokens.json", "special_tokens_map.json", "vocab.json", "merges.txt", "tokenizer.model",
             "own.tiktoken", "chat_template.json", "preprocessor_config.json", "processor_config.json",
             "video_preprocessor_config.json", "modeling_own.py"}
    left = {"pytorch_model.bin", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "optimizer.pt",
            "training_args.bin", "unrelated.py"}
    for name in taken | left:
        (assets / name).write_text(f"# {name}\n")
    usual = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    output = convert(demo, tmp_path / "out")
    assert {file.name for file in output.iterdir()} == taken | usual | {"model.safetensors"}
    assert all((output / name).read_bytes() == (assets / name).read_bytes() for name in taken | usual)


def vocabulary_files() -> set[str]:
    """All that transformers' tokenizers load."""
    for module in sorted(Path(transformers.models.__file__).parent.glob("*/tokenization_*.py")):
        try:
            importlib.import_module(f"transformers.models.{module.parent.name}.{module.stem}")
        except (ImportError, NameError):  # what it needs is not installed
            continue

    def names(tokenizer: type) -> set[str]:
        return set((tokenizer.vocab_files_names or {}).values()).union(*map(names, tokenizer.__subclasses__()))
    return names(transformers.PreTrainedTokenizerBase)


def test_every_file_that_a_tokenizer_of_transformers_loads_is_copied(demo, tmp_path):
    wanted = vocabulary_files()
    assert {"vocab.txt", "source.spm", "bpe.codes", "prophetnet.tokenizer"} < wanted
    for name in wanted:
        (demo / "huggingface" / name).write_text(json.dumps({name: 1}))
    output = convert(demo, tmp_path / "out")
    assert {name for name in wanted if not (output / name).exists()} == set()
    assert all((output / name).read_text() == json.dumps({name: 1}) for name in wanted)


def test_assets_can_be_given_by_hand(demo, tmp_path):
    shutil.move(demo / "huggingface", tmp_path / "elsewhere")
    output = convert(demo, tmp_path / "out", "--assets", tmp_path / "elsewhere")
    assert (output / "config.json").read_bytes() == (DEMO / "ckpt/huggingface/config.json").read_bytes()


def test_without_a_config_the_weights_are_written_with_a_warning(demo, tmp_path):
    shutil.rmtree(demo / "huggingface")
    done = unshard("convert", demo, "-o", tmp_path / "out")
    assert done.code == 0 and "config.json" in done.err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["model.safetensors"]


def test_force_replaces_the_whole_of_an_existing_output(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "model-00001-of-00002.safetensors").write_bytes(b"old")
    convert(DEMO / "ckpt", output, "--force")
    assert_same_tensors(read_tensors(output), read_tensors(DEMO / "truth.safetensors"))
    assert not (output / "model-00001-of-00002.safetensors").exists()


def test_an_existing_output_is_kept_without_force(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("precious")
    done = unshard("convert", DEMO / "ckpt", "-o", tmp_path / "out")
    assert done.code == 1 and "--force" in done.err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_output_inside_the_input_is_refused(demo):
    before = sorted(demo.rglob("*"))
    done = unshard("convert", demo, "-o", demo / "huggingface/out")
    assert done.code == 1 and done.err.startswith("unshard: ")
    assert sorted(demo.rglob("*")) == before
