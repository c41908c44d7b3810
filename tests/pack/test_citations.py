"""What is cited: every network and data set states a source, and the entries are whole."""

import re

import pytest

from ferjax import models
from ferjax.config import FIELDS, defaults, flat
from ferjax.data import builders
from ferjax.data.builders import catalogue
from ferjax.pack import citations

# Sources of which ferjax knows no more than authors and year.
AS_STATED = {"khan2023"}


def fields(**changes):
    values = {**dict(flat(defaults())), "model.name": "resemotenet", "data.name": "fer2013"}
    return {**values, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_every_entry_is_whole():
    for key, entry in citations.entries().items():
        assert entry.count("{") == entry.count("}"), key
        assert re.match(
            r"@(article|inproceedings|misc)\{[a-z0-9]+, author = \{.+\}, title = \{.+\}", entry
        ), key
        assert f"year = {{{re.search('[0-9]{4}', key)[0]}}}" in entry, key


@pytest.mark.parametrize("name", models.names())
def test_every_network_has_an_entry(name):
    known = citations.entries().keys() | AS_STATED
    assert citations.keys(citations.network_source(name)).keys() <= known


@pytest.mark.parametrize("name", builders.names())
def test_every_data_set_has_an_entry(name):
    stated = citations.data_set_source(name)
    assert citations.keys(stated).keys() <= citations.entries().keys()
    own = name == "folder" or not catalogue.is_licensed(catalogue.builder_class(name))
    assert own or stated


def test_methods_name_fields_and_entries():
    known = {field.name: field.default for field in FIELDS}
    for field, (off, key) in citations.METHODS.items():
        assert known[field] == off, field
        assert key in citations.entries()


def test_no_entry_is_left_over():
    used = {key for _, key in citations.METHODS.values()} | {"cui2019"}
    for name in models.names():
        used |= citations.keys(citations.network_source(name)).keys()
    for name in builders.names():
        used |= citations.keys(citations.data_set_source(name)).keys()
    assert citations.entries().keys() - used == set()


def test_a_run_cites_its_network_data_set_and_methods():
    plain, sam = fields(augment__erase=0.0), fields(model__name="vgg16", optimizer__sam_rho=0.05)
    text = citations.bibtex([plain, sam])
    cited = re.findall(r"^@\w+\{(\w+),", text, flags=re.MULTILINE)
    assert cited == ["ferjax", "foret2021", "goodfellow2013", "roy2024", "simonyan2015"]


def test_a_source_without_an_entry_is_given_as_it_is_stated():
    text = citations.bibtex([fields(model__name="sdl", data__name="my.sets:Mine")])
    assert r"@misc{khan2023, note = {the network sdl: Khan, Singh \& Agrawal (2023)}}" in text
    assert "Mine" not in text
