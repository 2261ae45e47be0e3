"""A collection explained side by side, by way of Ray: `python -m explain.collections.cluster`, started by `run`.

It speaks as `explain.collections.worker` does, and holds the run's folder; the work is done by actors, one a device,
each with an engine of its own. Nothing is lost or there twice because of the files, not because of Ray: a shard is the
same function of the same pictures whoever writes it, so an actor that dies is replaced and its shard begun again. Each
has one shard at a time: when it dies it is known on what. Imports no torch.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

from explain.collections.actor import Actor, list_items
from explain.collections.question import Order, RunManifest, compare_questions
from explain.collections.run_folder import DEATHS, RunFolder, Shard
from explain.collections.source import Item
from explain.collections.worker import Say, Undone, end_shard, holding_run, main, open_run
from explain.errors import Cancelled, ExplainError
from explain.ray_cluster import connecting, count_gpus, hand_on, import_ray, shorten

_CORES_A_GPU = 4  # which open its pictures
_SECONDS_BETWEEN_LOOKS = 0.2


def work_on_cluster(order: Order, say: Say, cancel: threading.Event) -> None:
    """Explain what is not written yet of a collection, side by side; see `explain.collections.worker.work_on`.

    Raises:
        ExplainError: also where there is no Ray, no such cluster, or not so many devices.
        Cancelled: it was stopped.
    """
    ray = import_ray("--devices or --address", order.address)
    folder, source, chosen = open_run(order)
    say("loading", pictures=len(chosen))
    with connecting(ray, order.address):
        crew = _Crew(ray, order, folder, cancel)
        try:
            manifest, notes = crew.gather()
            with holding_run(folder, manifest, chosen) as undone:
                say("ready", total=undone.total, done=undone.done, notes=notes)
                crew.explain(undone, {item.id: item for item in source.items}, say)
        finally:
            crew.dismiss()
    say("done")


class _Crew:
    """The actors, and what each is at.

    Args:
        ray: the library, connected.
        order: what is asked.
        folder: the run's.
        cancel: stops it once set.
    """

    def __init__(self, ray: Any, order: Order, folder: RunFolder, cancel: threading.Event) -> None:
        self._ray, self._order, self._folder, self._cancel = ray, order, folder, cancel
        self._count, options = _choose_devices(ray.cluster_resources(), order)
        # An actor that dies is not started again by Ray, which would not say on what it died.
        self._make = ray.remote(**options, max_restarts=0, max_task_retries=0)(Actor)
        self._dead = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)
        self._at: dict[Any, tuple[Any, Shard | None]] = {}
        self._idle: list[Any] = []
        self._manifest: RunManifest | None = None
        self._notes: list[str] = []
        self._deaths: Counter[str] = Counter()

    def gather(self) -> tuple[RunManifest, list[str]]:
        """Have all load the model, and wait for the first of them: what the run is asked, and notes on that.

        Raises:
            ExplainError: it cannot be loaded.
        """
        for _ in range(self._count):
            self._hire()
        while self._manifest is None:
            self._hear_one()
        return self._manifest, self._notes

    def explain(self, undone: Undone, items: dict[str, Item], say: Say) -> None:
        """Hand out what is left, as each is ready for more, until all is written."""
        waiting, fatal = deque(undone.parts), set(undone.fatal)
        busy = 0
        while waiting or busy:
            while waiting and self._idle:
                part, actor = waiting.popleft(), self._idle.pop()
                # No shard is named: if this process dies, it is none of theirs that it died on.
                say("at", shard="", ids=[], count=len(part.ids))
                told = list_items(items, part.ids), len(part.ids) == 1 and part.ids[0] in fatal
                self._at[actor.explain.remote(part.name, part.ids, *told)] = actor, part
                busy += 1
            heard, answer = self._hear_one()
            if heard is None:
                continue
            busy -= 1
            if answer is not None:
                end_shard(heard, answer["failed"], say)
            else:
                waiting.extendleft(reversed(self._mourn(heard, fatal)))

    def dismiss(self) -> None:
        """End them all, whatever they are at: files are there whole or not at all."""
        for actor in [*self._idle, *(actor for actor, _ in self._at.values())]:
            self._ray.kill(actor)

    def _hire(self) -> None:
        actor = self._make.remote(self._order.model_dump_json())
        self._at[actor.prepare.remote()] = actor, None

    def _hear_one(self) -> tuple[Shard | None, dict[str, Any] | None]:
        """Wait until one has answered or died.

        Returns:
            The shard that it was at, None where it loaded the model; and what it answers, None where it died.
        """
        done: list[Any] = []
        while not done:
            if self._cancel.is_set():
                raise Cancelled("Stopped. What is written stays, and the same command goes on.")
            done, _ = self._ray.wait(list(self._at), num_returns=1, timeout=_SECONDS_BETWEEN_LOOKS)
        actor, part = self._at.pop(done[0])
        try:
            answer = self._ray.get(done[0])
        except self._dead as error:
            self._replace(part, error)
            return part, None
        except self._ray.exceptions.RayError as error:
            raise ExplainError(f"The cluster could not go on: {shorten(error)}") from None
        if "refused" in answer:
            raise ExplainError(answer["refused"])
        self._idle.append(actor)
        if part is None:
            self._meet(answer)
        return part, answer

    def _meet(self, answer: dict[str, Any]) -> None:
        """Hear what one that has loaded the model takes the question to be: all must answer the same."""
        self._deaths[""] = 0
        manifest = RunManifest.model_validate_json(answer["manifest"])
        if self._manifest is None:
            self._manifest, self._notes = manifest, answer["notes"]
            return
        one, other = self._manifest, manifest
        different = [name for name, text in one.versions.items() if other.versions.get(name) != text]
        different = [name for name in different if name != "device"]
        if different or compare_questions(one.question, other.question):
            told = ", ".join(different) or "device, precision or model"
            raise ExplainError(f"The workers are not alike ({told}), so their maps would not be. Make them the same.")

    def _replace(self, part: Shard | None, error: Exception) -> None:
        """Start another in place of one that died; it is not known to be able to load the model yet."""
        if part is None:
            self._deaths[""] += 1
            if self._deaths[""] >= DEATHS:
                raise ExplainError(
                    f"A worker ended {DEATHS} times while it loaded the model: {shorten(error)} It may need more "
                    "memory than there is, or find no CAMscope at the same path on its computer."
                )
        self._hire()

    def _mourn(self, part: Shard, fatal: set[str]) -> list[Shard]:
        """What is to be tried instead of a shard that a worker died on: itself, its halves, or its only picture as one
        that is listed.
        """
        self._deaths[part.name] += 1
        if self._deaths[part.name] < DEATHS:
            return [part]
        assert self._manifest is not None
        if len(part.ids) == 1:
            fatal.add(part.ids[0])
            self._folder.mourn(part.name, part.ids)
            return [part]
        self._folder.mourn(part.name, [])
        return list(part.halves(self._manifest.question))


def _choose_devices(there: dict[str, float], order: Order) -> tuple[int, dict[str, Any]]:
    """How many actors there will be, and what each of them has: a GPU, or where there is none, a core.

    Raises:
        ExplainError: more are asked for than there are.
    """
    cores, gpus = int(there.get("CPU", 0)), count_gpus(there)
    most = gpus or cores
    count = order.devices if isinstance(order.devices, int) else most
    if not 1 <= count <= most:
        kind = "GPUs" if gpus else "cores"
        raise ExplainError(f"There are {most} {kind}, and --devices asks for {count}. Ask for fewer, or for all.")
    options: dict[str, Any] = {"runtime_env": hand_on(CAMSCOPE_DEVICE="cuda" if gpus else "cpu")}
    if gpus:
        return count, options | {"num_gpus": 1, "num_cpus": min(_CORES_A_GPU, max(1, cores // gpus))}
    return count, options | {"num_cpus": 1}


if __name__ == "__main__":
    main(work_on_cluster)
