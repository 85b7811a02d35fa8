"""How far the default numeric classes move the logits of the trained models under shared/models, step by step.

    venv/bin/python tools/reference/class_deviations.py ../shared/models

Writes tests/data/golden_classes/MODEL.json: for every step of a golden continuation the standard deviation of the gap
between the two best logits, for every logit that the golden file records its own, from TRIALS float64 forward passes
with random roundings in the places where the class rounds (forward_f64.py). README.md beside this file says how
tests/model/golden_classes_test.cc uses them.
"""

import json
import math
import pathlib
import sys

import numpy as np

import forward_f64
import perplexity
import random_model

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "golden_classes"
TRIALS = 64
Q4_0, Q4_K, Q6_K = 2, 12, 14


class Reader(perplexity.GgufReader):
    """Reads the quantized types of the trained models, too."""

    DECODERS = {}

    def tensor(self, name):
        shape, kind, offset = self.infos[name]
        if kind not in self.DECODERS:
            return super().tensor(name)
        layout, values, decode = self.DECODERS[kind]
        blocks = np.frombuffer(self.bytes, np.dtype(layout), int(np.prod(shape)) // values, self.data + offset)
        return decode(blocks).reshape(shape)


def _q4_0(b):
    q = np.concatenate([b["q"] & 15, b["q"] >> 4], axis=1).astype(np.float64) - 8
    return b["d"].astype(np.float64)[:, None] * q


def _q4_k(b):
    s = b["s"].astype(int)  # eight 6-bit scales and minimums in 12 bytes
    scale = np.concatenate([s[:, 0:4] & 63, s[:, 8:12] & 15 | s[:, 0:4] >> 6 << 4], axis=1)
    least = np.concatenate([s[:, 4:8] & 63, s[:, 8:12] >> 4 | s[:, 4:8] >> 6 << 4], axis=1)
    q = b["q"].reshape(-1, 4, 32)
    q = np.stack([q & 15, q >> 4], axis=2).reshape(-1, 8, 32).astype(np.float64)
    d, m = (b[part].astype(np.float64)[:, None, None] for part in "dm")
    return d * scale[:, :, None] * q - m * least[:, :, None]


def _q6_k(b):
    low, high = b["l"].reshape(-1, 2, 64), b["h"].reshape(-1, 2, 32)
    nibbles = [low[:, :, :32] & 15, low[:, :, 32:] & 15, low[:, :, :32] >> 4, low[:, :, 32:] >> 4]
    q = np.stack([n | (high >> 2 * i & 3) << 4 for i, n in enumerate(nibbles)], axis=2).astype(np.float64) - 32
    return b["d"].astype(np.float64)[:, None, None] * b["s"].astype(np.float64)[:, :, None] * q.reshape(-1, 16, 16)


Reader.DECODERS = {
    Q4_0: ([("d", "<f2"), ("q", "u1", 16)], 32, _q4_0),
    Q4_K: ([("d", "<f2"), ("m", "<f2"), ("s", "u1", 12), ("q", "u1", 128)], 256, _q4_k),
    Q6_K: ([("l", "u1", 128), ("h", "u1", 64), ("s", "i1", 16), ("d", "<f2")], 256, _q6_k),
}


class ClassNoise(forward_f64.Int8Noise):
    """Quantized weights: int8 activations, and the cache in float16."""

    kv = forward_f64.HalfKvNoise.kv


class ClassRounding(forward_f64.Int8Activations):
    """The same rounded to nearest: one draw."""

    kv = forward_f64.HalfKv.kv


def load(path):
    file = Reader(path)
    meta = file.metadata
    weights = {name: file.tensor(name) for name in file.infos}
    heads, dim = meta["llama.attention.head_count"], meta["llama.embedding_length"]
    shape = random_model.Shape(
        path.stem, dim=dim, heads=heads, kv_heads=meta.get("llama.attention.head_count_kv", heads),
        head_dim=dim // heads, ffn=meta["llama.feed_forward_length"], layers=meta["llama.block_count"],
        vocab=len(weights["token_embd.weight"]), rope_base=meta.get("llama.rope.freq_base", 10000.0),
        eps=meta["llama.attention.layer_norm_rms_epsilon"])
    return shape, weights


def recorded_tokens(record):
    return [token for token, _ in record["top5"]] + list(range(8))


def observe(shape, weights, result, noise, rounding):
    """For one prompt: moves of the gaps [draw, step] and of the recorded logits [draw, record, 13]; the last draw is
    the real rounding."""
    tokens = result["prompt_tokens"] + result["greedy_tokens"][:-1]
    first = len(result["prompt_tokens"]) - 1
    exact = forward_f64.logits(shape, weights, tokens)[first:]
    steps = np.arange(len(exact))
    best = exact.argmax(axis=1)
    assert (best == result["greedy_tokens"]).all()
    others = exact.copy()
    others[steps, best] = -np.inf
    second = others.argmax(axis=1)
    assert np.abs(exact[steps, best] - exact[steps, second] - result["gaps"]).max() < 1e-4
    hooks = [noise(np.random.default_rng([7, trial])) for trial in range(TRIALS)] + [rounding]
    gaps, records = [], []
    for hook in hooks:
        moved = forward_f64.logits(shape, weights, tokens, hook)[first:] - exact
        gaps.append(moved[steps, best] - moved[steps, second])
        records.append([moved[r["step"], recorded_tokens(r)] for r in result["logits"]])
    return np.array(gaps), np.array(records)


def deviation(draws):
    return np.sqrt((draws[:-1] ** 2).mean(axis=0))


def report(name, gaps, ratios, squares):
    """What a limit of z deviations would excuse, and how likely a correct implementation misses it somewhere."""
    def tail(z):
        return sum(math.erfc(r / math.sqrt(2)) / 2 for r in ratios if r > z)

    print(f"{name}: {len(gaps)} steps; mean square of recorded moves / variance {squares[-1]:.2f}, "
          f"draws {squares[:-1].min():.2f} to {squares[:-1].max():.2f}")
    for z in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0):
        print(f"  z {z}: excuses {np.mean(ratios <= z):.4f}, missed with probability {tail(z):.1e}")


def make(models, name):
    shape, weights = load(models / (name + ".gguf"))
    results = json.loads((models / "golden" / (name + ".json")).read_text(encoding="utf-8"))["results"]
    quantized = not name.endswith(("f16", "f32"))
    noise = ClassNoise if quantized else forward_f64.HalfKvNoise
    rounding = ClassRounding() if quantized else forward_f64.HalfKv()
    observed = [observe(shape, weights, result, noise, rounding) for result in results]
    gap = np.concatenate([np.array(result["gaps"]) for result in results])
    ratios = gap / np.concatenate([deviation(gaps) for gaps, _ in observed])
    squares = np.mean([((records / deviation(records)) ** 2).mean(axis=(1, 2)) for _, records in observed], axis=0)
    report(name, gap, ratios, squares)
    real = np.concatenate([gaps[-1] for gaps, _ in observed])
    print("  a real rounding turns", [round(float(r), 2) for r in ratios[real < -gap]], "deviations")
    record = {
        "model": name + ".gguf",
        "trials": TRIALS,
        # The mean square of a draw over all recorded logits: its spread among draws.
        "mean_square_deviation": float("%.3g" % squares[:-1].std()),
        "prompts": [{"gap_deviations": [float("%.3g" % d) for d in deviation(gaps)],
                     "logit_deviations": [[float("%.3g" % d) for d in row] for row in deviation(records)]}
                    for gaps, records in observed],
    }
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, separators=(",", ":")).replace('{"gap', '\n{"gap') + "\n"
    (OUT / (name + ".json")).write_text(text, encoding="utf-8")


def main():
    models = pathlib.Path(sys.argv[1])
    for golden in sorted((models / "golden").glob("*.json")):
        if golden.stem != "block-types":
            make(models, golden.stem)


if __name__ == "__main__":
    main()
