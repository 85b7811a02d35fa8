"""Makes the random llama models under tests/data and what two independent implementations compute from them.

    python3 -m venv venv && venv/bin/pip install numpy torch==2.13.0
    venv/bin/python tools/reference/make_random_models.py

Writes tests/data/golden_random/NAME.gguf and NAME.json, and tests/data/tiny-300.gguf with its JSON. The float64 logits
come from forward_f64.py (numpy), the float32 ones from forward_f32.py (PyTorch); the two share no code and must agree
within the derived tolerance, or the script fails. README.md beside this file has the derivation.
"""

import json
import pathlib
import platform

import numpy as np
import torch

import forward_f32
import forward_f64
import random_model

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data"
PROMPT_TOKENS = 24
# Positions whose logits are stored: the first, the second, one inside, the last; around the attention split at 256.
SHORT_POSITIONS = [0, 1, 11, 23]
LONG_POSITIONS = [255, 256, 299]
NOISE_TRIALS = 16
SAFETY = 4.0


def digits(values, count):
    return [float(f"%.{count}g" % v) for v in values]


def position_record(position, exact, single, rounded, keep_float32):
    """`rounded` holds the float64 logits with one kind of rounding each: noisy (several runs), int8, kv16."""
    tolerance = SAFETY * max(np.abs(n[position] - exact[position]).max() for n in rounded["noisy"])
    error = np.abs(single[position] - exact[position]).max()
    assert error <= tolerance, (error, tolerance)
    order = np.sort(exact[position])
    record = {
        "position": position,
        "argmax": int(np.argmax(exact[position])),
        "gap": float("%.6g" % (order[-1] - order[-2])),
        "max_abs_logit": float("%.6g" % np.abs(exact[position]).max()),
        "tolerance_float32": float("%.3g" % tolerance),
        "error_float32": float("%.3g" % error),
        "error_int8_activations": float("%.3g" % np.abs(rounded["int8"][position] - exact[position]).max()),
        "error_f16_kv": float("%.3g" % np.abs(rounded["kv16"][position] - exact[position]).max()),
        "float64": digits(exact[position], 11),
    }
    if keep_float32:
        record["float32"] = digits(single[position], 9)
    return record


def prompt_record(shape, weights, tokens, positions, seed):
    exact = forward_f64.logits(shape, weights, tokens)
    single = forward_f32.logits(shape, weights, tokens)
    rounded = {
        "noisy": [
            forward_f64.logits(shape, weights, tokens, forward_f64.Rounding(np.random.default_rng([seed, trial])))
            for trial in range(NOISE_TRIALS)
        ],
        "int8": forward_f64.logits(shape, weights, tokens, forward_f64.Int8Activations()),
        "kv16": forward_f64.logits(shape, weights, tokens, forward_f64.HalfKv()),
    }
    records = [position_record(p, exact, single, rounded, p == positions[-1]) for p in positions]
    worst = max(r["error_float32"] / r["tolerance_float32"] for r in records)
    print(f"  {len(tokens)} tokens: float32 error is at most {worst:.3f} of the tolerance; "
          f"tolerance {max(r['tolerance_float32'] for r in records):.2e}, "
          f"int8 {max(r['error_int8_activations'] for r in records):.2e}, "
          f"largest logit {max(r['max_abs_logit'] for r in records):.1f}")
    return {"tokens": tokens, "positions": records}


def make(shape, seed, folder):
    print(shape.name)
    path = folder / (shape.name + ".gguf")
    weights = random_model.write_model(shape, seed, path)
    rng = np.random.default_rng([seed, 99])
    prompts = [(PROMPT_TOKENS, SHORT_POSITIONS)]
    if shape.long_prompt:
        prompts.append((shape.long_prompt, LONG_POSITIONS))
    records = []
    for length, positions in prompts:
        tokens = [1] + [int(t) for t in rng.integers(3, shape.vocab, length - 1)]
        records.append(prompt_record(shape, weights, tokens, positions, seed))
    golden = {
        "model": path.name,
        "made_by": f"make_random_models.py, numpy {np.__version__}, torch {torch.__version__}, "
                   f"python {platform.python_version()}",
        "shape": {k: v for k, v in vars(shape).items() if k != "name"},
        "prompts": records,
    }
    with open(folder / (shape.name + ".json"), "w", encoding="utf-8") as f:
        f.write(json.dumps(golden, separators=(",", ":")).replace('{"position"', '\n{"position"') + "\n")


def main():
    torch.set_num_threads(1)
    folder = DATA / "golden_random"
    folder.mkdir(parents=True, exist_ok=True)
    for index, shape in enumerate(random_model.SHAPES):
        make(shape, 1000 + index, folder)
    make(random_model.TINY, 999, DATA)


if __name__ == "__main__":
    main()
