"""Disclosure control attacked: whoever solves all that a released table says learns no small count."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_array

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.survival.table_one import table_one

MIN_CELL = 10
LAWS = settings(max_examples=6, deadline=None, derandomize=True)
Vector = np.ndarray[Any, np.dtype[np.float64]]
Said = Callable[[pl.DataFrame], Vector]  # whom, of some people, a count holds


@dataclass
class Attacker:
    """Knows sums over unknown numbers of people of each kind, exactly or within limits, and bounds others by them."""

    kinds: pl.DataFrame  # one person of each kind that there could be
    told: dict[tuple[float, ...], tuple[float, float]] = field(default_factory=dict)  # limits of each sum

    def hears(self, said: Said, low: float, high: float) -> None:
        """A count is within limits, both included."""
        of = tuple(said(self.kinds))
        known = self.told.get(of, (0.0, np.inf))
        self.told[of] = max(low, known[0]), min(high, known[1])

    def range_of(self, wanted: Said) -> tuple[int, int]:
        """Least and largest number of people that a count may be."""
        matrix, ends = csr_array(np.array(list(self.told))), np.array(list(self.told.values()))
        limits = LinearConstraint(matrix, ends[:, 0], ends[:, 1])
        found = []
        for sign in (1.0, -1.0):
            solved = milp(sign * wanted(self.kinds), constraints=limits, integrality=np.ones(self.kinds.height))
            assert solved.status in (0, 3), solved.message  # found, or without bound
            found.append(sign * solved.fun if solved.status == 0 else 1e9)
        return int(np.ceil(found[0] - 1e-6)), int(np.floor(found[1] + 1e-6))

    def learns(self, rows: pl.DataFrame, wanted: dict[str, Said]) -> list[str]:
        """Small counts of the real people that only one number is left for."""
        found = []
        for name, said in wanted.items():
            truth = round(said(rows).sum())
            if 0 < truth < MIN_CELL:
                low, high = self.range_of(said)
                assert low <= truth <= high, f"{name} is {truth}, not from {low} to {high}"
                if low == high:
                    found.append(name)
        return found


def hear(
    attacker: Attacker, rows: pl.DataFrame, said: Said, value: float | None, *, rounded: bool, to_nearest: bool = True
) -> None:
    """What a count of a released table tells: itself, its neighbourhood if rounded, that it is small if hidden."""
    truth = round(said(rows).sum())
    if value is None:
        if 0 < truth < MIN_CELL:
            attacker.hears(said, 1, MIN_CELL - 1)
    elif not rounded or (value == truth and (truth % MIN_CELL or not truth)):
        assert value == truth
        attacker.hears(said, value, value)
    elif to_nearest and value == MIN_CELL * ((truth + MIN_CELL // 2) // MIN_CELL):
        attacker.hears(said, value - MIN_CELL // 2, value + (MIN_CELL - 1) // 2)
    else:
        assert abs(value - truth) <= 1.5 * MIN_CELL
        attacker.hears(said, max(value - 1.5 * MIN_CELL, MIN_CELL), value + 1.5 * MIN_CELL)


def kinds(**values: Sequence[Any]) -> pl.DataFrame:
    """One person of every kind that could be."""
    names = list(values)
    schema = {name: pl.DataFrame({name: values[name]}).schema[name] for name in names}
    return pl.DataFrame(list(product(*values.values())), schema=schema, orient="row")


SEX, SITE, SMOKER = ["F", "M", None], ["a", "b", "c", "d"], ["no", "past", "now", None]
GROUPS = ("", "sex=F", "sex=M", "site=a", "site=b", "site=c", "site=d")


def people(seed: int, n: int) -> pl.DataFrame:
    """People with a small site, rare categories and a few missing values."""
    rng = np.random.default_rng(seed)

    def some(choices: Sequence[str | None], shares: Sequence[float]) -> pl.Series:
        places = rng.choice(len(choices), n, p=np.array(shares) / sum(shares))
        return pl.Series([choices[k] for k in places], dtype=pl.String)

    return pl.DataFrame(
        {
            "sex": some(SEX, [40, 60, rng.choice([0, 1, 5])]),
            "site": some(SITE, [50, 30, rng.choice([1, 4, 10]), rng.choice([1, 3, 10])]),
            "smoker": some(SMOKER, [70, 20, 3, 4]),
            "ef": pl.Series(rng.normal(60, 9, n)).set(pl.Series(rng.random(n) < 0.03), None),
            "event": (rng.random(n) < rng.choice([0.05, 0.2])).astype(int),
            "bin": rng.integers(0, 12, n),
        }
    )


def member(group: str) -> Said:
    """Those of a group; everybody of ``."""
    column, _, level = group.partition("=")
    return lambda rows: (
        (rows[column] == level).fill_null(False).to_numpy().astype(float) if group else np.ones(rows.height)
    )


def has(*columns: str) -> Said:
    """Those with values of some columns."""
    return lambda rows: np.prod([rows[c].is_not_null().to_numpy().astype(float) for c in columns], axis=0)


def lacks(column: str) -> Said:
    return lambda rows: rows[column].is_null().to_numpy().astype(float)


def with_event(rows: pl.DataFrame) -> Vector:
    return rows["event"].to_numpy().astype(float)


def without_event(rows: pl.DataFrame) -> Vector:
    return 1.0 - with_event(rows)


def both(*several: Said) -> Said:
    return lambda rows: np.prod([said(rows) for said in several], axis=0)


def table_of_people(rows: pl.DataFrame) -> pl.DataFrame:
    """Flow, rates, Table 1 and models of made-up people, as the sections make them."""
    found = [
        Estimate("flow", term="rows", level="kept", n=rows.height + 53),
        Estimate("flow", term="no outcome", level="left out", n=50),
        Estimate("flow", term="age missing", level="left out", n=3),
        Estimate("flow", term="analysed", level="kept", n=rows.height),
    ]
    for group in GROUPS:
        n, events = (round(said(rows).sum()) for said in (member(group), both(member(group), with_event)))
        if n:
            found.append(Estimate("person_time", group=group, n=n, events=events, estimate=7.5 * n))
            found.append(Estimate("rate", outcome="mace", group=group, n=n, events=events, estimate=events / n))
    found += table_one(rows, ["smoker", "ef", "sex"], ["sex", "site"])
    for model, names in (("unadjusted", ["ef"]), ("adjusted", ["ef", "smoker"])):
        found.append(_cox(rows, "ef", "", model, has(*names)))
        if model == "adjusted":
            terms = [f"smoker={level}" for level in ("now", "past")]
            found += [_cox(rows, term, "ef", model, both(has(*names), member(term))) for term in terms]
    return table_of(found)


def _cox(rows: pl.DataFrame, term: str, group: str, model: str, who: Said) -> Estimate:
    n, events = round(who(rows).sum()), round(both(who, with_event)(rows).sum())
    return Estimate("cox", "mace", model, term, group, n=n, events=events, estimate=1.2, se=0.1, p=0.1)


def counts_of(row: dict[str, Any]) -> Iterator[tuple[str, Said]]:
    """The counts that a row of `table_of_people` has, by column, as whom they count."""
    if row["analysis"] == "flow":
        return
    if row["analysis"] == "cox":
        phenotype = row["group"] or row["term"]
        whole = has(phenotype) if row["model"] == "unadjusted" else has(phenotype, "smoker")
        who = both(whole, member(row["term"] if "=" in row["term"] else ""))
    elif row["model"] == "smd":
        yield "n", has(row["group"], row["term"])
        return
    else:
        who = member(row["group"])
    if row["analysis"] != "table_one":
        yield "n", who
        yield "events", both(who, with_event)
        return
    known = both(who, has(row["term"])) if row["term"] else who
    yield "n", who if row["model"].startswith("missing") else known
    if row["model"] == "count":
        yield "estimate", both(who, member(f"{row['term']}={row['level']}")) if row["term"] else who
    if row["model"] == "missing":
        yield "estimate", both(who, lacks(row["term"]))


def cells() -> dict[str, Said]:
    """Every count that the tables are about, large or small."""
    found: dict[str, Said] = {}
    for group in GROUPS:
        who = member(group)
        wanted = {"people": who, "events": both(who, with_event), "without event": both(who, without_event)}
        for variable in ("smoker", "ef", "sex"):
            if variable != group.partition("=")[0]:
                wanted[f"{variable} missing"] = both(who, lacks(variable))
        for smoker in ("no", "past", "now"):
            wanted[smoker] = both(who, member(f"smoker={smoker}"))
        found |= {f"{name} of {group or 'all'}": said for name, said in wanted.items()}
    for column in ("sex", "site"):  # those in no group
        found |= {f"no {column}": lacks(column), f"no {column}, with event": both(lacks(column), with_event)}
    for smoker in ("no", "past", "now"):
        who = both(has("ef", "smoker"), member(f"smoker={smoker}"))
        found |= {f"{smoker} in the model": who, f"{smoker} in the model with event": both(who, with_event)}
    found |= {"lost from the model": both(has("ef"), lacks("smoker"))}
    return found


def attacker_of(released: pl.DataFrame, rows: pl.DataFrame) -> Attacker:
    attacker = Attacker(kinds(sex=SEX, site=SITE, smoker=SMOKER, ef=[60.0, None], event=[0, 1]))
    for row in released.iter_rows(named=True):
        for column, said in counts_of(row):
            to_nearest = row["analysis"] == "cox" or (row["term"] == "ef" and not row["group"])
            hear(attacker, rows, said, row[column], rounded=row["rounded"] is not None, to_nearest=to_nearest)
    return attacker


@LAWS
@given(st.integers(0, 10_000), st.sampled_from([60, 150, 400, 1500]))
def test_no_small_count_follows_from_sums_differences_totals_and_models(seed: int, n: int) -> None:
    rows = people(seed, n)
    released = suppressed(table_of_people(rows), min_cell=MIN_CELL)
    attacker = attacker_of(released, rows)
    assert not any(low == high and 0 < low < MIN_CELL for low, high in attacker.told.values())
    assert attacker.learns(rows, cells()) == []
    percent = released.filter(pl.col("model").is_in(["percent", "missing_percent"]), pl.col("estimate").is_not_null())
    for row in percent.iter_rows(named=True):  # says no more than its count
        count = row["estimate"] * row["n"] / 100
        assert abs(count - round(count)) < 1e-6 or row["estimate"] == 100.0


def test_the_attacker_is_a_good_one() -> None:
    """From a table that lacks only the rows with small counts he learns some of them."""
    rows = people(1, 400)
    table = table_of_people(rows)
    small = [any(0 < said(rows).sum() < MIN_CELL for _, said in counts_of(row)) for row in table.iter_rows(named=True)]
    found = attacker_of(table.filter(~pl.Series(small)), rows).learns(rows, cells())
    assert {"sex missing of all", "events of site=c", "now of site=a"} <= set(found)


def nested(n: int) -> pl.DataFrame:
    """People of whom 25 lack the mass, and 8 more the mass per body surface: 3 of these are women with the event."""
    place = np.arange(n)
    lacking = {"mass": 25, "indexed": 33}
    columns = {name: pl.Series(place.astype(float)).set(pl.Series(place < k), None) for name, k in lacking.items()}
    women = (place % 2 == 0) & ~((place >= 25) & (place < 30)) | ((place >= 30) & (place < 33))
    events = (place % 4 == 1) | ((place >= 30) & (place < 33))
    return pl.DataFrame(
        {**columns, "sex": np.where(women, "F", "M"), "event": events.astype(int), "smoker": ["no"] * n}
    )


def test_phenotypes_of_nested_people_do_not_tell_who_lacks_only_one() -> None:
    rows = nested(400)
    found = [
        Estimate("rate", "mace", n=400, events=round(with_event(rows).sum()), estimate=20.0),
        *table_one(rows, ["mass", "indexed"], ["sex"]),
        *(_cox(rows, name, "", "unadjusted", has(name)) for name in ("mass", "indexed")),
    ]
    only = both(has("mass"), lacks("indexed"))
    wanted = {"only one": only, "women": both(only, member("sex=F")), "with event": both(only, with_event)}
    told: dict[bool, list[str]] = {}
    for is_released in (False, True):
        table = suppressed(table_of(found), min_cell=MIN_CELL) if is_released else table_of(found)
        attacker = Attacker(kinds(mass=[1.0, None], indexed=[1.0, None], sex=["F", "M"], event=[0, 1]))
        attacker.hears(both(lacks("mass"), has("indexed")), 0, 0)  # he knows how they are made
        for row in table.iter_rows(named=True):
            for column, said in counts_of(row):
                if row["term"] != row["group"]:
                    hear(attacker, rows, said, row[column], rounded=row["rounded"] is not None)
        told[is_released] = attacker.learns(rows, wanted)
    assert told == {False: list(wanted), True: []}


N_TIMES = 12


def curves(rows: pl.DataFrame, columns: Sequence[str] = ("sex", "site")) -> pl.DataFrame:
    """Curves at 12 times of people who leave in one of 12 intervals; nobody is censored before the end."""
    found = []
    for group in GROUPS:
        column = group.partition("=")[0]
        if group and column not in columns:
            continue
        size = member(group)(rows).sum()
        for time in range(N_TIMES + 1) if size else ():
            at_risk, until = (round(said(rows).sum()) for said in at(group, time))
            model = ("group", column, group) if group else ("overall", "", "")
            counts = {"n": at_risk, "events": until, "estimate": 1 - until / size}
            found.append(Estimate("kaplan_meier", "mace", *model, str(float(time)), **counts))
    return table_of(found)


def at(group: str, time: int) -> tuple[Said, Said]:
    """Who of a group is at risk just before a time, and who had the event until then."""
    return (
        both(member(group), lambda rows: (rows["bin"] >= time).to_numpy().astype(float)),
        both(member(group), with_event, lambda rows: (rows["bin"] < time).to_numpy().astype(float)),
    )


def hear_curves(attacker: Attacker, released: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Counts of points, and the events that the digits of a share allow where nobody was censored."""
    shown = released.filter(pl.col("n").is_not_null())
    for row in shown.iter_rows(named=True):
        at_risk, until = at(row["group"], int(float(row["level"])))
        hear(attacker, rows, at_risk, row["n"], rounded=True)
        if row["estimate"] is None:  # a tick of the axis
            continue
        assert (row["events"] is None) == bool(row["group"])
        if not row["group"]:
            hear(attacker, rows, until, row["events"], rounded=False)
        else:
            share, moved = published_share(row["group"], int(float(row["level"])), rows, set(shown["group"]))
            middle, half = 1 - row["estimate"] + moved, 0.5 * unit_of(rows) + 1e-9
            assert abs(share(rows).sum() - middle) <= half
            attacker.hears(share, middle - half, middle + half)


def published_share(group: str, time: int, rows: pl.DataFrame, shown: set[str]) -> tuple[Said, float]:
    """What a share with the event is before rounding, and by how much it was moved besides: he is told if most.

    Shares are moved so that the large parts make up everybody's.
    """
    parts = [g for g in GROUPS if g in shown and g.startswith(f"{group.partition('=')[0]}=")]
    large = [g for g in parts if both(member(g), with_event)(rows).sum() >= 5 * MIN_CELL]
    people = sum(member(g)(rows).sum() for g in large)
    size = member(group)(rows).sum()

    def own(of: pl.DataFrame) -> Vector:
        return at(group, time)[1](of) / size

    def others(of: pl.DataFrame) -> Vector:
        return at("", time)[1](of) / rows.height - sum(at(g, time)[1](of) for g in large) / people

    if group not in large or people < 0.8 * rows.height:
        return own, 0.0
    most, by = 2 * unit_of(rows), others(rows).sum()
    return (own, -most * np.sign(by)) if abs(by) > most else (lambda of: own(of) + others(of), 0.0)


def unit_of(rows: pl.DataFrame) -> float:
    """The unit of a published share: 1, 2 or 5 times a power of ten, not above fifteen of everybody."""
    return max(
        u for k in range(-5, 0) for u in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if u <= 1.5 * MIN_CELL / rows.height
    )


def unions_of_steps(column: str, levels: Sequence[str | None]) -> dict[str, Said]:
    """Events between any two times of every union of groups, with or without those in no group."""
    named = [level for level in levels if level is not None]
    sets = [chosen for k in range(1, len(named) + 1) for chosen in combinations(named, k)]
    found: dict[str, Said] = {f"nobody's {column} at {end}": both(lacks(column), until("", 0, end)) for end in (6, 12)}
    for chosen in sets:
        for start, end in combinations(range(N_TIMES + 1), 2):
            groups = [f"{column}={level}" for level in chosen]
            found[f"{chosen} from {start} to {end}"] = lambda rows, g=groups, a=start, b=end: np.sum(
                [until(group, a, b)(rows) for group in g], axis=0
            )
    return found


def until(group: str, start: int, end: int) -> Said:
    """Events of a group from one time to another."""
    return lambda rows: at(group, end)[1](rows) - at(group, start)[1](rows)


@LAWS
@given(st.integers(0, 10_000), st.sampled_from([150, 400, 1500]), st.sampled_from([("sex", SEX), ("site", SITE)]))
def test_no_small_step_follows_from_curves(seed: int, n: int, figure: tuple[str, list[str | None]]) -> None:
    """Of any union of groups, hidden or shown, from any time to any other: by times, groups and everybody."""
    column, levels = figure
    rows = people(seed, n)
    in_figure = (pl.col("group") == "") | pl.col("group").str.starts_with(column)
    whole = table_of_people(rows).filter(in_figure, analysis="rate")
    released = suppressed(pl.concat([whole, curves(rows, [column])]), min_cell=MIN_CELL)
    attacker = Attacker(kinds(**{column: levels}, event=[0, 1], bin=range(N_TIMES)))
    for row in released.filter(analysis="rate").iter_rows(named=True):
        for name, said in counts_of(row):
            hear(attacker, rows, said, row[name], rounded=row["rounded"] is not None, to_nearest=False)
    hear_curves(attacker, released.filter(analysis="kaplan_meier"), rows)
    wanted = unions_of_steps(column, levels)
    small = [name for name, said in wanted.items() if 0 < said(rows).sum() < MIN_CELL]
    some = np.random.default_rng(seed).permutation(small)[:15]
    assert attacker.learns(rows, {name: wanted[name] for name in some}) == []


def test_unions_of_hidden_groups_and_steps_between_near_times_are_hidden() -> None:
    """Two sites with 6 events each, hidden one by one, had 4 events between two times where all others are shown."""
    bins = {
        "a": [10] * 12,
        "b": [10] * 12,
        "c": [0, 0, 2, 0, 0, 0, 2, 0, 0, 2, 0, 0],
        "d": [0, 0, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0],
    }
    rows = pl.DataFrame(
        [
            {"site": site, "bin": k, "event": event}
            for site, counts in bins.items()
            for k, events in enumerate(counts)
            for event, times in ((1, events), (0, 15))
            for _ in range(times)
        ]
    ).with_columns(sex=pl.lit("F"))
    table = curves(rows, ["site"])
    wanted = {
        "union": lambda rows: until("site=c", 2, 3)(rows) + until("site=d", 2, 3)(rows),
        "one": until("site=c", 2, 3),
    }
    told = {}
    hidden = table.with_columns(
        pl.when(~pl.col("group").is_in(["site=c", "site=d"])).then(pl.col(name)).alias(name) for name in ("n", "events")
    )
    for name, released in (("each hidden", hidden), ("released", suppressed(table, min_cell=MIN_CELL))):
        attacker = Attacker(kinds(site=SITE, event=[0, 1], bin=range(N_TIMES), sex=["F"]))
        if name == "released":
            hear_curves(attacker, released, rows)
        else:
            for row in released.filter(pl.col("n").is_not_null()).iter_rows(named=True):
                attacker.hears(at(row["group"], int(float(row["level"])))[1], row["events"], row["events"])
        told[name] = attacker.learns(rows, wanted)
    assert told == {"each hidden": ["union"], "released": []}
    assert suppressed(table, min_cell=MIN_CELL).filter(group="site=a").height > 5


def test_few_people_in_no_group_do_not_follow_from_many_rounded_points() -> None:
    """Six people without sex, three events, all at once; 12 points round everybody less the groups differently."""
    n = 4000
    place = np.arange(n)
    sex = pl.Series(["F"] * 1800 + ["M"] * (n - 1806) + [None] * 6)
    rng = np.random.default_rng(5)
    events, bins = (rng.random(n) < 0.35).astype(int), rng.integers(0, N_TIMES, n)
    rows = pl.DataFrame(
        {"sex": sex, "event": np.where(place >= n - 6, place % 2, events), "bin": np.where(place >= n - 6, 0, bins)}
    )
    released = suppressed(curves(rows, ["sex"]), min_cell=MIN_CELL)
    attacker = Attacker(kinds(sex=SEX, event=[0, 1], bin=range(N_TIMES)))
    attacker.hears(lacks("sex"), 1, MIN_CELL - 1)
    hear_curves(attacker, released, rows)
    assert attacker.range_of(both(lacks("sex"), until("", 0, 6))) == (0, MIN_CELL - 1)
    assert released.filter(pl.col("n").is_not_null(), group="sex=F").height > 10
