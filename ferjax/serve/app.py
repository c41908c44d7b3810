"""The routes of the service."""

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

import ferjax
from ferjax.serve import metrics as numbers
from ferjax.serve import schema
from ferjax.serve.body import FIELD, FORM, PICTURE, Refused, read_pictures
from ferjax.serve.gate import Full, Gate
from ferjax.serve.guard import LOOPBACK, Guard
from ferjax.serve.keys import Keys
from ferjax.serve.limits import Limits
from ferjax.serve.metrics import Metrics
from ferjax.serve.observe import FACTS, FAILURE, LEFT, Observe
from ferjax.serve.service import Service

_RETRY_SECONDS = 1
_PREDICT = "/v1/predict"
_PARAMETERS = ("cropped", "top_k")  # of its query
_DESCRIPTION = """\
Names the expression of each face in pictures. A face shows an expression, which is not what somebody feels.
Pictures stay in memory until they are answered; nothing is stored, and no name of a file is read.
"""
_REFUSALS = {
    400: "The request is wrong: a form that cannot be read, a parameter out of its range.",
    401: "The key is missing or wrong.",
    403: "A page of another origin asks.",
    408: "The body took too long.",
    413: "The body is too large, or holds too many files.",
    415: "The body is neither a form nor a picture.",
    429: "The service is full: ask again after `Retry-After` seconds.",
    503: "The answer took too long, or there are too many connections.",
}
_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}


def create_app(
    service: Service, metrics: Metrics, limits: Limits, origin: str, keys: Keys, origins: tuple[str, ...]
) -> ASGIApp:
    """Puts the service behind its routes.

    Args:
        service: answers for pictures.
        metrics: is told every request.
        limits: of a request.
        origin: where the network comes from, in words.
        keys: one of them must come with a request, but to see how the service is.
        origins: whose pages may ask, see `ferjax.serve.guard.read_origins`.
    """
    app = FastAPIOffline(
        redoc_url=None,
        redirect_slashes=False,
        title="ferjax",
        version=ferjax.__version__,
        description=_DESCRIPTION,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # nothing is sent anywhere
        swagger_ui_parameters={"defaultModelsExpandDepth": 0, "tryItOutEnabled": True},
    )
    gate = Gate(limits.queue, limits.queue_bytes)
    metrics.watch("ferjax_pictures_inside", "Pictures that are read or waited for.", lambda: gate.pictures)
    metrics.watch("ferjax_bytes_inside", "Bytes of their requests.", lambda: gate.content)
    _add_refusals(app)
    _add_answers(app, service, limits, origin, gate, _key_check(keys))
    _add_states(app, service, metrics, _key_check(keys))
    outer: ASGIApp = app
    if origins:
        outer = CORSMiddleware(
            outer, allow_origins=origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"], expose_headers=["Retry-After", "X-Request-ID"],
        )  # fmt: skip
    return Observe(Guard(outer, origins, () if keys else LOOPBACK), metrics)


def _key_check(keys: Keys) -> Any:
    """Makes the dependency of the routes that want a key."""
    if not keys:
        return []
    bearer = HTTPBearer(auto_error=False, description="The key of the service.")

    async def checked(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if sent is None or not keys.accept(sent.credentials):
            raise HTTPException(
                401, "send the key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"}
            )

    return [Depends(checked)]


def _add_refusals(app: FastAPI) -> None:
    """Makes every refusal a `Problem`."""

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 400)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return JSONResponse({"detail": str(error)}, error.status)

    @app.exception_handler(Full)
    async def full(_: Request, error: Full) -> Response:
        headers = {"Retry-After": str(_RETRY_SECONDS)}
        return JSONResponse({"detail": "the service is full: ask again later"}, 429, headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": FAILURE}, 500)

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=LEFT)


def _add_states(app: FastAPI, service: Service, metrics: Metrics, key: Any) -> None:
    """Adds what tells how the service is; probes need no key."""
    not_so: dict[int | str, dict[str, Any]] = {503: {"model": schema.State}}

    @app.get(
        "/healthz", tags=["state"], summary="Liveness", response_model=schema.State, responses=not_so
    )  # fmt: skip
    async def health() -> Response:
        """Whether the process works; if not, it should be started again."""
        return JSONResponse({"status": "ok"}) if service.healthy else JSONResponse({"status": "stuck"}, 503)

    @app.get(
        "/readyz", tags=["state"], summary="Readiness", response_model=schema.State, responses=not_so
    )  # fmt: skip
    async def readiness() -> Response:
        """Whether requests should be sent here."""
        return JSONResponse({"status": "ok"}) if service.ready else JSONResponse({"status": "not ready"}, 503)

    @app.get(
        "/metrics", tags=["state"], summary="Counters", dependencies=key, responses=_wrong_key(key),
        response_class=PlainTextResponse,
    )  # fmt: skip
    async def prometheus() -> Response:
        """What was done, in Prometheus's format."""
        return Response(metrics.text(), media_type=numbers.CONTENT_TYPE)

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return RedirectResponse("docs")


def _add_answers(app: FastAPI, service: Service, limits: Limits, origin: str, gate: Gate, key: Any) -> None:
    """Adds what clients use."""
    network = service.describe()

    @app.get(
        "/v1/network", tags=["use"], summary="Name the network and the limits", dependencies=key,
        responses=_wrong_key(key), response_model_exclude_none=True,
    )  # fmt: skip
    async def about() -> schema.Network:
        """Which network answers, and what a request may hold."""
        return schema.Network(
            origin=origin,
            most_bytes=limits.body_bytes,
            most_files=limits.files,
            most_pixels=limits.pixels,
            most_faces=limits.faces,
            **network,
        )

    body = {FORM: {"schema": {"type": "object", "required": [FIELD], "properties": {
        FIELD: {**_FILES, "maxItems": limits.files}}}}, PICTURE[1]: {"schema": _FILES["items"]}}  # fmt: skip
    unreadable: dict[int | str, dict[str, Any]] = {
        422: {"model": schema.Answer, "description": "None of the pictures can be read; each says why."}
    }

    @app.post(
        _PREDICT,
        tags=["use"],
        summary="Name the expressions of the faces in pictures",
        dependencies=key,
        response_model=schema.Answer,
        responses=unreadable | _wrong_key(key) | _problems(400, 403, 408, 413, 415, 429, 503),
        openapi_extra={"requestBody": {"required": True, "content": body}},
    )
    async def predict(
        request: Request,
        cropped: Annotated[bool, Query(description="Each picture is one face, cut out already.")] = False,
        top_k: Annotated[int, Query(description="How many classes are named; 0: all.", ge=0, le=1000)] = 0,
    ) -> Response:
        """Takes a form with one or many files, or the bytes of one picture as they are."""
        _check_parameters(request)
        facts = request.scope[FACTS]
        with gate.entered() as ticket:
            if not service.healthy:
                raise Refused(503, "the service is stuck, and will be started again")
            contents = await read_pictures(request, limits, ticket)
            facts |= {"pictures": len(contents), "bytes": sum(map(len, contents))}
            pictures = await _unless_left(request, service.answer(contents, cropped, top_k), limits)
        facts["faces"] = sum(len(picture["faces"]) for picture in pictures)
        none_read = all(picture["status"] == "failed" for picture in pictures)
        return JSONResponse({"pictures": pictures}, 422 if none_read else 200)


def _check_parameters(request: Request) -> None:
    """Refuses a parameter that is not known, or comes twice: its answer would be another than was meant.

    Raises:
        Refused: there is one.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    if unknown := next((name for name in names if name not in _PARAMETERS), None):
        raise Refused(400, f"there is no parameter {unknown[:40]!r}; there are {' and '.join(_PARAMETERS)}")
    if len(names) > len(set(names)):
        raise Refused(400, "a parameter comes twice: send each once")


def _wrong_key(key: Any) -> dict[int | str, dict[str, Any]]:
    return _problems(401) if key else {}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": schema.Problem, "description": _REFUSALS[status]} for status in statuses}


async def _unless_left(request: Request, answer: Any, limits: Limits) -> Any:
    """Waits for an answer, but not once its client has left: what has not begun is then not computed.

    Raises:
        Refused: it takes too long.
        ClientDisconnect: the client has left.
    """
    answering = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(request.receive())  # the body is read, so all that can come is the end
    try:
        await asyncio.wait(
            {answering, leaving}, timeout=limits.answer_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if answering.done():
            return answering.result()
        if leaving.done():
            raise ClientDisconnect
        raise Refused(503, f"the answer was not computed within {limits.answer_seconds:g} seconds")
    finally:
        for task in (answering, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
