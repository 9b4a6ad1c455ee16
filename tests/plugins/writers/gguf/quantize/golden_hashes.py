#!/usr/bin/env python3
"""Prints the table in golden_test.cpp: hashes of what ggml itself makes of the inputs of inputs.cpp.

    pip install numpy llama-cpp-python==0.3.36
    python golden_hashes.py
"""
import ctypes
import glob
import os

import llama_cpp
import numpy as np

TYPES = {"q8_0": 8, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7,
         "q2_k": 10, "q3_k": 11, "q4_k": 12, "q5_k": 13, "q6_k": 14}
ROWS, ROW_ELEMS = 48, 256
U64 = np.uint64


def mix(v):
    v = (v ^ v >> U64(30)) * U64(0xBF58476D1CE4E5B9)
    v = (v ^ v >> U64(27)) * U64(0x94D049BB133111EB)
    return v ^ v >> U64(31)


def from_bits(bits):
    return bits.astype(np.uint32).view(np.float32)


def signed(magnitude, r):
    return np.where(r >> U64(63) != 0, -magnitude, magnitude).astype(np.float32)


def weight(r):
    lanes = [(r >> U64(16 * i) & U64(0xFFFF)).astype(np.uint16).view(np.int16).astype(np.int32) for i in range(4)]
    return np.ldexp(sum(lanes).astype(np.float32), -20)


def finite(r):
    return from_bits(np.where(r & U64(0x7F800000) == U64(0x7F800000), r & ~U64(0x40000000), r) & U64(0xFFFFFFFF))


def small(i, size, modulus):
    return (mix(i // U64(size)) % U64(modulus)).astype(np.int32)


KINDS = [
    lambda i, r: weight(r),
    lambda i, r: from_bits(weight(r).view(np.uint32) & np.uint32(0xFFFF0000)),
    lambda i, r: finite(r),
    lambda i, r: np.ldexp(weight(r), small(i, 16, 64) - 48),
    lambda i, r: from_bits(r & U64(0x80FFFFFF)),
    lambda i, r: signed(np.where(r % U64(16) == 0, 0.25, 0.0), r),
    lambda i, r: np.where(r % U64(8) == 0, (r >> U64(32) & U64(0xFF)).astype(np.float32), signed(0.0 * r, r)),
    lambda i, r: np.ldexp((r % U64(33)).astype(np.float32) - 16, -4),
    lambda i, r: weight(mix(i // U64(32))),
    lambda i, r: signed(np.ldexp(1.0, small(i, 16, 8)), r),
    lambda i, r: weight(r) - np.float32(4),
    lambda i, r: np.ldexp(weight(r), 30),
]


def quantize(ggml, code, values):
    row_bytes = ggml.ggml_row_size(code, ROW_ELEMS)
    out = np.zeros(row_bytes * ROWS, np.uint8)
    ggml.ggml_quantize_chunk(code, values.ctypes.data, out.ctypes.data, 0, ROWS, ROW_ELEMS, None)
    return out.tobytes()


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def main():
    pattern = os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.*")
    ggml = ctypes.CDLL(sorted(glob.glob(pattern))[0])
    ggml.ggml_row_size.restype = ctypes.c_size_t
    ggml.ggml_row_size.argtypes = [ctypes.c_int, ctypes.c_int64]
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [
        ctypes.c_void_p]
    index = np.arange(ROWS * ROW_ELEMS, dtype=U64)
    inputs = [np.ascontiguousarray(kind(index, mix(index + U64(1))), np.float32) for kind in KINDS]
    for name, code in TYPES.items():
        print(f'    Golden{{"{name}", 0x{fnv1a(b"".join(quantize(ggml, code, a) for a in inputs)):016x}}},')


main()
