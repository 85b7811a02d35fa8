"""Trains one model; run it again to resume. Loss goes to OUT/loss.csv, the state to OUT/checkpoint.pt.

Muon and AdamW, linear warm-up, then a cosine down to 2 % of the peak. A run ends after --steps or --minutes, whichever comes first;
the learning rate follows the one that is further along, so a run on a busy machine still cools down. With --teacher the loss is half the distance (KL) to the
teacher's distribution: that is how the draft learns to guess what the target will say.
"""

import argparse
import csv
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from dataset import collate, load_documents, make_batches
from model import CONFIGS, Llama, load_checkpoint


def progress(step: int, seconds: float, args: argparse.Namespace) -> float:
    """From 0 to 1: how much of the run is over."""
    return min(1.0, max(step / args.steps, seconds / (60.0 * args.minutes)))


def rate_factor(step: int, done: float, args: argparse.Namespace) -> float:
    """What the peak learning rates are multiplied with: linear warm-up, then a cosine."""
    warm = min(1.0, (step + 1) / args.warmup)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def make_optimizers(model: Llama, args: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the embedding and the norms; base_lr keeps each one's peak.

    Muon needs about half the tokens of AdamW alone here: 400 steps of the draft ended at 0.86 instead of 1.05.
    """
    inner = [p for p in model.blk.parameters() if p.dim() == 2]
    outer = [model.token_embd.weight, *(p for p in model.parameters() if p.dim() == 1)]
    optimizers = [
        torch.optim.Muon(inner, lr=args.muon_lr, momentum=0.95, weight_decay=0.05),
        torch.optim.AdamW(outer, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
    for optimizer, peak in zip(optimizers, (args.muon_lr, args.lr)):
        for group in optimizer.param_groups:
            group["base_lr"] = peak
    return optimizers


def batch_loss(model, batch, teacher=None) -> torch.Tensor:
    """Weighted mean cross entropy per target; half of it replaced by the KL to the teacher, if there is one."""
    inputs, targets, weights = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(inputs)
    logits = logits.float().flatten(0, 1)
    weights = weights.flatten()
    loss = F.cross_entropy(logits, targets.flatten(), reduction="none")
    if teacher is not None:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            wanted = teacher(inputs).float().flatten(0, 1).log_softmax(-1)
        kl = F.kl_div(logits.log_softmax(-1), wanted, log_target=True, reduction="none").sum(-1)
        loss = 0.5 * loss + 0.5 * kl
    return (loss * weights).sum() / weights.sum()


@torch.no_grad()
def validation_loss(model, documents) -> float:
    model.eval()
    batches = make_batches(documents, 8192, random.Random(0))
    losses = [batch_loss(model, collate(documents, batch)).item() for batch in batches]
    model.train()
    return sum(losses) / len(losses)


def save(path: Path, model: Llama, optimizers, step: int, seconds: float) -> None:
    """Writes beside the old file first, so that an interruption leaves one whole checkpoint."""
    state = {"config": model.config.as_dict(), "model": model.state_dict(),
             "optimizers": [optimizer.state_dict() for optimizer in optimizers], "step": step, "seconds": seconds}  # fmt: skip
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def batch_stream(documents, args):
    """Endless batches; epoch e is shuffled with seed + e, so a resumed run sees what it would have seen."""
    epoch = 0
    while True:
        yield from make_batches(documents, args.batch_tokens, random.Random(args.seed + epoch))
        epoch += 1


def open_log(path: Path, step: int):
    """Appends to the log; rows behind the checkpoint belong to steps that will be made again."""
    rows = list(csv.reader(open(path, newline=""))) if path.exists() else []
    log = csv.writer(open(path, "w", newline="", buffering=1))
    log.writerows(row for row in rows if int(row[0]) <= step)
    return log


def update(model, optimizers, batch, teacher, factor: float) -> float:
    """One step of both optimizers; returns the loss before it."""
    loss = batch_loss(model, batch, teacher)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()


def train(model, optimizers, step: int, seconds: float, args: argparse.Namespace) -> None:
    documents = load_documents(args.data, args.tokenizer, model.config.context)
    valid = load_documents(args.valid, args.tokenizer, model.config.context)
    teacher = load_checkpoint(args.teacher) if args.teacher else None
    print(f"{len(documents)} documents, {sum(len(d[0]) for d in documents)} tokens", flush=True)
    stream = batch_stream(documents, args)
    for _ in range(step):
        next(stream)
    log = open_log(args.out / "loss.csv", step)
    losses, start, done = [], time.time() - seconds, progress(step, seconds, args)
    while done < 1.0:
        factor = rate_factor(step, progress(step, time.time() - start, args), args)
        losses.append(update(model, optimizers, collate(documents, next(stream)), teacher, factor))
        step, seconds = step + 1, time.time() - start
        done = progress(step, seconds, args)
        if step % args.log_every == 0:
            log.writerow([step, f"{sum(losses) / len(losses):.4f}", "", f"{factor:.4f}", f"{seconds:.0f}"])
            losses = []
        if step % args.save_every == 0 or done == 1.0:
            log.writerow([step, "", f"{validation_loss(model, valid):.4f}", "", f"{seconds:.0f}"])
            save(args.out / "checkpoint.pt", model, optimizers, step, seconds)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=CONFIGS, required=True)
    for name in ("data", "valid", "tokenizer", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--teacher", help="checkpoint to learn from")
    parser.add_argument("--init", type=Path, help="checkpoint to take the first weights from")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--lr", type=float, default=3e-3, help="peak of AdamW")
    parser.add_argument("--muon-lr", type=float, default=0.02, help="peak of Muon")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--log-every", type=int, default=20)
    parser.add_argument("--save-every", type=int, default=250)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    model = Llama(CONFIGS[args.size])
    if args.init:
        model.load_state_dict(torch.load(args.init, weights_only=True)["model"])
    optimizers = make_optimizers(model, args)
    step, seconds = 0, 0.0
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        step, seconds = saved["step"], saved["seconds"]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, from step {step}", flush=True)
    train(model, optimizers, step, seconds, args)


if __name__ == "__main__":
    main()
