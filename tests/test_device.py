"""The device process: it answers as the network does in one process, and dies, halves and refuses as it should."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cinema_cli.commands.run_environment import peak_memory_gb
from cinema_cli.domain.errors import ConfigError, StudyError, UnavailableError
from cinema_cli.inference import device as device_module
from cinema_cli.inference import device_process
from cinema_cli.inference.batching import Call, Request
from cinema_cli.inference.device import Device, DeviceOptions, Restarted, running_device
from cinema_cli.inference.device_desk import Desk
from cinema_cli.inference.device_messages import DeviceSetup, Halved
from cinema_cli.inference.device_process import _Calculator
from cinema_cli.inference.engine_facts import ANSWER
from cinema_cli.inference.remote import DeviceClient, DeviceLostError
from cinema_cli.inference.stack_head import load_stack_head


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    options = DeviceOptions(heads=("starter_sax",), device="cpu", precision="fp32", threads=2, batch_size=4)
    with running_device(options) as running:
        yield running


def client_of(device: Device) -> DeviceClient:
    return DeviceClient(device.engine.address, device.engine.key)


def frames(n_frames: int, *, seed: int, slices: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).random((n_frames, slices, 32, 32), dtype=np.float32)


def test_it_says_what_it_loaded(device: Device) -> None:
    assert [head.card.name for head in device.facts.heads] == ["starter_sax"]
    assert (device.facts.precision, device.facts.device, device.facts.columns) == ("fp32", "cpu", ())
    assert device.facts.uses[0].sha256 and not device.facts.embeds
    assert peak_memory_gb()["largest_child"] >= round(device.peak_bytes / 2**30, 3) > 0


def test_folders_of_killed_runs_go_those_of_live_ones_anywhere_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/tmp may be shared with containers whose process numbers mean others."""
    monkeypatch.setattr(device_module, "_short_folder", lambda: tmp_path)
    gone = 2**22 + 1  # no process has this number
    dead, alive = (tmp_path / f"{device_module._prefix()}{pid}-x" for pid in (gone, os.getpid()))
    elsewhere = tmp_path / f"cinema-run-{'0' * 8}-{gone}-x"
    for folder in (dead, alive, elsewhere):
        folder.mkdir()
    with running_device(DeviceOptions()):
        assert len(list(tmp_path.glob(f"{device_module._prefix()}{os.getpid()}-*"))) == 2
    assert sorted(tmp_path.iterdir()) == sorted([alive, elsewhere])


@pytest.mark.usefixtures("one_thread")
def test_answers_are_those_of_the_network_whoever_asks_beside(device: Device) -> None:
    """To the bit, though rests of several studies share batches."""
    local = load_stack_head(device="cpu", precision="fp32", frames_at_once=4)
    images = [frames(n, seed=n) for n in (6, 3, 5, 7)]
    wanted = [local.probabilities(one) for one in images]
    again = [local.look_again(one, first, [1, 0]) for one, first in zip(images, wanted, strict=True)]
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def ask(number: int) -> None:
        head = device.engine()._segmenter._head  # type: ignore[attr-defined]
        first = head.probabilities(images[number])
        found[number] = first, head.look_again(images[number], first, [1, 0])

    askers = [threading.Thread(target=ask, args=(k,)) for k in range(len(images))]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    for k in range(len(images)):
        np.testing.assert_array_equal(found[k][0], wanted[k])
        np.testing.assert_array_equal(found[k][1], again[k])
    work = device.work()
    assert work.n_items == sum(map(len, images)) + 2 * len(images) and work.sizes == {"starter_sax": 4}
    assert work.busy_s > 0 and 0 < (work.busy_pct or 0) <= 100


def test_a_fault_of_a_call_is_told_and_the_device_goes_on(device: Device) -> None:
    client = client_of(device)
    with pytest.raises(RuntimeError, match="unexpected KeyError in"):
        client.ask(Call("no such head/0"), {"sax": np.zeros((1, 1), np.float32)})
    seen = np.concatenate([frames(1, seed=1)[:, :, None]] * 3, axis=2)
    assert ANSWER in client.ask(Call("starter_sax"), {"frames": seen})


def test_nobody_without_the_key_is_answered(device: Device) -> None:
    stranger = DeviceClient(device.engine.address, b"guessed")
    with pytest.raises(Exception, match=r"digest sent was rejected|has gone"):
        stranger.ask(Call("starter_sax"), {"frames": np.zeros((1, 1), np.float32)})


def test_one_that_was_killed_is_lost_and_comes_back_with_smaller_batches() -> None:
    with running_device(DeviceOptions(heads=("starter_sax",), device="cpu", batch_size=4, threads=1)) as device:
        client = client_of(device)
        client.ask(Call("starter_sax"), {"frames": np.zeros((3, 2, 3, 32, 32), np.float32)})
        assert not device.revive() and not device.news()
        before = device.work()
        assert (before.n_batches, before.n_items) == (1, 3)
        os.kill(device._process.pid or 0, signal.SIGKILL)
        with pytest.raises(DeviceLostError):
            client.ask(Call("starter_sax"), {"frames": np.zeros((1, 2, 3, 32, 32), np.float32)})
        assert device.revive() and device.n_starts == 2
        assert (device.news(), device.news()) == ([Restarted(-signal.SIGKILL, n_deaths=1)], [])
        assert ANSWER in client.ask(Call("starter_sax"), {"frames": np.zeros((1, 2, 3, 32, 32), np.float32)})
        after = device.work()
        assert after.sizes == {"starter_sax": 2} and (after.n_batches, after.n_items) == (2, 4)
        assert after.first_at == before.first_at and after.last_at > before.last_at
        assert after.busy_s > before.busy_s and after.lanes_s > before.lanes_s and 0 < (after.busy_pct or 0) < 100


def test_what_cannot_be_loaded_is_said_at_the_start() -> None:
    with running_device(DeviceOptions(heads=("no_such_head",))) as device, pytest.raises(ConfigError):
        _ = device.facts
    with running_device(DeviceOptions(heads=("starter_sax",), device="cuda:9")) as device:
        until = time.monotonic() + 120
        with pytest.raises(UnavailableError):
            while time.monotonic() < until:  # as a scan looks at it now and then
                device.check()
                time.sleep(0.02)


def test_one_that_still_loads_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 25)))  # no name of a socket would fit behind it
    with running_device(DeviceOptions()) as device:
        assert len(device._setup.address) < 103
    assert device._process.exitcode == -signal.SIGKILL


class Small:
    """Networks on a device that holds `room` items; larger batches are out of memory, as torch says it."""

    class device:
        type = "cpu"

    def __init__(self, room: int) -> None:
        self.room, self.shapes = room, list[int]()

    def call(self, call: Call, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.shapes.append(len(arrays["x"]))
        if len(arrays["x"]) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return {ANSWER: arrays["x"] + 1}


def calculated(*n_items: int, room: int) -> tuple[list[Request], Small, list[object], Desk]:
    """Requests that come together to a device with little room, in batches of 8 at first."""
    setup = DeviceSetup("", b"", (), "cpu", "fp32", 1, 8, deterministic=False)
    desk, networks, said = Desk(), Small(room), list[object]()

    class Parent:
        send = said.append

    def done(request: Request) -> None:
        if all(one.error or not one.n_open for one in requests):
            desk.close()

    requests = [Request(Call("net"), {"x": np.arange(n, dtype=np.float32)}, done=done) for n in n_items]
    for request in requests:
        desk.add(request)
    _Calculator(networks, setup, desk, Parent()).run()  # type: ignore[arg-type]
    return requests, networks, said, desk


def test_rests_of_studies_that_wait_together_share_a_batch() -> None:
    requests, networks, _, desk = calculated(13, 3, 5, room=8)
    for request in requests:
        np.testing.assert_array_equal(request.answers[ANSWER], request.arrays["x"] + 1)
    assert networks.shapes == [8, 8, 4, 8] and desk.work.n_shared == 1  # 5 and 3 of the other 5, then 3, then 2


def test_a_batch_without_room_is_halved_and_tried_again() -> None:
    (request,), networks, said, _ = calculated(10, room=3)
    np.testing.assert_array_equal(request.answers[ANSWER], np.arange(10) + 1)
    assert said == [Halved("net", 4), Halved("net", 2)] and networks.shapes[:3] == [8, 4, 4]
    assert max(networks.shapes[3:]) <= 2


def test_one_item_without_room_fails_its_study_alone() -> None:
    (request,), _, _, _ = calculated(2, room=0)
    assert isinstance(request.error, StudyError) and request.error.code == "no_room"


def test_measured_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run calculates in the batches of the first, whatever a measurement would say."""
    assert device_process.known_batch_size("this device, this head") is None
    device_process.keep_batch_size("this device, this head", 4)
    assert device_process.known_batch_size("this device, this head") == 4
    device_process.keep_batch_size("that one", 2)
    assert device_process.known_batch_size("this device, this head") == 4
