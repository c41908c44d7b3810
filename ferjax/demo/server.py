"""The server of the demo's page, which `python -m ferjax demo` makes streamlit run."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

# A page in the user's browser may give its own host name this computer's address; then it could ask this
# server for anything, if that name were not refused.
HOSTS = ("127.0.0.1", "localhost")

app = st.App(
    Path(__file__).with_name("page.py"),
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)],
)
