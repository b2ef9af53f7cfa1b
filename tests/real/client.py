"""The FastMCP client, told what to do by lines of JSON and answering each with one.

A line says `url`, `tool`, `arguments`, `token`, `headers`, and `mode`, which is the FastMCP client's own: `auto` finds
the newest protocol revision, `legacy` begins with `initialize`. Each line is a session of its own, which lists the
tools and calls the one. A failure is answered as `error`.
"""

import asyncio
import json
import sys
import time

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

LONGEST = 60


async def call(told):
    transport = StreamableHttpTransport(told["url"], headers=told["headers"], auth=told["token"])
    progress = []

    async def on_progress(done, total, message):
        progress.append({"progress": done, "total": total, "at": time.monotonic()})

    async with Client(transport, mode=told["mode"]) as client:
        tools = [found.name for found in await client.list_tools()]
        result = await client.call_tool_mcp(told["tool"], told["arguments"], progress_handler=on_progress)
        return {
            "tools": tools,
            "is_error": result.is_error,
            "text": [content.text for content in result.content if content.type == "text"],
            "progress": progress,
            "ended": time.monotonic(),
        }


def causes(error):
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [f"{type(error).__name__}: {error}"]


print("ready", flush=True)
for line in sys.stdin:
    try:
        answer = asyncio.run(asyncio.wait_for(call(json.loads(line)), LONGEST))
    except Exception as error:
        answer = {"error": causes(error)}
    print(json.dumps(answer), flush=True)
