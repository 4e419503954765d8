"""The results as tables and as a plot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LABELS = {
    "bare_limit": "bare limit (two dictionaries)",
    "jwt_auth_memory": "jwt_auth, memory",
    "jwt_auth_database": "jwt_auth, database",
    "jwt_auth_unprepared": "jwt_auth, database, nothing prepared",
    "simplejwt_stateless": "simplejwt, stateless",
    "simplejwt": "simplejwt",
    "drf_token": "DRF token",
    "knox": "knox",
    "sessions_cached_db": "Django session, cached_db",
    "sessions_db": "Django session, db",
}


def tables(run: Mapping[str, Any]) -> str:
    """Return the tables of one run as Markdown, and what they were measured with."""
    return "\n\n".join(
        (
            f"With {_versions(run)}.",
            _requests(run["requests"]),
            _signatures(run["signatures"]),
            _operations(run["operations"]),
            _growth(run["growth"]),
        )
    )


def _versions(run: Mapping[str, Any]) -> str:
    return ", ".join(" ".join(pair) for pair in run["versions"].items())


def _requests(requests: Mapping[str, Any]) -> str:
    reference = requests["simplejwt"]["microseconds"]
    rows = [
        "| authentication | µs over an open view | of simplejwt | queries | cache reads |",
        "| --- | --: | --: | --: | --: |",
    ]
    for name, label in LABELS.items():
        found = requests[name]
        share = found["microseconds"] / reference
        rows.append(
            f"| {label} | {found['microseconds']:.0f} | {share:.2f} | {found['queries']} | {found['cache_reads']} |"
        )
    return "\n".join(rows)


def _signatures(signatures: Mapping[str, Any]) -> str:
    rows = [
        "| algorithm | warm: µs over an open view | cold: µs to verify | PyJWT's own decode |",
        "| --- | --: | --: | --: |",
    ]
    rows += [
        f"| {name} | {found['warm']:.0f} | {found['cold']:.0f} | {found['pyjwt']:.0f} |"
        for name, found in signatures.items()
    ]
    return "\n".join(rows)


def _operations(operations: Mapping[str, Any]) -> str:
    rows = ["| operation | ms | queries |", "| --- | --: | --: |"]
    rows += [f"| {name} | {found['seconds'] * 1e3:.2f} | {found['queries']} |" for name, found in operations.items()]
    return "\n".join(rows)


def _growth(growth: Mapping[str, Any]) -> str:
    rows = ["| with | memory: µs over an open view | database: µs |", "| --- | --: | --: |"]
    for kind in ("users", "sessions", "revocations"):
        for number, found in growth[kind].items():
            memory, database = found["jwt_auth_memory"], found["jwt_auth_database"]
            rows.append(f"| {int(number):,} {kind} | {memory:.0f} | {database:.0f} |")
    return "\n".join(rows)


ASYNCHRONOUS = {
    "open/anyone/": "open asynchronous view",
    "memory/signed_in/": "asynchronous view, `JWTUserMiddleware`, memory",
    "open/verified/": "asynchronous view, `averify()`, memory",
    "database/signed_in/": "asynchronous view, `JWTUserMiddleware`, database",
    "open/drf/open/": "open view of DRF",
    "open/drf/jwt_auth_memory/": "view of DRF, jwt_auth, memory",
    "open/drf/jwt_auth_database/": "view of DRF, jwt_auth, database",
    "open/drf/simplejwt_stateless/": "view of DRF, simplejwt, stateless",
    "open/drf/simplejwt/": "view of DRF, simplejwt",
    "open/adrf/open/": "open view of adrf",
    "open/adrf/simplejwt/": "view of adrf, simplejwt",
}


def asynchronous(run: Mapping[str, Any]) -> str:
    """Return the table of `benchmarks.asynchronous` as Markdown."""
    views = run["views"]
    floor = views["open/anyone/"]["CPU, microseconds"]
    rows = [
        f"With {_versions(run)}, on {run['database']}, one process of uvicorn.",
        "",
        "| view | requests/s | of the open view | µs of CPU over it |",
        "| --- | --: | --: | --: |",
    ]
    for path, label in ASYNCHRONOUS.items():
        if found := views.get(path):
            over_open = found["CPU, microseconds"] - floor
            rows.append(f"| {label} | {found['per second']:.0f} | {found['of open']:.2f} | {over_open:.0f} |")
    return "\n".join(rows)


def sockets(run: Mapping[str, Any]) -> str:
    """Return the table of `benchmarks.sockets` as Markdown."""
    labels = {"open": "without authentication", "memory": "memory", "push": "memory, with `REVOCATION_PUSH`"}
    rows = [
        f"With {_versions(run)}, two processes of uvicorn.",
        "",
        "| sockets | kB for each | closed | median, s | 99 % | longest |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, found in run["sockets"].items():
        times = [f"{value:.3f}" for value in found["seconds"]] if found["seconds"] else [""] * 3
        what = f"{found['sockets']:,}, {labels[name]}"
        rows.append(f"| {what} | {found['kilobytes']:.1f} | {found['closed']} | {' | '.join(times)} |")
    return "\n".join(rows)


def plot(runs: list[Mapping[str, Any]], path: Path) -> None:
    """Draw the cost of a request on each database as bars."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "jwt_auth"
    from matplotlib import pyplot

    figure, all_axes = pyplot.subplots(1, len(runs), figsize=(5.5 * len(runs), 4), sharey=True, squeeze=False)
    for axes, run in zip(all_axes[0], runs, strict=True):
        names = list(LABELS)[::-1]
        values = [run["requests"][name]["microseconds"] for name in names]
        ours = ["#0b6e4f" if name.startswith("jwt_auth") else "#b8bcc4" for name in names]
        bars = axes.barh([LABELS[name] for name in names], values, color=ours)
        axes.bar_label(bars, fmt="%.0f", padding=3)
        axes.set_title(" ".join(list(run["versions"].items())[-1]))  # the database
        axes.set_xlabel("µs over an open view")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.15)
    figure.text(0.5, 0.01, _versions(runs[0]).rpartition(", ")[0], ha="center", fontsize="small")
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
