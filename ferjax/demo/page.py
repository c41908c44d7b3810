"""The page of `python -m ferjax demo`; streamlit runs this file again after every click."""

import sys

import numpy as np
import streamlit as st

from ferjax.data.images import BadImage
from ferjax.demo.answers import Answer, Demo, Look
from ferjax.errors import UserError
from ferjax.explain.method_names import spoken
from ferjax.explain.methods import SIGNED
from ferjax.inference import pictures
from ferjax.platform.machine import keep_compiled
from ferjax.report.wording import count_of, percent

_FILE, _CAMERA = "a file", "the camera"
_NO_HEAT = "none"


@st.cache_resource(show_spinner="Reading the network …")
def _demo(path: str, engine: str) -> Demo:
    keep_compiled()
    return Demo(path, engine)


def page(path: str, engine: str) -> None:
    """Draws the page.

    Args:
        path: a run's workdir, or a bundle.
        engine: see `ferjax.deploy.engines.classifier`.
    """
    st.set_page_config(page_title="ferjax demo", page_icon="🙂", layout="wide")
    demo = _demo(path, engine)
    config = demo.network.config
    st.header("What does this face show?")
    st.caption(f"{config.model.name}, {demo.network.origin}: {', '.join(demo.network.label_names)}")
    left, right = st.columns([2, 3], gap="large")
    with left:
        content = _picture()
        whole = st.checkbox(
            "The picture is one face, already cut out",
            help="For pictures like those that the network was trained on; no face is searched for.",
        )
        method = st.selectbox(
            "Heat map",
            (*demo.methods, _NO_HEAT),
            format_func=spoken,
            help="Where in the face the network found the most likely class.",
        )
        st.caption(
            "Pictures stay in the memory of this computer. A face shows an expression, not what "
            "somebody feels."
        )
    with right:
        if content is None:
            st.info("Drop a picture, or take one.")
            return
        try:
            with st.spinner("Computing …"):
                answer = demo.ask(pictures.decode(content), whole, "" if method == _NO_HEAT else method)
        except BadImage as error:
            st.error(f"The picture {error}.")
        except UserError as error:
            st.error(f"{error}")
        else:
            _show(answer, method)
            if answer.marked is not None:
                left.image(answer.marked, width="stretch", alt="the picture with its faces marked")


def _picture() -> bytes | None:
    source = st.radio("Picture from", (_FILE, _CAMERA), horizontal=True)
    if source == _CAMERA:
        upload = st.camera_input("Camera", label_visibility="collapsed")
    else:
        # Any file name is taken: the content decides, and a file that cannot be decoded gets a message.
        upload = st.file_uploader("Picture", label_visibility="collapsed")
    return upload.getvalue() if upload is not None else None


def _show(answer: Answer, method: str) -> None:
    if not answer.looks:
        st.warning(
            "No face was found. If the picture is one face, already cut out, tick the box on the left."
        )
        return
    st.subheader(count_of(len(answer.looks), "face"))
    if answer.left_out:
        st.caption(f"{answer.left_out} smaller ones are left out.")
    for look in answer.looks:
        seen, explained, bars = st.columns([1, 1, 2])
        seen.image(look.seen, caption="what the network sees", alt="a face")
        if look.heat is not None:
            caption = f"{_heat_caption(look, method)} {next(iter(look.chances))}"
            explained.image(look.heat, caption=caption, alt="its heat map")
        if look.unlike:
            bars.caption("Unlike the faces that the network was trained on: do not rely on it.")
        if look.unsure:
            bars.caption(f"Unsure: {next(iter(look.chances))} is only the most likely.")
        for name, chance in look.chances.items():
            bars.progress(chance, text=f"{name} {percent(chance, 0)}")


def _heat_caption(look: Look, method: str) -> str:
    # Grad-CAM drops what speaks against a class, sometimes everything.
    if look.heat is not None and np.array_equal(look.heat, look.seen):
        return f"{spoken(method)} finds no place for"
    return "warm speaks for" if method in SIGNED else "where it looked for"


if __name__ == "__main__":
    page(*sys.argv[1:3])
