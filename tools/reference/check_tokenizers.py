#!/usr/bin/env python3
"""Compares the test vectors of the shared tokenizers with reference tokenizers built from the same GGUF tables.

The vectors (NAME.out, NAME.random.jsonl) come from another implementation and are a witness only. The references are
`sentencepiece` and Hugging Face `tokenizers` with the pre-tokenizer patterns that the models publish. Every line on
which witness and reference differ is printed with both; tests/text/tokenizer_vectors_test.cc holds the list of lines
where the reference is followed instead of the witness.

Needs: pip install gguf sentencepiece protobuf tokenizers
Run:   check_tokenizers.py FOLDER [NAME ...] [--nfc]    FOLDER holds NAME.gguf, NAME.inp, NAME.out, NAME.random.jsonl

--nfc applies Unicode normalization form C for the vocabularies whose published tokenizer.json asks for it (qwen2). GGUF
does not record normalizers, so neither the witness nor llmrt normalizes a GGUF model's text; with --nfc the lines that
this concerns show up.
"""

import argparse
import collections
import json
import os
import sys

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

NAMES = ('llama-spm', 'phi-3', 'gpt-2', 'starcoder', 'llama-bpe', 'qwen2')
SEPARATOR = '\n__ggml_vocab_test__\n'
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
# As in the models' tokenizer.json; {1,3} or nothing stands for the digits.
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r'|\s*[\r\n]+|\s+(?!\S)|\s+')


def read_tables(path):
    """{key without "tokenizer.ggml.": value} of a GGUF file."""
    reader = gguf.GGUFReader(path)
    prefix = 'tokenizer.ggml.'
    return {key[len(prefix):]: field.contents() for key, field in reader.fields.items() if key.startswith(prefix)}


def sentencepiece_reference(tables):
    model = sentencepiece_model_pb2.ModelProto()
    kinds = model.SentencePiece
    types = {NORMAL: kinds.NORMAL, UNKNOWN: kinds.UNKNOWN, CONTROL: kinds.CONTROL, UNUSED: kinds.UNUSED,
             BYTE: kinds.BYTE}
    unknown = tables.get('unknown_token_id', 0)
    for index, (piece, score, kind) in enumerate(zip(tables['tokens'], tables['scores'], tables['token_type'])):
        entry = model.pieces.add()
        entry.piece, entry.score = piece, score
        # User-defined pieces here are end tokens ("</s>"), which must not be read out of a plain text; and a
        # SentencePiece model has exactly one unknown piece, so padding that is labelled so becomes a control piece.
        entry.type = kinds.UNKNOWN if index == unknown else types.get(kind, kinds.CONTROL)
        if kind == UNKNOWN and index != unknown:
            entry.type = kinds.CONTROL
    model.trainer_spec.model_type = model.trainer_spec.BPE
    model.trainer_spec.byte_fallback = True
    model.trainer_spec.vocab_size = len(tables['tokens'])
    model.normalizer_spec.name = 'identity'
    model.normalizer_spec.add_dummy_prefix = tables.get('add_space_prefix', True)
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    return lambda text: processor.encode(text, out_type=int)


def splitter(name):
    byte_level = lambda use_regex: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    split = lambda pattern: pre_tokenizers.Split(Regex(pattern), 'isolated')
    steps = {
        'gpt-2': [byte_level(True)],
        'starcoder': [pre_tokenizers.Digits(individual_digits=True), byte_level(True)],
        'llama-bpe': [split(CL100K % '{1,3}'), byte_level(False)],
        'qwen2': [split(CL100K % ''), byte_level(False)],
    }[name]
    return pre_tokenizers.Sequence(steps)


def byte_level_reference(tables, nfc):
    vocab = {piece: index for index, piece in enumerate(tables['tokens'])
             if tables['token_type'][index] == NORMAL}
    # A merge may name a token that is also special.
    for index, piece in enumerate(tables['tokens']):
        vocab.setdefault(piece, index)
    merges = []
    for merge in tables['merges']:
        space = merge.index(' ', 1)
        merges.append((merge[:space], merge[space + 1:]))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=tables['pre'] == 'llama-bpe'))
    tokenizer.pre_tokenizer = splitter(tables['pre'])
    if nfc and tables['pre'] == 'qwen2':
        tokenizer.normalizer = normalizers.NFC()
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def read_cases(folder, name):
    """(where, text, witness ids)"""
    path = os.path.join(folder, name)
    with open(path + '.inp', encoding='utf-8', newline='') as file:
        texts = file.read().split(SEPARATOR)
    with open(path + '.out', encoding='utf-8') as file:
        for index, line in enumerate(file):
            yield f'.inp text {index}', texts[index], [int(word) for word in line.split()]
    with open(path + '.random.jsonl', encoding='utf-8') as file:
        for index, line in enumerate(file):
            case = json.loads(line)
            yield f'.random.jsonl line {index}', case['text'], case['tokens']


def check(folder, name, nfc):
    tables = read_tables(os.path.join(folder, name + '.gguf'))
    if tables['model'] == 'llama':
        reference = sentencepiece_reference(tables)
    else:
        reference = byte_level_reference(tables, nfc)
    counts = collections.Counter()
    for where, text, witness in read_cases(folder, name):
        counts['cases'] += 1
        ids = reference(text)
        if ids == witness:
            continue
        counts['differ'] += 1
        print(f'{name}{where}: {ascii(text)}\n  witness   {witness}\n  reference {ids}')
        if tables['model'] != 'llama':
            pieces = [piece for piece, _ in splitter(tables['pre']).pre_tokenize_str(text)]
            print(f'  pre-tokens {ascii(pieces)}')
    print(f"{name}: {counts['cases']} cases, {counts['differ']} differ from the reference")
    return counts['differ']


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder')
    parser.add_argument('names', nargs='*', default=NAMES)
    parser.add_argument('--nfc', action='store_true')
    args = parser.parse_args()
    return 1 if sum([check(args.folder, name, args.nfc) for name in args.names]) else 0


if __name__ == '__main__':
    sys.exit(main())
