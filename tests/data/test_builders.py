import contextlib
import io
import tempfile
from collections import Counter

import copies
import numpy as np
import pytest
import tiny

from ferjax.audit.page import write_page
from ferjax.audit.run import audit
from ferjax.cluster.mesh import global_batch, make_mesh
from ferjax.commands.prepare import prepare
from ferjax.data import builders, labels, load
from ferjax.data.pipeline import train_batches
from ferjax.data.records import Records, describe
from ferjax.data.sets import affectnet, ckplus, expw, ferplus, jaffe, rafdb, taiwan
from ferjax.errors import UserError
from ferjax.training import setup

SIZE = 32


def test_label_tables_are_pinned():
    def numbers(codes, keys, space):
        assert list(codes) == keys
        return [space.index(codes[key]) for key in keys]

    digits = [str(number) for number in range(8)]
    # fer8: angry 0, disgust 1, fear 2, happy 3, sad 4, surprise 5, neutral 6, contempt 7
    assert numbers(rafdb.RAFDB_CODES, digits[1:], labels.FER8) == [5, 2, 1, 3, 4, 0, 6]
    assert numbers(affectnet.AFFECTNET_CODES, digits, labels.FER8) == [6, 3, 4, 5, 2, 1, 0, 7]
    assert numbers(expw.EXPW_CODES, digits[:7], labels.FER8) == [0, 1, 2, 3, 4, 5, 6]
    assert numbers(ckplus.CKPLUS_CODES, digits, labels.FER8) == [6, 0, 7, 1, 2, 3, 4, 5]
    assert numbers(ckplus.CKPLUS_CSV_CODES, digits, labels.FER8) == [0, 1, 2, 3, 4, 5, 6, 7]
    codes = ["AN", "DI", "FE", "HA", "NE", "SA", "SU"]
    assert numbers(jaffe.JAFFE_CODES, codes, labels.FER8) == [0, 1, 2, 3, 6, 4, 5]
    codes = ["ng", "ag", "dg", "fg", "hg", "sg", "pg"]
    assert numbers(taiwan.TAIWAN_CODES, codes, labels.FER8) == [6, 0, 1, 2, 3, 4, 5]
    votes = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    assert numbers(ferplus.FERPLUS_COLUMNS, votes, labels.FER8) == [6, 3, 5, 4, 0, 1, 2, 7]
    words = Counter(labels.WORDS.values())
    assert words == dict(zip(labels.FER8, [2, 2, 2, 3, 2, 2, 1, 1], strict=True))
    assert all(word[:2] == name[:2] for word, name in labels.WORDS.items() if word != "joy")


@pytest.mark.parametrize("name", ["fer2013", "toons/avataaars"])
def test_a_builder_leaves_nothing_in_the_temporary_folder(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert builders.create(name, tmp_path / "data").info.features
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module", params=list(copies.LAYOUTS))
def built(request, tmp_path_factory):
    """A set built from a copy by `prepare`: (name, data_dir, what it should hold, what was printed)."""
    name, write = copies.LAYOUTS[request.param]
    folder = tmp_path_factory.mktemp("copy")
    (folder / "manual").mkdir()
    truth = write(folder / "manual")
    return name, folder / "data", truth, prepared(name, folder)


def prepared(name, folder, **options):
    """What `prepare` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        prepare(name, str(folder / "manual"), str(folder / "data"), **options)
    return printed.getvalue()


def records_of(name, data):
    folder = builders.folder(name, data)
    for split in describe(name, folder).splits:
        records = Records(name, folder, split)
        for record in records.read(range(len(records))):
            yield split, records.label_names[record["label"]], record


def test_splits_classes_and_groups_are_those_of_the_copy(built):
    name, data, truth, _ = built
    found = Counter(
        (split, label, record.get("group", b"").decode()) for split, label, record in records_of(name, data)
    )
    assert found == truth.examples
    ids = [record["id"] for _, _, record in records_of(name, data)]
    assert len(set(ids)) == len(ids)


@pytest.mark.slow
def test_loaded_images_show_their_labels(built):
    name, data, truth, _ = built
    total = 0
    splits = {split for split, _, _ in truth.examples}
    for split in sorted(splits | ({"validation"} if "train" in splits else set())):
        source = load(name, split, data, image_size=SIZE)
        total += len(source)
        for index in range(len(source)):
            example = source[index]
            assert example["image"].shape == source.image_shape
            assert copies.class_of(example["image"]) == source.label_names[example["label"]], example["id"]
    assert total == truth.examples.total()


def test_the_summary_has_the_published_counts_and_the_notes(built):
    name, data, truth, printed = built
    rows = [line.split() for line in printed.splitlines()]
    published = builders.builder_class(name).PUBLISHED
    for split, numbers in published.items():
        for label, number in numbers.items():
            (row,) = (row for row in rows if row[:2] == [split, label])
            assert str(number) in row[3:]
    metadata = describe(name, builders.folder(name, data)).metadata
    for note in truth.notes:
        assert any(note in told for told in metadata["notes"]), (note, metadata["notes"])
        assert note in printed
    assert metadata["bad_rows"] == truth.lost
    assert ("bad rows were skipped" in printed) == bool(truth.lost)


def audited(name, data, page):
    """The report of an audit, whose page is written too."""
    folder = builders.folder(name, data)
    report = audit(name, folder, getattr(builders.builder_class(name), "PUBLISHED", {}))
    write_page(report, folder, page)
    assert page.read_text().count("<figure") >= min(report["exact"]["pairs"], 1)
    return report


@pytest.mark.slow
def test_the_audit_reads_every_image(built, tmp_path):
    name, data, truth, _ = built
    report = audited(name, data, tmp_path / "audit.html")
    for split, counts in report["counts"].items():
        found = {label: number for label, number in counts["classes"].items() if number}
        expected = Counter()
        for (where, label, _), number in truth.examples.items():
            expected[label] += number if where == split else 0
        assert found == +expected
    for check in ("unreadable", "wrong_size", "tiny"):
        assert report["images"][check]["count"] == 0
    # The grey of a copy's image is its class's, so that images of two classes are never the same.
    assert "conflicting_labels" not in {finding["check"] for finding in report["findings"]}


def test_published_counts_add_up():
    for name in builders.names():
        for split, counts in getattr(builders.builder_class(name), "PUBLISHED", {}).items():
            parts = [number for label, number in counts.items() if label != "total"]
            if "total" in counts and parts:
                assert sum(parts) == counts["total"], (name, split)


@pytest.fixture(scope="module")
def steps(tiny_run):
    """The compiled step of the tiny network, made once for each number of classes."""
    made = {}

    def of(name, source):
        classes = len(source.label_names)
        if classes not in made:
            config = tiny.tiny_configuration(data__name=name, loss__class_weights="none")
            mesh = make_mesh(config.mesh)
            made[classes] = config, mesh, setup.assemble(config, source, mesh)
        return made[classes]

    with tiny.registered():
        yield of


@pytest.mark.slow
def test_two_steps_are_trained(built, steps):
    name, data, truth, _ = built
    # A set that is for testing only is divided anew.
    fold = "" if any(split == "train" for split, _, _ in truth.examples) else "1/3"
    trained(load(name, "train", data, image_size=16, channels=3, fold=fold), steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in builders.names() if name.startswith("toons/")])
def test_a_drawn_set_is_loaded_audited_and_trained_on(name, steps, tmp_path, monkeypatch):
    builder = builders.create(name, tmp_path)
    monkeypatch.setattr(builder.builder_config, "fraction", 0.01)
    builders.build(builder)
    report = audited(name, tmp_path, tmp_path / "audit.html")
    source = load(name, "train", tmp_path, image_size=16)
    assert len(source) == report["counts"]["train"]["total"] > 0
    serious = {finding["check"] for finding in report["findings"] if finding["serious"]}
    planted = {"exact_across", "group_across"} if name.endswith("_copies") else set()
    assert serious <= {"class_lacking", *planted}  # in so small a part of the set
    trained(source, steps)


@pytest.mark.slow
def test_the_votes_are_trained_on(built, steps):
    name, data, _, _ = built
    if name == "ferplus":
        trained(load(name, "train", data, image_size=16, channels=3, soft_labels=True), steps)
    else:
        with pytest.raises(UserError, match=f"{name} stores no votes, which soft_labels takes; ferplus does"):
            load(name, "test" if name == "taiwan" else "train", data, image_size=16, soft_labels=True)


def trained(source, steps):
    """Two steps on a source change the weights and give a finite loss."""
    config, mesh, parts = steps(source.name, source)
    state = parts.init(np.uint32(0))
    with contextlib.closing(train_batches(source, batch_size=config.train.batch_size, seed=0)) as batches:
        for _ in range(2):
            state, sums = parts.train_steps[0](state, global_batch(next(batches), mesh))
    assert int(state.step) == 2
    assert np.isfinite(float(sums["loss"]))
