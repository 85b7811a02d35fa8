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
# Runs with random errors of each kind, and how many of their standard deviations a logit may be off.
TRIALS = 64
DEVIATIONS = 5.5


def digits(values, count):
    return [float(f"%.{count}g" % v) for v in values]


KINDS = {
    "float32": forward_f64.Rounding,
    "int8": forward_f64.Int8Noise,
    "bf16": forward_f64.Bf16Noise,
    "f16_kv": forward_f64.HalfKvNoise,
}


def deviation(shape, weights, tokens, exact, hook, seed):
    """Standard deviation of each logit, [tokens, vocab], over TRIALS draws of a random rounding."""
    squares = np.zeros_like(exact)
    for trial in range(TRIALS):
        squares += (forward_f64.logits(shape, weights, tokens, hook(np.random.default_rng([seed, trial]))) - exact) ** 2
    return np.sqrt(squares / TRIALS)


def position_record(position, exact, single, deviations, keep_float32):
    """`deviations` holds the standard deviation of every logit under each kind of rounding."""
    tolerance = DEVIATIONS * deviations["float32"][position].max()
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
        "tolerance_int8": float("%.3g" % (DEVIATIONS * deviations["int8"][position].max())),
        "tolerance_bf16": float("%.3g" % (DEVIATIONS * deviations["bf16"][position].max())),
        "tolerance_f16_kv": float("%.3g" % (DEVIATIONS * deviations["f16_kv"][position].max())),
        "float64": digits(exact[position], 11),
    }
    if keep_float32:
        record["float32"] = digits(single[position], 9)
    return record


def prompt_record(shape, weights, tokens, positions, seed):
    exact = forward_f64.logits(shape, weights, tokens)
    single = forward_f32.logits(shape, weights, tokens)
    deviations = {kind: deviation(shape, weights, tokens, exact, hook, seed) for kind, hook in KINDS.items()}
    # One real rounding of each kind must be a likely draw of its random process.
    for kind, hook in [("int8", forward_f64.Int8Activations()), ("f16_kv", forward_f64.HalfKv())]:
        moved = np.abs(forward_f64.logits(shape, weights, tokens, hook) - exact)[positions].max(axis=1)
        assert (moved <= DEVIATIONS * deviations[kind][positions].max(axis=1)).all(), (kind, moved)
    records = [position_record(p, exact, single, deviations, p == positions[-1]) for p in positions]
    worst = max(r["error_float32"] / r["tolerance_float32"] for r in records)
    print(f"  {len(tokens)} tokens: float32 error is at most {worst:.3f} of the tolerance; "
          f"tolerance {max(r['tolerance_float32'] for r in records):.2e}, "
          f"int8 {max(r['tolerance_int8'] for r in records):.2e}, "
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
