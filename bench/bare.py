"""The API's floor, as a program: an endpoint that reads the body and sends as many bytes as its path says."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def _answer(request: Request) -> Response:
    await request.body()
    return Response(b"x" * request.path_params["size"], media_type="application/json")


app = Starlette(routes=[Route("/{size:int}", _answer, methods=["GET", "POST"])])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False, server_header=False)
