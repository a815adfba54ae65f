"""Plans: shares, quantiles, extremes, terms and ranks against enumeration of a small space; and what they warn of."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from ednas_nni.cost.device import AdditiveDevice, CostColumn, LowerBound
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.plan import Plan, Share, advice, composition, percent, plan, plan_json, remarks
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import StudyError
from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.study.objectives import parse_constraint, parse_objective

DOMAINS = Domains(
    [
        Dimension("depth", (1, 2)),
        Dimension("a", tuple("uvwxyz")),
        Dimension("b", tuple("uvwxyz"), (((Literal("depth", frozenset({2})),),),)),
        Dimension("c", (1, 2, 3)),
    ]
)


class Toy(AdditiveDevice):
    """A device with a link that no choice changes, two compute terms and an upper bound."""

    columns = (
        CostColumn("latency_ms", "ms", "toy", "modelled", "made up", "latency_ms_upper90"),
        CostColumn("latency_ms_upper90", "ms", "toy", "modelled", "made up"),
    )

    def __init__(self, name="toy"):
        self.name = name
        self.columns = tuple(replace(column, device=name) for column in self.columns)

    def layer_features(self, layer):
        return {}

    def terms(self, column, totals):
        if column != "latency_ms":
            return None
        compute, wait = totals["compute"], np.full(len(totals["compute"]), 0.5)
        return {"link": 2.0 * totals["link"], "compute": compute / 10, "wait": wait}

    def costs(self, totals):
        latency = sum(self.terms("latency_ms", totals).values())
        return {"latency_ms": latency, "latency_ms_upper90": 1.2 * latency}

    def lower_bound(self, column):
        return LowerBound({"link": 2.0, "compute": 0.1}, 0.5) if column == "latency_ms" else None


class Counter(AdditiveDevice):
    """A second device: follows the first one's compute, or not."""

    name = "count"
    columns = (CostColumn("work", "op", "count", "counted", "exact"), CostColumn("flat", "op", "count", "counted", ""))

    def layer_features(self, layer):
        return {}

    def costs(self, totals):
        return {"work": totals["work"], "flat": np.ones(len(totals["work"]))}

    def lower_bound(self, column):
        return LowerBound({"work": 1.0}) if column == "work" else LowerBound({}, 1.0)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    names = ("0:link", "0:compute", "1:work")
    a, b = rng.integers(1, 100, (2, 6)).astype(float)
    second = np.zeros((2, 6, 3))
    second[1] = np.stack([np.zeros(6), b, b + rng.normal(0, 0.01, 6)], 1)
    own = np.stack([np.zeros(6), a, a + rng.normal(0, 0.01, 6)], 1)
    c = np.zeros((3, 3))
    c[:, 1:] = np.arange(3)[:, None]
    terms = (Term((), np.array([3.0, 4.0, 4.0])), Term(("a",), own), Term(("depth", "b"), second), Term(("c",), c))
    fixed = {"stem": {"0:link": 2.0, "0:compute": 4.0, "1:work": 4.0}, "heads": {"0:link": 1.0}}
    return CostTable(SpaceFeatures(names, terms, DOMAINS, fixed=fixed), [Toy(), Counter()], (64, 64))


def enumerated(table):
    """Costs of every sample as strategies draw, and of every distinct architecture."""
    codes = np.array(list(itertools.product(*(range(len(d.values)) for d in DOMAINS.dimensions))))
    distinct = {DOMAINS.architecture_id(DOMAINS.decode(row)): row for row in codes}
    return table.encoded(codes), table.encoded(np.array(list(distinct.values())))


def made(table, constraints=(), objectives=("quality", "latency_ms"), **options) -> Plan:
    return plan(table, [*map(parse_objective, objectives)], [*map(parse_constraint, constraints)], **options)


def test_shares_lie_about_those_of_the_whole_space(table):
    drawn, distinct = enumerated(table)
    bound = float(np.median(drawn[:, 1]))
    found = made(table, [f"latency_ms <= {bound}", "work >= 60"], samples=20000)
    (latency, work), names = found.constraints, list(table.names)
    assert latency.checked.name == "latency_ms_upper90" and latency.asked.name == "latency_ms"
    for draw, costs in (("strategies", drawn), ("architectures", distinct)):
        below, above = costs[:, 1] <= bound, costs[:, names.index("work")] >= 60
        for share, truth in (
            (latency.shares[draw], below),
            (work.shares[draw], above),
            (found.shares[draw], below & above),
        ):
            assert share.value == pytest.approx(truth.mean(), abs=0.015)
    assert abs(latency.shares["strategies"].value - latency.shares["architectures"].value) > 0.05, (
        "the two draws differ"
    )


def test_most_favourable_values_are_those_of_the_whole_space(table):
    drawn, _ = enumerated(table)
    found = made(table, ["latency_ms <= 99", "work >= 60"])
    assert found.constraints[0].reachable.value == drawn[:, 1].min()
    assert found.constraints[1].reachable.value == drawn[:, table.names.index("work")].max()
    assert made(table, ["latency_ms <= 99"], reach=lambda share: share.count == 0).constraints[0].reachable is None


def test_quantiles_and_draws(table):
    drawn, distinct = enumerated(table)
    for draw, costs in (("strategies", drawn), ("architectures", distinct)):
        found = made(table, draw=draw, samples=8000)
        assert found.costs[0].quantiles[0.5] == pytest.approx(np.median(costs[:, 0]), rel=0.05)
        assert found.costs[0].quantiles[0.0] == pytest.approx(costs[:, 0].min())
    assert made(table, seed=3).costs == made(table, seed=3).costs
    assert made(table, seed=3).costs != made(table, seed=4).costs


def test_ranks_equal_a_count_of_pairs(table):
    found = made(table, objectives=("latency_ms", "work", "flat"), samples=150)
    assert math.isnan(found.ranks["latency_ms", "flat"])
    one, two = (found.matrix[:, table.names.index(name)] for name in ("latency_ms", "work"))
    pairs = list(itertools.combinations(range(len(one)), 2))
    signs = [(np.sign(one[i] - one[j]), np.sign(two[i] - two[j])) for i, j in pairs]
    ties = [sum(s[k] == 0 for s in signs) for k in (0, 1)]
    tau = sum(a * b for a, b in signs) / math.sqrt((len(pairs) - ties[0]) * (len(pairs) - ties[1]))
    assert found.ranks["latency_ms", "work"] == pytest.approx(tau)
    opposed = made(table, objectives=("latency_ms", "max:work"), samples=150)
    assert opposed.ranks["latency_ms", "work"] == pytest.approx(-tau)


def test_a_cost_is_made_of_its_terms_and_fixed_parts_are_in_every_network(table):
    codes = np.array(list(itertools.product(range(2), range(6), range(6), range(3))))
    terms = {share.term: share for share in composition(table, "latency_ms", codes)}
    assert terms["link"].parts == {"stem": 4.0, "heads": 2.0} and terms["link"].fixed == 6.0
    assert terms["wait"].parts == {"device": 0.5} and terms["compute"].parts == {"stem": 0.4}
    # The link is the same for all, and so are its parts; of the compute, only the stem's.
    assert terms["link"].median == terms["link"].fixed
    assert sum(share.fixed for share in terms.values()) <= table.encoded(codes)[:, 0].min()
    assert [share.median for share in terms.values()] == sorted((s.median for s in terms.values()), reverse=True)
    assert composition(table, "latency_ms_upper90", codes) == ()
    (counted,) = composition(table, "work", codes)
    assert counted.term == "work" and counted.parts == {"stem": 4.0}


def test_a_term_that_choices_make_alike_is_fixed_too():
    features = SpaceFeatures(
        ("0:link", "0:compute"), (Term(("a",), np.stack([np.full(6, 2.0), np.arange(6.0)], 1)),), DOMAINS
    )
    found = CostTable(features, [Toy()], (64, 64))
    terms = {share.term: share for share in composition(found, "latency_ms", np.eye(4, dtype=int)[:, [1, 0, 2, 3]])}
    assert terms["link"].parts == {"every choice": 4.0} and terms["compute"].parts == {}


def test_two_devices_with_one_name_of_a_cost(table):
    features = SpaceFeatures(("0:link", "0:compute", "1:link", "1:compute"), (Term((), np.ones(4)),), DOMAINS)
    both = CostTable(features, [Toy(), Toy("phone")], (64, 64))
    assert both.names == ("latency_ms", "latency_ms_upper90", "phone_latency_ms", "phone_latency_ms_upper90")
    found = made(both, ["latency_ms <= 9", "phone_latency_ms <= 1"], ("phone_latency_ms",))
    assert [c.checked.name for c in found.constraints] == ["latency_ms_upper90", "phone_latency_ms_upper90"]
    assert found.used == ("phone_latency_ms", "phone_latency_ms_upper90", "latency_ms", "latency_ms_upper90")
    assert set(found.terms) == {"latency_ms", "phone_latency_ms"}
    with pytest.raises(StudyError, match="phone_latency_ms"):
        made(both, ["phnoe_latency_ms <= 1"])


@pytest.mark.parametrize(
    ("constraints", "objectives", "words"),
    [
        (["latency_ms <= 99"], ["quality"], ["latency_ms <= 99 keeps 100 %", "hardly constrains", "upper90 <="]),
        (["work <= 0.5"], ["quality"], ["work <= 0.5 keeps less than", "spend its time"]),
        (["work <= 0.5", "work >= 5"], ["quality"], ["constraints keep less than", "work >= 5 100 %", "together"]),
        (
            [],
            ["quality", "latency_ms"],
            ["latency_ms: 6 of the median", "ms are equal for all", "link: stem 4, heads 2"],
        ),
        ([], ["latency_ms", "work"], ["latency_ms and work rank the space alike", "tau 0.99", "Keep one"]),
        ([], ["latency_ms", "flat"], ["flat is the same for all samples", "Remove it"]),
        ([], ["quality", "work"], []),
        ([], ["latency_ms", "max:work"], ["latency_ms: 6 of"]),
    ],
)
def test_advice(table, constraints, objectives, words):
    outlook = made(table, constraints, objectives)
    told = [*advice(outlook), *remarks(outlook)]
    for word in words:
        assert any(word in line for line in told), told
    assert bool(told) == bool(words)
    if "max:work" in objectives:
        assert not any("alike" in line for line in told), "objectives that oppose each other are the point of a front"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "less than 0.09 %"), (1, "0.025 %"), (390, "9.8 %"), (2000, "50 %"), (3999, "99.9 %"), (4000, "100 %")],
)
def test_shares_are_never_rounded_to_none_or_all(count, text):
    share = Share(count, 4000)
    assert percent(share) == text
    low, high = share.interval
    assert low <= share.value <= high
    if count == 0:
        assert low == 0 and high == pytest.approx(1 - 0.025 ** (1 / 4000))


def test_json_is_plain_and_complete(table):
    import json

    found = plan_json(made(table, ["latency_ms <= 9"], ("latency_ms", "flat"), samples=500))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert again["space"] == {"architectures": 126, "choices": 4}
    assert again["costs"]["latency_ms"]["terms"][0]["fixed_parts"]
    assert again["constraints"][0]["checked_on"] == "latency_ms_upper90"
    assert again["kendall_tau"] == [{"objectives": ["latency_ms", "flat"], "tau": None}]


def test_the_picture_shows_every_named_cost(table, monkeypatch):
    from ednas_nni.report import plan_plot

    drawn = []
    original = plan_plot._distribution
    monkeypatch.setattr(plan_plot, "_distribution", lambda axes, p, name: (drawn.append(name), original(axes, p, name)))
    found = made(table, ["latency_ms <= 9", "work >= 300"], ("latency_ms", "flat"), samples=300)
    assert plan_plot.plan_plot(found).startswith(b"\x89PNG")
    assert drawn == ["latency_ms", "latency_ms_upper90", "flat", "work"]
    assert plan_plot.plan_plot(made(table, objectives=("quality",), samples=300)).startswith(b"\x89PNG")


def test_what_a_search_is_told_at_its_start(table):
    from ednas_nni.errors import InfeasibleError
    from ednas_nni.search.problem import Problem
    from ednas_nni.search.reachable import check_reachable, favourable

    def told(*texts):
        limits = tuple(table.checked(parse_constraint(text)) for text in texts)
        problem = Problem(table.domains, table.names, table, (), limits)
        return problem, favourable(table, limits)

    assert told()[1] == told("latency_ms <= 99")[1] == {}
    drawn, _ = enumerated(table)
    problem, known = told("latency_ms <= 1")
    assert known == {problem.constraints[0]: drawn[:, 1].min()}
    with pytest.raises(
        InfeasibleError, match=rf"the smallest reachable latency_ms_upper90 is {drawn[:, 1].min():.4g}\."
    ):
        check_reachable(problem, known)


@pytest.mark.parametrize("texts", [("work >= 85", "work <= 95"), ("work <= 95", "work >= 85")])
def test_a_band_of_one_cost_has_a_smallest_and_a_largest_value(table, monkeypatch, texts):
    from ednas_nni.search import reachable
    from ednas_nni.search.problem import Problem

    monkeypatch.setattr(reachable, "OFTEN", 1.1)  # a narrower band is rare, and the values are looked for
    limits = tuple(map(parse_constraint, texts))
    work = enumerated(table)[0][:, table.names.index("work")]
    assert ((work >= 85) & (work <= 95)).any() and work.min() < 85 and work.max() > 95
    known = reachable.favourable(table, limits)
    assert known == {limit: work.min() if limit.op == "<=" else work.max() for limit in limits}
    reachable.check_reachable(Problem(table.domains, table.names, table, (), limits), known)
