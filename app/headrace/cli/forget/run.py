"""The phases of a request, in order. Each may be done again: that is how an interruption is mended.

evidence and order -> honoured by the archive -> files here -> archive -> dead letters -> keys
-> search -> certificate
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from headrace.cli.archive import Archive, connect
from headrace.cli.faults import CommandError
from headrace.cli.forget import (
    certificate,
    evidence,
    files,
    find,
    honour,
    keys,
    letters,
    search,
    whom,
)
from headrace.cli.forget.certificate import Found, Pending
from headrace.cli.forget.erase import erase
from headrace.cli.forget.needles import Needles
from headrace.cli.forget.request import Request, Requests
from headrace.cli.forget.until import cluster_id, kafka_until
from headrace.events import topics
from headrace.events.settings import ClickHouseSettings, Settings
from headrace.events.topics import LOCAL_CLUSTER
from headrace.local.state_dir import StateDir
from headrace.streams.erasure.ledger import Lines

Say = Callable[[str], None]

DATA_KEYS: Final = "data keys"
MOST_ROUNDS: Final = 5
"""Times that sessions are looked for again, which came while the order was on its way."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen. In seconds."""

    patience: float = 120.0
    """For the archive to honour the order."""
    elsewhere: float = 7 * 86_400.0
    """How long spools and backups may hold the person that are not reached from here."""


class Forgetting:
    """One request on its way. Blocking."""

    def __init__(self, settings: Settings, request: Request, options: Options, say: Say) -> None:
        self.request = request
        self._settings = settings
        self._writer = with_writer(settings)
        self._requests = Requests(settings)
        self._options = options
        self._say = say
        self._found = Found()

    def run(self) -> dict[str, Any]:
        """Go on to the end; return the certificate. Raises HeadraceError; may be called again."""
        phases: list[tuple[str, Callable[[Archive], None]]] = [
            ("requested", self._request),
            ("honoured", self._order),
            ("files", self._files),
            ("archive", self._erase),
            ("letters", self._letters),
            ("keys", self._shred),
        ]
        with connect(self._writer) as archive:
            for name, phase in phases:
                if not self.request.past(name):
                    phase(archive)
                    self._requests.save(self.request, name)
            return self._conclude(archive)

    # ── phases ───────────────────────────────────────────────────────────────

    def _request(self, archive: Archive) -> None:
        self._say("finding what there is")
        whom.look(self._settings, archive, self.request)
        store = keys.keys_of(self._settings, archive)
        user = self.request.user or ""
        self.request.subject = (
            store.pseudonym("user", self.request.tenant, user) if store else self.request.mark
        )
        self._requests.save(self.request)
        self._emit("requested")

    def _order(self, archive: Archive) -> None:
        for _ in range(MOST_ROUNDS):
            asyncio.run(
                honour.order_and_wait(
                    self._settings,
                    archive,
                    self.request.order(),
                    self.request.probe_session,
                    patience=self._options.patience,
                    say=self._say,
                )
            )
            if not whom.look(self._settings, archive, self.request):
                return
            self._requests.save(self.request)

    def _files(self, archive: Archive) -> None:
        self._say("blanking spools and logs on this machine")
        order = self.request.order()
        spooled = files.look(self._settings, order)
        self._account(archive, spooled.ledger())
        self._remove("spool on this machine, lines", spooled.delivered)
        files.blank_spool(self._settings, order)
        needles = self._needles()
        self._remove("logs of the local stack, lines",
                     files.blank_logs(self._settings, needles.inside_text))  # fmt: skip

    def _erase(self, archive: Archive) -> None:
        order = self.request.order()
        for table, rows in find.count(archive, self.request.without_probes()).items():
            self._remove(f"ClickHouse {table}, rows", rows)
        clickhouse = self._writer.need_clickhouse()
        erase(archive, order, clickhouse.cluster, self._say)

    def _letters(self, archive: Archive) -> None:
        self._say("looking through the dead letters")
        order = self.request.order()
        found = asyncio.run(letters.look(self._settings, order))
        self._account(archive, found.ledger())
        if not found.theirs:
            return
        if self._embedded():
            return  # which deletes no records: they go with its memory
        self._say("writing the dead letters anew without them")
        self._remove("dead letters", found.theirs)
        asyncio.run(letters.rewrite(self._settings, order))

    def _shred(self, archive: Archive) -> None:
        store = keys.keys_of(self._settings, archive)
        if store is None:
            return
        self._say("shredding keys")
        plan = keys.plan(self._settings, store, self.request)
        self._remove(DATA_KEYS, len(plan.shred))
        for key_id in (*plan.finish, *plan.shred):
            store.shred(key_id)
        for why, count in sorted(plan.kept.items()):
            self._keep(f"evidence under {count:,} data keys", why)

    def _conclude(self, archive: Archive) -> dict[str, Any]:
        now, order = time.time(), self.request.order()
        found = self._found_so_far()
        found.kept += _STAYS
        if dict(found.removed).get(DATA_KEYS):
            found.kept.append(("audit trail", "ciphertext that nobody can read any more"))
        found.pending += asyncio.run(kafka_until(self._settings, now))
        found.pending += elsewhere(self._options, now)
        waiting = files.look(self._settings, order).waiting
        if waiting:
            why = f"{waiting:,} lines wait for Kafka: the archive will honour the order"
            found.pending.append(Pending("spool on this machine", why, None))
        found.searched = self._search(archive)
        self._emit("completed", removed=dict(found.removed), kept=[list(one) for one in found.kept])
        return self._certify(found)

    # ── helpers ──────────────────────────────────────────────────────────────

    def _search(self, archive: Archive) -> list[search.Searched]:
        self._say("searching every store for what is left")
        request = self.request
        needles, tenant = self._needles(), request.tenant
        found = search.archive_rows(archive, needles, tenant)
        found += local_files(self._settings, needles, found)
        # The others hold the person for as long as is certified, or marks alone.
        names = [topics.ERASURES]
        if not self._embedded():
            names.append(topics.DEAD_LETTERS)
        records = search.topics_records(self._settings, names, needles, request.order())
        return [*found, *asyncio.run(records)]

    def _embedded(self) -> bool:
        return asyncio.run(cluster_id(self._settings)).startswith(LOCAL_CLUSTER)

    def _needles(self) -> Needles:
        request = self.request
        return Needles([request.user or "", *request.aliases, *request.sessions])

    def _emit(self, phase: str, **more: Any) -> None:
        request = self.request
        data = {"phase": phase, "subject": request.subject, **more}
        evidence.emit(self._settings, request.tenant, request.id, data)

    def _account(self, archive: Archive, lines: Lines) -> None:
        archive.insert("dropped_ledger", lines.dropped)
        archive.insert("erased_ledger", lines.erased)

    def _remove(self, store: str, count: int) -> None:
        """Write down what goes, before it does: who goes on after an interruption finds less."""
        removed = self.request.certificate.setdefault("removed", {})
        removed[store] = max(removed.get(store, 0), count)
        self._requests.save(self.request)

    def _keep(self, store: str, why: str) -> None:
        kept = self.request.certificate.setdefault("kept", [])
        if [store, why] not in kept:
            kept.append([store, why])

    def _found_so_far(self) -> Found:
        so_far = self.request.certificate
        found = Found(
            removed=list(so_far.get("removed", {}).items()),
            kept=[(store, why) for store, why in so_far.get("kept", ())],
        )
        if nameless := so_far.get("nameless"):
            why = f"{nameless:,} events of sessions that others share: they name nobody"
            found.kept.append((_EVENTS_RAW, why))
        if crowd := so_far.get("crowd"):
            found.kept.append((_EVENTS_RAW, crowd))
        return found

    def _certify(self, found: Found) -> dict[str, Any]:
        now = time.time()
        made = certificate.make(self.request, found, now)
        certificate.write(self._requests, made)
        self.request.certificate = made
        self.request.close(now)
        self._requests.save(self.request, "done")
        return made


_EVENTS_RAW: Final = "ClickHouse events_raw"
_STAYS: Final = [
    ("audit trail", "the evidence of this request: a pseudonym, kept for ever"),
    ("agent.erasures", "the standing order: marks, no names"),
    ("ClickHouse erased_ledger", "numbers and marks, so that `headrace verify` adds up"),
    ("ClickHouse metric_panes_raw", "counts by tenant, tool and model: nobody is named"),
]


def elsewhere(options: Options, now: float) -> list[Pending]:
    """Say what is out of reach: spools of other machines, and backups."""
    if options.elsewhere <= 0:
        return []
    why = "not reached from here; what comes from them is erased by the standing order"
    return [Pending("spools of other machines, backups", why, now + options.elsewhere)]


def local_files(
    settings: Settings, needles: Needles, rows: list[search.Searched]
) -> list[search.Searched]:
    """Search the files on this machine; the requests' own hold the name while they run."""
    own = Requests(settings).directory
    places = {"state directory": settings.state_dir, "spool": settings.spool}
    found = []
    for name, directory in places.items():
        inside = name == "spool" and settings.state_dir in directory.parents
        if inside or not directory.is_dir():
            continue
        one = search.files(f"files of the {name}", directory, needles, _is_under(own))
        if one.hits and not any(row.hits for row in rows) and any(row.others for row in rows):
            # The rows tell whose it is, and a file does not.
            one.others, one.hits, one.found = one.hits, 0, []
        found.append(one)
    return found


def _is_under(directory: Path) -> Callable[[Path], bool]:
    return lambda path: directory in path.parents


def with_writer(settings: Settings) -> Settings:
    """Return the settings with the right to rewrite: a local stack's are its reader's."""
    clickhouse = settings.need_clickhouse()
    directory = StateDir(settings.state_dir)
    url = urlsplit(clickhouse.url)
    if url.username != "reader" or not directory.credentials_file.exists():
        return settings
    password = quote(directory.credentials()["writer"], safe="")
    host = url.netloc.rpartition("@")[2]
    there = url._replace(netloc=f"writer:{password}@{host}").geturl()
    return replace(settings, clickhouse=ClickHouseSettings(there, clickhouse.cluster))


def begin(settings: Settings, tenant: str, user: str) -> Request:
    """Return the person's unfinished request, else a new one, written down."""
    requests = Requests(settings)
    request = requests.unfinished(tenant, user)
    if request is None:
        request = Request.new(tenant, user, _salt_of_earlier(settings, tenant, user))
        requests.save(request)
    return request


def _salt_of_earlier(settings: Settings, tenant: str, user: str) -> bytes | None:
    """Return the salt of an earlier request about the person, None where there was none.

    The ledger then knows each session by one mark, and the accounting of an epoch stays one.
    """
    for request in Requests(settings).all():
        if request.is_about(tenant, user):
            return bytes.fromhex(request.salt)
    earlier = asyncio.run(honour.orders(settings, tenant))
    return next((one.salt for one in earlier if one.mark("user", user) == one.user), None)


def dry_run(settings: Settings, tenant: str, user: str) -> dict[str, Any]:
    """Count what would go. Changes nothing, writes nothing."""
    request = Request.new(tenant, user, None)
    with connect(with_writer(settings)) as archive:
        whom.look(settings, archive, request)
        counts = find.count(archive, request.order())
        store = keys.keys_of(settings, archive)
    order = request.order()
    spooled = files.look(settings, order)
    counts["spool on this machine"] = spooled.delivered + spooled.waiting
    counts["dead letters"] = asyncio.run(letters.look(settings, order)).theirs
    plan = keys.plan(settings, store, request) if store else keys.Shredding()
    counts["data keys"] = len(plan.shred)
    return {
        "tenant": tenant,
        "sessions": len(request.sessions),
        "shared_sessions": len(request.shared),
        "would_remove": counts,
        "would_keep": dict(plan.kept),
        "crowd": request.certificate.get("crowd"),
    }


def _keys_that_open(
    settings: Settings, archive: Archive, tenant: str, user: str
) -> list[search.Searched]:
    store = keys.keys_of(settings, archive)
    if store is None:
        return []
    found = keys.still_open(settings, store, tenant, user)
    how = "keys of evidence that came late: `headrace forget` again shreds them"
    return [search.Searched(DATA_KEYS, how, len(found), found, len(found))]


def complete(settings: Settings, name: str, user: str, say: Say) -> dict[str, Any]:
    """Search everything again, topics too, for a request that is pending; certify what is so now.

    Raises CommandError where the request is another person's, or is not done.
    """
    requests = Requests(settings)
    request = requests.read(name)
    if not request.past("done"):
        raise CommandError(f"{name} was interrupted: run `headrace forget` for the person again")
    if not request.is_about(request.tenant, user):
        raise CommandError(f"{name} is not about that user")
    alone, _ = whom.aliases(settings, request.tenant, user)
    now, needles, order = time.time(), Needles([user, *alone]), request.order()
    cluster = asyncio.run(cluster_id(settings))
    before = request.certificate
    found = Found(
        removed=[(one["store"], one["count"]) for one in before["removed"]],
        kept=[(one["store"], one["why"]) for one in before["kept"]],
    )
    waiting = files.look(settings, order).waiting
    for one in certificate.pending_of(before):
        spool = one.store == "spool on this machine"
        if waiting if spool else not one.over(now, cluster):
            found.pending.append(one)
    say("searching every store")
    with connect(with_writer(settings)) as archive:
        found.searched = search.archive_rows(archive, needles, request.tenant)
        left = sum(find.count(archive, order).values())
        by_mark = search.Searched("ClickHouse, by marks", "what the order covers", left, [])
        by_mark.hits = left
        found.searched.append(by_mark)
        found.searched += _keys_that_open(settings, archive, request.tenant, user)
    found.searched += local_files(settings, needles, found.searched)
    say("reading Kafka from end to end")
    still = {one.store for one in found.pending}
    every = search.all_topics(settings)
    names = [one for one in every if f"Kafka {settings.topic(one)}" not in still]
    found.searched += asyncio.run(search.topics_records(settings, names, needles, order))
    made = certificate.make(request, found, now)
    certificate.write(requests, made)
    request.certificate = made
    requests.save(request)
    return made
