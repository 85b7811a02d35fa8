"""Trains the shared vocabulary: SentencePiece BPE, 2048 pieces, byte fallback.

Text is taken as it is (no normalization, no space put before it), so a line starts without a leading space.
A newline is never part of a training sentence and so always becomes the byte token <0x0A>, inside and at the end.
"""

import argparse
from pathlib import Path

import sentencepiece

VOCAB_SIZE = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="model prefix; writes OUT.model and OUT.vocab")
    parser.add_argument("--sentences", type=int, default=200000, help="lines sampled for the training")
    args = parser.parse_args()
    sentencepiece.SentencePieceTrainer.train(
        input=str(args.text), model_prefix=str(args.out), model_type="bpe", vocab_size=VOCAB_SIZE, byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=False, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, input_sentence_size=args.sentences,
        shuffle_input_sentence=True, num_threads=2, minloglevel=1,
    )  # fmt: skip
    model = sentencepiece.SentencePieceProcessor(model_file=f"{args.out}.model")
    newline = model.piece_to_id("<0x0A>")
    assert model.vocab_size() == VOCAB_SIZE
    assert model.encode("Player: hi\nMira:").count(newline) == 1 and model.encode("Hello.\n")[-1] == newline
    print(model.encode("Mira is the innkeeper of the Copper Kettle.\nPlayer: How much is a room?\nMira:", out_type=str))


if __name__ == "__main__":
    main()
