"""Which tensors each architecture of llama.cpp has, read from its sources: what it does not find makes it refuse a file, and
what it does not know as well. plugins/writers/gguf/data/tensors.toml is what this prints; see there."""
import re
import sys
from pathlib import Path

# In the order of the models' files.
ARCHITECTURES = ["command-r", "deepseek2", "gemma", "gemma2", "gemma3", "glm4", "gpt-oss", "gpt2", "granite", "granitemoe",
                 "llama", "olmo2", "phi3", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "smollm3", "stablelm", "starcoder2"]
# Helpers of llama-model.cpp that stand for several calls, all of them optional.
HELPERS = {"create_tensor_qkv": ["ATTN_QKV", "ATTN_Q", "ATTN_K", "ATTN_V"],
           "create_tensor_gate_up_exps": ["FFN_GATE_UP_EXPS", "FFN_GATE_EXPS", "FFN_UP_EXPS"]}


def table(text: str, pattern: str) -> dict[str, str]:
    return dict(re.findall(pattern, text))


def body_of(source: str, function: str) -> str:
    """The text between the braces of a function."""
    begin = source.index("{", source.index(function))
    depth = 0
    for at in range(begin, len(source)):
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        if depth == 0:
            return source[begin + 1:at]
    raise ValueError(f"{function} has no end")


def calls_of(body: str):
    """Each call that makes tensors: its name, its arguments' text and whether it stands in a condition."""
    body = re.sub(r"//[^\n]*", "", body)
    for call in re.finditer(r"(create_tensor\w*)\(", body):
        depth, end = 1, call.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(body[end], 0)
            end += 1
        before, blocks = body[:call.start()], []
        for brace in re.finditer(r"([^{}\n]*)\{|\}", re.sub(r"\{[^{}();]*\}", "", before)):  # initialisers aside
            blocks.append(brace.group(1)) if brace.group(0) != "}" else blocks.pop()
        is_conditional = any(not block.lstrip().startswith("for ") for block in blocks)
        yield call.group(1), body[call.end():end - 1], is_conditional


def tensors_of(source: str, function: str, names: dict[str, str]) -> tuple[set[str], set[str]]:
    """What it needs, and what it takes when it is there."""
    needs, takes = set(), set()
    for helper, arguments, is_conditional in calls_of(body_of(source, function)):
        if helper in HELPERS:
            takes |= {f"{names[tensor]}.{suffix}" for tensor in HELPERS[helper] for suffix in ("weight", "bias")}
            continue
        tensor, suffix = re.search(r'tn\(LLM_TENSOR_(\w+)\s*,\s*"(\w+)"', arguments).groups()
        flags = arguments[arguments.rindex("}") + 1:]
        if "TENSOR_DUPLICATED" in flags and "NOT_REQUIRED" not in flags:
            continue
        is_needed = flags.strip(" ,\n") == "0" and not is_conditional
        (needs if is_needed else takes).add(f"{names[tensor]}.{suffix}")
    return needs, takes - needs


def derive(llama: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Architecture -> names that it needs and names that it takes, {layer} for the layer's number."""
    arch, model = (Path(llama, "src", file).read_text() for file in ("llama-arch.cpp", "llama-model.cpp"))
    names = {name: text.replace("%d", "{layer}")
             for name, text in re.findall(r'\{\s*LLM_TENSOR_(\w+),\s*"([^"]+)"', arch)}
    enums = {text: name for name, text in re.findall(r'\{\s*LLM_ARCH_(\w+),\s*"([^"]+)"', arch)}
    classes = {}
    for cases, name in re.findall(r"((?:case LLM_ARCH_\w+:\s*)+)return new (llama_model_\w+)\(", model):
        classes |= {case: name for case in re.findall(r"LLM_ARCH_(\w+)", cases)}
    sources = "".join(path.read_text() for path in sorted(Path(llama, "src/models").glob("*.cpp")))
    header = Path(llama, "src/models/models.h").read_text()
    bases = dict(re.findall(r"struct (llama_model_\w+)\s*:\s*public (llama_model_\w+)", header))
    result = {}
    for name in ARCHITECTURES:
        kind = classes[enums[name]]
        while f"{kind}::load_arch_tensors(" not in sources:
            kind = bases[kind]
        needs, takes = tensors_of(sources, f"void {kind}::load_arch_tensors(", names)
        result[name] = sorted(needs), sorted(takes)
    return result


def print_toml(llama: Path) -> None:
    for name, (needs, takes) in derive(llama).items():
        print(f'\n["{name}"]')
        for key, tensors in (("needs", needs), ("takes", takes)):
            print(f"{key} = [" + "".join(f'\n    "{tensor}",' for tensor in tensors) + "\n]")


if __name__ == "__main__":
    print_toml(Path(sys.argv[1]))
