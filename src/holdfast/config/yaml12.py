"""YAML as version 1.2 means it (its core schema), read strictly and written so that both versions read the same.

`no` and `1:10` are texts, `010` is ten, `0o10` eight, `1e3` a number, a date a text. Merge keys (`<<`) and aliases are read; a key that
occurs twice, an alias into itself, aliases that expand too far, other tags, infinity and several documents are refused.
"""

import math
import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

MOST_NODES = 100_000  # once aliases are unfolded
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NULL, _BOOL = re.compile(r"~|null|Null|NULL|"), re.compile(r"true|True|TRUE|false|False|FALSE")
_CORE = (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
    ("merge", re.compile("<<"), ["<"]),
)
_LINE_END = re.compile("[\r\x85\u2028\u2029]")


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}
    yaml_constructors = {None: yaml.SafeLoader.construct_undefined}

    def get_single_node(self) -> yaml.Node | None:
        if (node := super().get_single_node()) is not None:
            self._check(node, {})
        return node

    def _check(self, node: yaml.Node, sizes: dict[int, int | None]) -> int:
        """How many nodes it unfolds to; `sizes`: of those already seen, None inside themselves."""
        if id(node) not in sizes:
            sizes[id(node)] = None
            parts: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else []
            if isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
                self._check_keys(parts[::2])
            sizes[id(node)] = 1 + sum(self._check(part, sizes) for part in parts)
        size = sizes[id(node)]
        if size is None or size > MOST_NODES:
            raise ConstructorError(None, None, "an alias contains itself or expands too far", node.start_mark)
        return size

    def _check_keys(self, keys: list[yaml.Node]) -> None:
        seen = set()
        for node in keys:
            key = "<<" if node.tag == "tag:yaml.org,2002:merge" else self.construct_object(node, deep=True)
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise ConstructorError(None, None, "a key must be text; put it in quotes", node.start_mark)
            if str(key) in seen:
                raise ConstructorError(None, None, f"duplicate key {key!r:.60}", node.start_mark)
            seen.add(str(key))

    def _read_integer(self, node: Any) -> int:
        text = self._matched_text(node, _INT)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def _read_float(self, node: Any) -> float:
        text = self._matched_text(node, _FLOAT)
        if not math.isfinite(value := float("nan" if text[-1:] in "fFnN" else text)):
            raise ConstructorError(None, None, f"{text:.60} is not a finite number", node.start_mark)
        return value

    def _read_boolean(self, node: Any) -> bool:
        return self._matched_text(node, _BOOL).lower() == "true"

    def _read_null(self, node: Any) -> None:
        self._matched_text(node, _NULL)

    def _matched_text(self, node: Any, form: re.Pattern[str]) -> str:
        text = str(self.construct_scalar(node))
        if not form.fullmatch(text):
            raise ConstructorError(None, None, f"{text!r:.60} is no {node.tag.rpartition(':')[2]}", node.start_mark)
        return text


class _Dumper(yaml.SafeDumper):
    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Other line ends than a line feed are escaped: folded they would be read as spaces."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, '"' if _LINE_END.search(data) else None)


for _name, _form, _first in _CORE:
    _whole_form = re.compile(rf"(?:{_form.pattern})\Z")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _whole_form, _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _whole_form, _first)
for _name, _made in (
    ("null", _Loader._read_null), ("bool", _Loader._read_boolean), ("int", _Loader._read_integer), ("float", _Loader._read_float), ("str", yaml.SafeLoader.construct_yaml_str),
    ("seq", yaml.SafeLoader.construct_yaml_seq), ("map", yaml.SafeLoader.construct_yaml_map),
):  # fmt: skip
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _made)
_Dumper.add_representer(str, _Dumper.represent_str)


def read(text: str) -> Any:
    """The value of a document. Raises yaml.YAMLError, ValueError (a number beyond Python's limit) or RecursionError."""
    return yaml.load(text, _Loader)


def write(tree: Any) -> str:
    """A document that `read`, and a reader of YAML 1.1, reads as `tree`."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
