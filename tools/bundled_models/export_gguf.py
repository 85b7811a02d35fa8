"""Turns a checkpoint and the vocabulary into a GGUF file, weights in F16 or Q8_0, norms in F32."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import gguf
import sentencepiece
from gguf import GGMLQuantizationType, GGUFValueType

from model import Config, Llama, load_checkpoint
from world import CHARACTERS

# --type -> (type of the matrices, general.file_type)
FILE_TYPES = {"f16": (GGMLQuantizationType.F16, 1), "q8_0": (GGMLQuantizationType.Q8_0, 7)}
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
CHAT_CHARACTER = "Mira"


@dataclass(frozen=True)
class U32:
    """Counts and ids, which GGUF wants unsigned; plain ints are INT32."""

    value: int


def architecture(config: Config) -> dict:
    return {
        "llama.context_length": U32(config.context),
        "llama.embedding_length": U32(config.dim),
        "llama.block_count": U32(config.layers),
        "llama.feed_forward_length": U32(config.ffn),
        "llama.attention.head_count": U32(config.heads),
        "llama.attention.head_count_kv": U32(config.kv_heads),
        "llama.attention.key_length": U32(config.head_dim),
        "llama.attention.value_length": U32(config.head_dim),
        "llama.attention.layer_norm_rms_epsilon": config.eps,
        "llama.rope.dimension_count": U32(config.head_dim),
        "llama.rope.freq_base": config.rope_base,
        "llama.vocab_size": U32(config.vocab),
    }


def _token_type(model: sentencepiece.SentencePieceProcessor, token: int) -> int:
    if model.is_unknown(token):
        return _UNKNOWN
    if model.is_control(token):
        return _CONTROL
    return _BYTE if model.is_byte(token) else _NORMAL


def vocabulary(path: Path) -> dict:
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    tokens = range(model.vocab_size())
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [model.id_to_piece(t) for t in tokens],
        "tokenizer.ggml.scores": [float(model.get_score(t)) for t in tokens],
        "tokenizer.ggml.token_type": [_token_type(model, t) for t in tokens],
        "tokenizer.ggml.bos_token_id": U32(model.bos_id()),
        "tokenizer.ggml.eos_token_id": U32(model.eos_id()),
        "tokenizer.ggml.unknown_token_id": U32(model.unk_id()),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        # Training lines start without a space, so nothing may be put before the text.
        "tokenizer.ggml.add_space_prefix": False,
    }


def turns() -> dict:
    """How a host builds a plain-text conversation: preamble, then "user: ..." and "assistant:" lines; "\n" ends a turn."""
    return {
        "llmrt.turn.user": "Player",
        "llmrt.turn.assistant": CHAT_CHARACTER,
        "llmrt.turn.preamble": CHARACTERS[CHAT_CHARACTER].preambles[0],
    }


_VALUE_TYPES = {bool: GGUFValueType.BOOL, int: GGUFValueType.INT32, float: GGUFValueType.FLOAT32,
                str: GGUFValueType.STRING, U32: GGUFValueType.UINT32}  # fmt: skip


def write_metadata(writer: gguf.GGUFWriter, metadata: dict) -> None:
    for key, value in metadata.items():
        if isinstance(value, list):
            writer.add_key_value(key, value, GGUFValueType.ARRAY, _VALUE_TYPES[type(value[0])])
        else:
            plain = value.value if isinstance(value, U32) else value
            writer.add_key_value(key, plain, _VALUE_TYPES[type(value)])


def write_tensors(writer: gguf.GGUFWriter, model: Llama, weight_type: GGMLQuantizationType) -> None:
    """Parameter names are GGUF names already; the output layer is absent because it is the embedding."""
    for name, parameter in model.named_parameters():
        kind = weight_type if parameter.dim() == 2 else GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(parameter.detach().numpy(), kind), raw_dtype=kind)


def write_file(path: Path, metadata: dict, model: Llama, weight_type: GGMLQuantizationType) -> None:
    writer = gguf.GGUFWriter(path, "llama")  # writes general.architecture
    write_metadata(writer, metadata)
    write_tensors(writer, model, weight_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--type", choices=FILE_TYPES, required=True)
    parser.add_argument("--name", required=True, help="general.name")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = load_checkpoint(args.checkpoint)
    weight_type, file_type = FILE_TYPES[args.type]
    metadata = {
        "general.name": args.name,
        "general.description": "Dialogue of the villagers of Fernhollow; trained on generated text only.",
        "general.license": "Apache-2.0",
        "general.file_type": U32(file_type),
        "general.quantization_version": U32(2),
        **architecture(model.config), **vocabulary(args.tokenizer), **turns(),
    }  # fmt: skip
    write_file(args.out, metadata, model, weight_type)
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
