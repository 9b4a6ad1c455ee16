"""Prints the table of convert_test.cpp: digests of what PyTorch's .to() makes of known inputs.

A digest is the sum of m(bits[i]) * (2 i + 1) mod 2^64, where m(b) is b * 0x9E3779B97F4A7C15 mod 2^64 with its upper half
also exclusive-or'd into its lower one, and every NaN counts as the same NaN.
"""

import numpy as np
import torch

INTS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
NANS = {torch.float64: 0x7FF8000000000000, torch.float32: 0x7FC00000, torch.float16: 0x7E00, torch.bfloat16: 0x7FC0}


def tensor(bits, dtype):
    return torch.frombuffer(bytearray(bits.tobytes()), dtype=dtype)


def digest(t):
    bits = t.contiguous().view(torch.uint8).numpy().view(INTS[t.element_size()]).astype(np.uint64)
    bits[torch.isnan(t).numpy()] = NANS[t.dtype]
    weights = 2 * np.arange(len(bits), dtype=np.uint64) + np.uint64(1)
    mixed = bits * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    return int(np.sum(mixed * weights, dtype=np.uint64))


def f32_bits():
    """Spread over all numbers, then every f16 and bf16 half-way case with its neighbours."""
    spread = (np.arange(1 << 18, dtype=np.uint64) * 2654435761 % (1 << 32)).astype(np.uint32)
    halves = np.arange(1 << 16, dtype=np.uint32)
    f16 = tensor(halves.astype(np.uint16), torch.float16).float().numpy().view(np.uint32)
    f16[np.isnan(f16.view(np.float32))] = 0x7FC00000
    near = [base + np.uint32(d) for base in (f16, halves << 16) for d in (0x0FFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001)]
    return np.concatenate([spread, *near])


def f64_bits():
    """The same numbers as doubles, with their low bits set to something."""
    with np.errstate(invalid="ignore"):
        values = f32_bits().view(np.float32).astype(np.float64)
    values[np.isnan(values)] = np.nan
    low = np.arange(len(values), dtype=np.uint64) * 2654435761 % (1 << 29)
    low[~np.isfinite(values)] = 0
    return values.view(np.uint64) ^ low


def main():
    inputs = {
        "f16": tensor(np.arange(1 << 16, dtype=np.uint16), torch.float16),
        "bf16": tensor(np.arange(1 << 16, dtype=np.uint16), torch.bfloat16),
        "f8e4m3": tensor(np.arange(256, dtype=np.uint8), torch.float8_e4m3fn),
        "f8e4m3fnuz": tensor(np.arange(256, dtype=np.uint8), torch.float8_e4m3fnuz),
        "f8e5m2": tensor(np.arange(256, dtype=np.uint8), torch.float8_e5m2),
        "f8e5m2fnuz": tensor(np.arange(256, dtype=np.uint8), torch.float8_e5m2fnuz),
        "f32": tensor(f32_bits(), torch.float32),
        "f64": tensor(f64_bits(), torch.float64),
    }
    targets = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
    for source, values in inputs.items():
        for target, dtype in targets.items():
            if source != target:
                print(f"    {{DType::{source}, DType::{target}, 0x{digest(values.to(dtype)):016x}}},")


main()
