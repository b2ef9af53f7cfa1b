"""A FastMCP server on a free port of 127.0.0.1 whose tool `headers` answers with all headers of its request.

It says `ready PORT`, writes the headers of every request, whatever it is for, as a line of JSON to the file RECORD,
and ends when standard input does.
"""

import json
import os
import socket
import sys
import threading

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers

notes = FastMCP("notes")


@notes.tool
def headers() -> dict[str, str]:
    """The headers that this request arrived with"""
    return get_http_headers(include_all=True)


def recording(app):
    async def recorded(scope, receive, send):
        if scope["type"] == "http":
            pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
            with open(os.environ["RECORD"], "a", encoding="utf-8") as record:
                record.write(json.dumps(pairs) + "\n")
        await app(scope, receive, send)

    return recorded


def end_with_standard_input():
    sys.stdin.read()
    os._exit(0)


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
threading.Thread(target=end_with_standard_input, daemon=True).start()
print(f"ready {listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(recording(notes.http_app()), log_level="warning")).run(sockets=[listener])
