"""FastMCP's proxy as its documentation shows it, without sessions of its own."""

import sys

from fastmcp.server import create_proxy
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, backend, issuer, audience = sys.argv[1:]
verifier = JWTVerifier(jwks_uri=f"{issuer}/jwks", issuer=issuer, audience=audience)
create_proxy(backend, auth=verifier).run(
    transport="http",
    host="127.0.0.1",
    port=int(port),
    path="/github/mcp",
    stateless_http=True,
    json_response=True,
    show_banner=False,
    log_level="error",
)
