"""Videos are read frame by frame, and broken ones told after the frames that could be read."""

import sys

import numpy as np
import pytest

from ferjax.deploy import video
from ferjax.errors import UserError

FRAMES, RATE = 20, 10.0


def grey_level(frame):
    return 20 + 10 * frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two seconds that become brighter; red is stronger than blue."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    writer = video.Writer(path, RATE)
    for frame in range(FRAMES):
        image = np.full((48, 64, 3), grey_level(frame), np.uint8)
        image[:, :, 0] += 20
        writer.write(image)
    writer.close()
    return path


def test_frames_come_with_their_times_and_colours(clip):
    frames = list(video.file_frames(clip))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(FRAMES) / RATE, atol=0.01)
    for index, frame in enumerate(frames):
        assert frame.image.shape == (48, 64, 3)
        expected = np.array([20, 0, 0]) + grey_level(index)
        np.testing.assert_allclose(frame.image.mean((0, 1)), expected, atol=6)
    assert video.file_rate(clip) == RATE


@pytest.mark.parametrize("every", [0.2, 0.5, 0.25])
def test_frames_can_be_left_out(clip, every):
    times = [frame.time for frame in video.file_frames(clip, every)]
    assert times[0] == 0
    # Each is the first frame that is due, give or take half a frame.
    assert np.all(np.abs(np.diff(times) - every) <= 0.5 / RATE + 0.01)
    assert times[-1] > (FRAMES - 1) / RATE - every


def test_a_video_that_is_cut_short_gives_what_it_has(clip, tmp_path):
    written = video.Writer(tmp_path / "clip.avi", RATE)
    for seed in range(FRAMES):
        written.write(np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8))
    written.close()
    broken = tmp_path / "broken.avi"
    broken.write_bytes((tmp_path / "clip.avi").read_bytes()[: (tmp_path / "clip.avi").stat().st_size // 2])
    seen = []
    with pytest.raises(video.BrokenVideo, match=r"is damaged: \d+ of 20 frames"):
        seen.extend(frame.time for frame in video.file_frames(broken))
    assert 0 < len(seen) < FRAMES


@pytest.mark.parametrize("content", [b"", b"this is text, not a video", bytes(5000)])
def test_what_is_no_video_is_told(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(video.BrokenVideo, match="is no video that can be read"):
        list(video.file_frames(path))


def test_half_an_mp4_is_told(clip, tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(video.BrokenVideo):
        list(video.file_frames(path))


def test_without_a_camera_that_is_told():
    with pytest.raises(video.BrokenVideo, match="there is no camera 99"):
        next(video.camera_frames(99))


def test_a_video_that_cannot_be_written_is_told(tmp_path):
    writer = video.Writer(tmp_path / "nowhere" / "clip.mp4", RATE)
    with pytest.raises(UserError, match="cannot write"):
        writer.write(np.zeros((48, 64, 3), np.uint8))


def test_without_opencv_the_extra_is_named(monkeypatch, clip):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match=r"pip install 'ferjax\[video\]'"):
        next(video.file_frames(clip))
