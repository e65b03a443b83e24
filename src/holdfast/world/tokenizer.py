"""One token a word, as an ordinary Hugging Face tokenizer with a chat template."""

from __future__ import annotations

from typing import Any

from holdfast.world import texts
from holdfast.world.facts import World

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ ' <|' + m.role + '|> ' + m.content + ' <|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' <|assistant|>' }}{% endif %}"
)


def world_tokenizer(world: World) -> Any:
    """PreTrainedTokenizerFast: bos <s>, eos <|end|>, pad <pad>; a word outside the world becomes <pad>."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(texts.vocabulary(world.names))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=texts.PAD))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token=texts.BOS,
        eos_token=texts.END,
        pad_token=texts.PAD,
        unk_token=texts.PAD,
        additional_special_tokens=[texts.USER, texts.ASSISTANT],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer
