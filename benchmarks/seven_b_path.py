"""The Llama-2-7B recipe run whole on a checkpoint of its architecture, and `plan`'s memory against the measured one.

    python -m benchmarks.seven_b_path --data-root DIR [--hidden 1024] [--layers 8] [--items 4]

Writes, in the hub's own format: sharded bfloat16 safetensors, a byte-fallback BPE tokenizer as Llama 2's (trained on the rows), the Llama-2 chat
template. Then `holdfast plan` and `holdfast run` of recipes/llama2-7b.yaml with the model's folder, data.root and the amounts changed. HellaSwag's training
split is not among the rows: 649 of its validation rows stand in for it. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}{% for m in rest %}{% if m['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + (system if loop.first else '') + m['content'] | trim + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)


def write_tokenizer(folder: Path, texts: list[str], size: int = 4000) -> None:
    """Byte-fallback BPE over text whose spaces are marked, as SentencePiece writes it for Llama 2."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, trainers
    from transformers import LlamaTokenizerFast

    marked = [t.replace(" ", "\u2581") for t in texts]
    raw = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    bytes_ = [f"<0x{k:02X}>" for k in range(256)]
    raw.train_from_iterator(
        (piece for t in marked for piece in t.replace("\u2581", " \u2581").split(" ") if piece),
        trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>", *bytes_], show_progress=False),
    )
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    raw.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    raw.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    raw.save(str(folder / "raw.json"))
    tokenizer = LlamaTokenizerFast(
        tokenizer_file=str(folder / "raw.json"), bos_token="<s>", eos_token="</s>", unk_token="<unk>", legacy=False
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    (folder / "raw.json").unlink()


def write_checkpoint(folder: Path, hidden: int, layers: int, texts: list[str]) -> int:
    """Llama 2's shape at another size, several shards; returns its parameters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    heads = max(1, hidden // 128)
    config = LlamaConfig(
        vocab_size=32000, hidden_size=hidden, intermediate_size=hidden * 43 // 16, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads, max_position_embeddings=4096, rms_norm_eps=1e-5, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="64MB")
    write_tokenizer(folder, texts)
    return sum(p.numel() for p in model.parameters())


def texts(root: Path, most: int = 4000) -> list[str]:
    lines = (root / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").strip().split("\n")[:most]
    rows = [json.loads(x) for x in lines]
    return [f"{r['question']} {r['answer']}" for r in rows]


def settings(folder: Path, root: Path, items: int, rows: int) -> list[str]:
    return [
        "recipes/llama2-7b.yaml" if Path("recipes/llama2-7b.yaml").exists() else "llama2-7b", f"model.name={folder}", f"data.root={root}", "seeds=1",
        "execution.processes=1", "domains.hellaswag.sources.hellaswag.split=validation_extra_raw", "instruments.hellaswag.split=validation_text",
        *(f"domains.{d}.sources.{d}.limit={rows}" for d in ("gsm8k", "mmlu", "truthfulqa", "hellaswag")), "--limit", str(items),
    ]  # fmt: skip


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--data-root", type=Path, required=True)
    parse.add_argument("--hidden", type=int, default=1024)
    parse.add_argument("--layers", type=int, default=8)
    parse.add_argument("--items", type=int, default=4)
    parse.add_argument("--rows", type=int, default=32)
    asked = parse.parse_args()

    def holdfast(*words):
        command = [sys.executable, "-m", "holdfast", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})

    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "model", Path(scratch) / "out"
        folder.mkdir()
        parameters = write_checkpoint(folder, asked.hidden, asked.layers, texts(asked.data_root))
        study = settings(folder, asked.data_root, asked.items, asked.rows)
        planned = holdfast("plan", *study, "--json", "-o", out)
        if planned.returncode:
            print(planned.stderr, file=sys.stderr)
            return 1
        plan, begun = json.loads(planned.stdout), time.monotonic()
        ran = holdfast("run", *study, "-o", out)
        if ran.returncode:
            print(ran.stderr[-3000:], file=sys.stderr)
            return 1
        measured = json.loads((out / "timing.json").read_text())["peak_memory_bytes"] / 2**30
        predicted, audit = plan["estimated peak memory, GiB"], json.loads((out / "audit.json").read_text())
        print(json.dumps({
            "parameters": parameters, "shards": len(list(folder.glob("*.safetensors"))), "adapters": len(list((out / "adapters").iterdir())),
            "trials": sum(plan["prompts"].values()), "predicted GiB": predicted, "measured GiB": round(measured, 2),
            "difference": round(predicted / measured - 1, 3), "not ok": [f"{e['level']} {e['check']}: {e['claim']}" for e in audit if e["level"] != "ok"],
            "planned minutes": plan["estimated minutes"], "minutes": round((time.monotonic() - begun) / 60, 1),
        }))  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
