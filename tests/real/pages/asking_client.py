"""The FastMCP client, calling `whoami` for a user whose key may be missing.

URL: the endpoint. TOKEN: the user's. MODE: how it begins, as in client.py. It writes lines of JSON: `asked` with the page that it
is told to open, then `result` with what the tool answered, or `error`. Like a person who has just opened the page, it says
that it goes on before the key is there. Where a revision refuses the call with the page instead of holding it, it calls
again when a line is written to it.
"""

import asyncio
import json
import os
import sys

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StreamableHttpTransport
from mcp import MCPError

LONGEST = 120
URL_ELICITATION_REQUIRED = -32042


def say(**line):
    print(json.dumps(line), flush=True)


async def open_page(message, response_type, params, context):
    say(asked=params.url, message=message)
    return ElicitResult(action="accept")


async def call():
    transport = StreamableHttpTransport(os.environ["URL"], auth=os.environ["TOKEN"])
    async with Client(transport, mode=os.environ["MODE"], elicitation_handler=open_page) as client:
        return await client.call_tool_mcp("whoami", {})


def refused(error):
    """The refusal in an error, which task groups may have wrapped."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(refused, error.exceptions)), None)
    while error and not isinstance(error, MCPError):
        error = error.__cause__
    return error


async def run():
    try:
        return await call()
    except Exception as error:
        refusal = refused(error)
        if refusal is None or refusal.error.code != URL_ELICITATION_REQUIRED:
            raise
        page = refusal.error.data["elicitations"][0]
        say(asked=page["url"], message=page["message"])
        await asyncio.to_thread(sys.stdin.readline)
        return await call()


try:
    result = asyncio.run(asyncio.wait_for(run(), LONGEST))
    say(result=result.content[0].text, is_error=result.is_error)
except Exception as error:
    say(error=repr(error))
