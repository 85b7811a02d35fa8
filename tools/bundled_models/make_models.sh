#!/usr/bin/env bash
# Makes samples/models/ from nothing: text, vocabulary, target, draft, GGUF files, checks. Interrupted, it goes on where it
# was. WORK (first argument) holds what is not shipped, about 100 MB; THREADS (default 2) are PyTorch's.
set -euo pipefail
work=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
models=../../samples/models
threads=${THREADS:-2}
export OMP_NUM_THREADS=$threads OMP_WAIT_POLICY=passive

train() { # folder, size, data, steps, further arguments
  python train.py --out "$work/$1" --size "$2" --data "$work/$3" --steps "$4" --valid "$work/valid.txt" \
    --tokenizer "$work/village.model" --threads "$threads" --warmup 60 "${@:5}"
}

generate() { # file, documents, seed
  [ -e "$work/$1" ] || python generate_dialogue.py --out "$work/$1" --documents "$2" --seed "$3"
}

export_model() { # size, type
  python export_gguf.py --checkpoint "$work/$1/checkpoint.pt" --tokenizer "$work/village.model" --type "$2" \
    --name "village $1" --out "$models/village-$1-$2.gguf"
}

python make_heldout.py
generate train.txt 60000 1
generate valid.txt 120 2
generate more.txt 60000 3
[ -e "$work/village.model" ] || python train_tokenizer.py --text "$work/train.txt" --out "$work/village"
train first target train.txt 5000 --lr 2e-2 --muon-lr 0.02
train target target more.txt 1600 --lr 8e-3 --muon-lr 0.008 --init "$work/first/checkpoint.pt"
train draft draft more.txt 1500 --lr 3e-2 --muon-lr 0.02 --teacher "$work/first/checkpoint.pt"
export_model target f16
export_model target q8_0
export_model draft q8_0
python plot_loss.py "target=$work/first/loss.csv" "target, again=$work/target/loss.csv" "draft=$work/draft/loss.csv" --out "$models/loss.svg"
python check_dialogue.py --model "$models/village-target-f16.gguf" | tail -n 1
python draft_agreement.py --target "$models/village-target-q8_0.gguf" --draft "$models/village-draft-q8_0.gguf"
python check_dialogue.py --model "$models/village-target-q8_0.gguf" --save "$models/answers-q8_0.json"
python -m unittest -v
