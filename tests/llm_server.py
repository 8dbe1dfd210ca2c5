"""A language model's server on loopback: it speaks the OpenAI dialect, and says or fails as it is told.

    with serving(Say("hello"), Say(fault="429", retry_after=1), script) as server:
        access = Access(models=(server.model,))

Each request takes the next of the things to say; the last one stays. One that is a function gets the request.
"""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vetting.models import llm

PIECE = 12  # characters of a streamed piece


@dataclass(frozen=True)
class Say:
    """One reply: a text, or a fault, or both (a stream that is cut half-way)."""

    text: str = ""
    fault: str = ""  # "429", "500", "401", "time-out", "cut", "closed" (ends early but politely), "trickle"
    retry_after: float | None = None
    piece_seconds: float = 0.0  # between streamed pieces
    seconds: float = 0.0  # before anything is said


Script = Callable[[dict[str, Any]], Say | str]


@dataclass
class LlmServer:
    """The running server: what it will say, and what it was asked."""

    says: list[Say | str | Script]
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def model(self) -> str:
        return self.named("scripted")

    def named(self, name: str) -> str:
        """A model of this server, as ASSAY_MODELS takes it."""
        return f"openai/{name}@{self.url}"

    def next_for(self, request: dict[str, Any]) -> Say:
        with self.lock:
            self.requests.append(request)
            chosen = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        said = chosen(request) if callable(chosen) else chosen
        return Say(said) if isinstance(said, str) else said

    def prompts(self) -> list[str]:
        """The whole text of each request."""
        return ["\n".join(message["content"] for message in one["messages"]) for one in self.requests]


def refused_address() -> str:
    """A model whose server is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"openai/absent@http://127.0.0.1:{probe.getsockname()[1]}/v1"


@cache
def library_is_here() -> None:
    """The client's library is loaded before anybody waits for a reply, and no search for garbage walks it."""
    llm.library()
    gc.collect()
    gc.freeze()


@contextmanager
def serving(*says: Say | str | Script) -> Iterator[LlmServer]:
    library_is_here()
    state = LlmServer(list(says) or [Say("{}")])

    class Handler(_Handler):
        server_state = state

    server = _Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with forgotten_sockets():
            yield state
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def forgotten_sockets() -> Iterator[None]:
    """litellm makes a client for each thread that comes first, keeps one, and leaves the others to the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request: object, _client: object) -> None:
        """A client that hangs up is one of the things that are tried."""


class _Handler(BaseHTTPRequestHandler):
    server_state: LlmServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        return

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = self.server_state.next_for(request)
        with suppress(BrokenPipeError, ConnectionResetError):
            self.server_state.over.wait(said.seconds)
            self.reply(request, said)

    def reply(self, request: dict[str, Any], said: Say) -> None:
        if said.fault.isdigit():
            self.refuse(int(said.fault), said.retry_after)
        elif said.fault == "time-out":
            self.server_state.over.wait(60)
            self.close_connection = True
        elif request.get("stream"):
            self.stream(request, said)
        else:
            self.whole(request, said)

    def refuse(self, status: int, retry_after: float | None) -> None:
        body = json.dumps({"error": {"message": f"scripted {status}", "type": "scripted", "code": status}}).encode()
        self.send_response(status)
        if retry_after is not None:
            self.send_header("Retry-After", f"{retry_after:g}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def whole(self, request: dict[str, Any], said: Say) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said.text}}
        body = json.dumps(frame(request, "chat.completion") | {"choices": [choice], "usage": usage(request, said)})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if said.fault == "cut":
            self.wfile.write(body[: len(body) // 2].encode())
            self.close_connection = True
        elif said.fault == "trickle":
            for letter in body:
                self.wfile.write(letter.encode())
                self.wfile.flush()
                if self.server_state.over.wait(0.1):
                    return
        else:
            self.wfile.write(body.encode())

    def stream(self, request: dict[str, Any], said: Say) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pieces = [said.text[n : n + PIECE] for n in range(0, len(said.text), PIECE)]
        if said.fault in {"cut", "closed"}:
            pieces = pieces[: len(pieces) // 2]
        for piece in pieces:
            self.event(request, {"delta": {"content": piece}, "finish_reason": None})
            self.server_state.over.wait(said.piece_seconds)
        if said.fault == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if said.fault != "closed":
            self.event(request, {"delta": {}, "finish_reason": "stop"})
            self.chunk(frame(request, "chat.completion.chunk") | {"choices": [], "usage": usage(request, said)})
            self.raw(b"data: [DONE]\n\n")
        self.raw(b"")

    def event(self, request: dict[str, Any], choice: dict[str, Any]) -> None:
        self.chunk(frame(request, "chat.completion.chunk") | {"choices": [{"index": 0} | choice]})

    def chunk(self, body: dict[str, Any]) -> None:
        self.raw(f"data: {json.dumps(body)}\n\n".encode())

    def raw(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def frame(request: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "scripted", "object": kind, "created": int(time.time()), "model": request["model"]}


def usage(request: dict[str, Any], said: Say) -> dict[str, int]:
    asked = sum(len(message["content"].split()) for message in request["messages"])
    replied = len(said.text.split())
    return {"prompt_tokens": asked, "completion_tokens": replied, "total_tokens": asked + replied}
