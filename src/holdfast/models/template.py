"""A chat template, rendered as transformers renders it: within limits of time and memory, and the same on every day.

A template comes with a checkpoint, so it is a program of a stranger. Its loops are ended by a watch, the few operations of Jinja that
allocate at one stroke are bounded, the date is fixed (`DATE`), and random numbers are refused.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache, lru_cache, wraps
from queue import Empty, SimpleQueue
from typing import Any

from holdfast.errors import ModelError
from holdfast.escape import reason

DATE = "2024-07-26"  # what strftime_now tells every template: the date that Llama 3's own falls back to
SECONDS, GROWTH = 5.0, 1 << 30  # of one rendering
MOST_NUMBER, MOST_TEXT = 10**6, 1 << 24  # a number given to a filter or function; characters of a text
_ADDRESS = re.compile(r"\S+ at 0x[0-9a-f]{6,}>")


class Endless(ModelError):
    """A template that takes too long or too much."""


class _Ended(BaseException):  # no handler of a library may stop it
    pass


class _Watch:
    """A thread that ends renderings which take too long or too much. Signals would do for a process's main thread only."""

    def __init__(self) -> None:
        self.lock, self.wake = threading.Lock(), threading.Event()
        self.running: dict[int, list[Any]] = {}  # by thread: [until, resident bytes when first seen]
        self.thread: threading.Thread | None = None

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Raises _Ended inside the block."""
        me = threading.get_ident()
        with self.lock:
            self.running[me] = [time.monotonic() + seconds, None]
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._watch, daemon=True)
                self.thread.start()
            self.wake.set()
        struck = False
        try:
            yield
        except _Ended:
            struck = True
            raise
        finally:
            with self.lock:
                raised = self.running.pop(me, None) is None
            for _ in range(1000 if raised and not struck else 0):
                time.sleep(0.001)  # it is on its way: taking it back leaves Python 3.11 looking for it for ever

    def _watch(self) -> None:
        while self.wake.wait():
            time.sleep(0.05)
            with self.lock:
                for thread, entry in list(self.running.items()):
                    held = _resident()
                    entry[1] = held if entry[1] is None else entry[1]
                    if time.monotonic() > entry[0] or held - entry[1] > GROWTH:
                        del self.running[thread]
                        _raise_in(thread, _Ended)
                if not self.running:
                    self.wake.clear()


def _raise_in(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _resident() -> int:
    with suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * 4096
    return 0


_watch = _Watch()


_idle: list[tuple[SimpleQueue[Any], SimpleQueue[Any]]] = []  # threads that wait for work, by what they are asked and answer through
os.register_at_fork(after_in_child=_idle.clear)


def _serve(asked: SimpleQueue[Any], answered: SimpleQueue[Any]) -> None:
    while True:
        try:
            answered.put((asked.get()(), None))
        except BaseException as error:  # a panic of the tokenizers library is not an Exception
            answered.put((None, error))


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """The result of `work`, which may be a library's that no exception reaches. Raises TimeoutError, and leaves it to itself."""
    try:
        asked, answered = _idle.pop()  # a thread for each of 40,000 rows took longer than their tokens
    except IndexError:
        asked, answered = SimpleQueue(), SimpleQueue()
        threading.Thread(target=_serve, args=(asked, answered), daemon=True).start()
    asked.put(work)
    try:
        result, error = answered.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"took more than {seconds:.0f} s") from None
    _idle.append((asked, answered))
    if error is not None:
        raise error
    return result


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the process's stderr: a panic inside the tokenizers library writes its trace there itself."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def render(source: str, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, names: Mapping[str, Any]) -> str:
    """The conversation's text. Raises ModelError, in one line, for a template that fails, does not end, or says no two times the same."""
    pieces: list[str] = []
    _environment()  # imports, which take their own time
    try:
        with _watch.limit(SECONDS):
            size, template = 0, _compiled(source)
            given = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": add_generation_prompt}
            for piece in template.generate(**{**names, **given}):
                pieces.append(piece)
                size += len(piece)
                _bounded(size, "writes")
    except _Ended:
        raise Endless(f"model.chat_template: is not done after {SECONDS:.0f} s, or takes more than 1 GiB; mend its loops") from None
    except Exception as error:
        roles = [m.get("role") for m in messages]
        raise ModelError(f"model.chat_template: refused a conversation of roles {roles}: {reason(error, 300)}") from None
    text = "".join(pieces)
    if found := _ADDRESS.search(text):
        raise ModelError(f"model.chat_template: prints {found[0][:60]!r}, which differs between processes; let it print texts only")
    return text


@lru_cache(maxsize=64)
def _compiled(source: str) -> Any:
    template = _environment().from_string(source)
    template.root_render_func.__globals__["str_join"] = _join  # what `~` calls
    return template


@cache
def _environment() -> Any:
    """transformers' own, with bounds."""
    import jinja2
    from transformers.utils import chat_template_utils

    def refuse(*_: object, **__: object) -> None:
        raise jinja2.TemplateError("uses random numbers, so prompts differ between calls; remove `random` and `lipsum`")

    env: Any = chat_template_utils._compile_jinja_template("{#- of holdfast -#}").environment
    env.__class__ = _bounds(type(env))
    today = datetime.fromisoformat(DATE)
    env.globals.update(strftime_now=today.strftime, lipsum=refuse)
    env.filters = {name: _bounded_filter(f) for name, f in env.filters.items()} | {"random": refuse}
    return env


def _bounds(sandbox: type) -> type:
    class Bounded(sandbox):
        intercepted_binops = frozenset({"+", "*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _bounded(_size(operator, left, right), "computes")
            return super().call_binop(context, operator, left, right)

        def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as jinja2's
            owner = getattr(getattr(__obj, "__wrapped__", __obj), "__self__", None)
            _bounded_arguments((owner, *args, *kwargs.values()), getattr(__obj, "__name__", ""))
            return super().call(__context, __obj, *args, **kwargs)

    return Bounded


def _bounded_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)  # keeps what jinja2 has noted on it
    def bounded(*args: Any, **kwargs: Any) -> Any:
        _bounded_arguments((*args, *kwargs.values()), function.__name__)
        return function(*args, **kwargs)

    return bounded


def _bounded_arguments(values: Sequence[Any], name: str) -> None:
    if any(isinstance(v, int) and abs(v) > MOST_NUMBER for v in values):
        raise ValueError(f"a number above {MOST_NUMBER} is given to {name}")
    lengths = sorted(len(v) for v in values if isinstance(v, (str, list, tuple)))
    if "replace" in name or "join" in name:
        _bounded((lengths[-1] if lengths else 0) * (lengths[-2] if len(lengths) > 1 else 0) >> 4, name)
    if "format" in name:
        _bounded(_width(values[0]) if values and isinstance(values[0], str) else 0, name)


def _join(values: Iterable[Any]) -> str:
    texts = [*map(str, values)]
    _bounded(sum(map(len, texts)), "joins")
    return "".join(texts)


def _bounded(size: int, what: str) -> None:
    if size > MOST_TEXT:
        raise ValueError(f"{what} more than {MOST_TEXT >> 20} MiB")


def _size(operator: str, left: Any, right: Any) -> int:
    """Elements or bytes of the result, at least; 0 where it is small."""
    if operator == "%":
        return max(_width(left), _width(str(right)) if "*" in left else 0) if isinstance(left, str) else 0
    if operator == "+":
        return len(left) + len(right) if isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)) else 0
    if operator == "**":
        return left.bit_length() * right >> 3 if isinstance(left, int) and isinstance(right, int) else 0
    for many, times in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and isinstance(times, int):
            return len(many) * times
    return (left.bit_length() + right.bit_length()) >> 3 if isinstance(left, int) and isinstance(right, int) else 0


def _width(text: str) -> int:
    return max((int(n[:18]) for n in re.findall(r"\d+", text)), default=0)
