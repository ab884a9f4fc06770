"""What is said of the shape of a sample: Betti numbers, nulls, and what the sample could show at all."""

from collections.abc import Iterator, Sequence

from . import phrases
from .facts import Facts
from .phrases import listed, plural
from .statements import Sentence

_GROUPS = 4  # up to this many classes each gets its Betti numbers in words
_TOLD = 5  # changes in one sentence, at most


def topology(facts: Facts) -> Iterator[Sentence]:
    """Betti numbers of all data and of the classes: where they can be read, and where they change."""
    first = facts.layers[0]
    if facts.samples < 2 or not first.betti:
        return
    values = [[layer.betti[place].betti for layer in facts.layers] for place in range(len(first.betti))]
    if not any(value is not None for own in values for value in own):
        who = f"all data and of the {len(values) - 1} classes" if len(values) > 2 else "the data"
        text = f"Betti numbers of {who} cannot be read at any layer: no range of scales is stable enough."
        yield Sentence(text, "observed")
        return
    many = len(values) - 1 > _GROUPS
    stories: dict[str, list[int]] = {}
    steps: dict[str, int] = {}
    for place in range(1 if many else len(values)):
        text, changes = _story(facts, values[place])
        stories.setdefault(text, []).append(place)
        steps[text] = changes
    for text in sorted(stories, key=lambda text: -steps[text]):
        groups = ["all data" if place == 0 else f"class {first.betti[place].label}" for place in stories[text]]
        verb = "each look" if len(groups) > 1 else "look" if groups == ["all data"] else "looks"
        if text:
            told = phrases.capital(listed(groups)) + text.replace("{}", verb, 1)
            yield Sentence(f"{told} (Betti numbers{_chance(facts, stories[text])}).", "observed")
        else:
            told = f"Betti numbers of {listed(groups)} cannot be read at any layer: no range of scales is stable enough"
            yield Sentence(f"{told}.", "observed")
    if many:
        yield _many(facts, values[1:], [own.label for own in first.betti[1:]])


def _story(facts: Facts, values: Sequence[tuple[int, ...] | None]) -> tuple[str, int]:
    """What one group looks like, layer by layer, `{}` for the verb; and how often that changes (-1: unreadable)."""
    runs: list[tuple[tuple[int, ...], list[int]]] = []
    for place, value in enumerate(values):
        if value is not None:
            if runs and runs[-1][0] == value:
                runs[-1][1].append(place)
            else:
                runs.append((value, [place]))
    if not runs:
        return "", -1
    parts = [f"{phrases.betti(value)} {_where(facts, places)}" for value, places in runs[:_TOLD]]
    if len(runs) > _TOLD:
        parts.append(f"and so on ({plural(len(runs) - _TOLD, 'more change')})")
    text = f" {{}} like {', '.join(parts)}"
    silent = [place for place, value in enumerate(values) if value is None]
    if silent:
        text += f"; {_where(facts, silent)} no scale is stable enough to tell"
    if len(runs) > 1 and facts.layers[runs[-1][1][0]].index <= facts.one_to_one:
        text += "; these layers are one-to-one, so it is not the topology that changed but what the sample shows of it"
    return text, len(runs) - 1


def _chance(facts: Facts, groups: Sequence[int]) -> str:
    """How often null samples show as much, where there is something to explain."""
    tested: dict[int, list[tuple[int, int]]] = {}
    untested = False
    for layer in facts.layers:
        for own in (layer.betti[place] for place in groups):
            counts = [(count, null.draws) for null in own.nulls for count in null.as_clear if count is not None]
            untested = untested or (own.betti not in (None, (0, 0), (1, 0)) and not counts)
            if counts:
                tested.setdefault(layer.index, []).extend(counts)
    if untested:
        return ", no null"
    worst = {index: max(counts) for index, counts in tested.items()}
    if not worst:
        return ""
    draws = max(draws for _, draws in worst.values())
    unclear = [index for index, (count, _) in worst.items() if count]
    if not unclear:
        return f"; none of {draws} null samples is as clear"
    most = max(count for count, _ in worst.values())
    where = _where(facts, [k for k, layer in enumerate(facts.layers) if layer.index in unclear])
    amount = f"{most} of" if len(unclear) == 1 else f"up to {most} of"
    return f"; {where}, {amount} {draws} null samples {'is' if most == 1 else 'are'} as clear"


def resolution(facts: Facts) -> Iterator[Sentence]:
    """The smallest loops that the sample could show at all."""
    known = [(layer, layer.betti[0]) for layer in facts.layers if layer.betti and layer.betti[0].smallest]
    if not known:
        return
    place = {layer.index: k for k, layer in enumerate(facts.layers)}
    shares = {layer.index: own.smallest[1] / own.radius for layer, own in known if own.smallest[1] is not None}
    blind = [place[layer.index] for layer, own in known if own.smallest[0] is None]
    if not shares:
        if len(blind) == len(facts.layers):
            text = "This sample could show no loop of any size at any layer: its landmarks are too far apart."
            yield Sentence(text, "observed")
        return
    low, high = min(shares, key=lambda k: shares[k]), max(shares, key=lambda k: shares[k])
    text = f"This sample could show loops of a radius from {phrases.share(shares[low])} of the data's"
    text += f" {_where(facts, [place[low]])}"
    if phrases.share(shares[low]) != phrases.share(shares[high]):
        text += f", from {phrases.share(shares[high])} {_where(facts, [place[high]])}"
    if blind:
        text += f"; {_where(facts, blind)} none of any size, its landmarks are too far apart"
    yield Sentence(f"{text}.", "observed")


def _where(facts: Facts, places: Sequence[int]) -> str:
    """At which of the layers looked at."""
    indices = [layer.index for layer in facts.layers]
    whole = indices == list(range(len(indices)))
    chosen, total = list(places), len(indices)
    if len(chosen) == total:
        return "at every layer" if total > 1 and whole else f"at {_places(facts, [indices[k] for k in chosen])}"
    if whole and len(chosen) > 1 and chosen == list(range(chosen[0], total)):
        return f"from {facts.at(indices[chosen[0]])} on"
    if whole and len(chosen) > 1 and chosen == list(range(len(chosen))):
        return f"up to {facts.at(indices[chosen[-1]])}"
    return f"at {_places(facts, [indices[k] for k in chosen])}"


def _places(facts: Facts, indices: Sequence[int]) -> str:
    """The input, layers 2 to 4, the output."""
    if len(indices) == 1:
        return facts.at(indices[0])
    inner = [k for k in indices if k > 0]
    words = facts.at(inner[0]) if len(inner) == 1 else f"layers {phrases.numbers(inner)}"
    return words if len(inner) == len(indices) else f"{facts.at(0)} and {words}"


def _many(facts: Facts, groups: Sequence[Sequence[tuple[int, ...] | None]], labels: Sequence[str]) -> Sentence:
    """Betti numbers of many classes in one sentence."""
    count = f"the {len(groups)} classes"
    readable = [sum(values[place] is not None for values in groups) for place in range(len(facts.layers))]
    if not any(readable):
        text = f"Betti numbers of {count} cannot be read at any layer: no range of scales is stable enough."
        return Sentence(text, "observed")
    best = max(range(len(readable)), key=lambda place: readable[place])
    shown = dict.fromkeys((0, best, len(readable) - 1))
    parts = [f"{readable[place] or 'none'} {_where(facts, [place])}" for place in shown]
    different = [label for label, values in zip(labels, groups, strict=True) if len({*values} - {None}) > 1]
    read = {value for values in groups for value in values if value is not None}
    if different:
        named = f": {listed(different)}" if len(different) <= _TOLD else ""
        end = f"{plural(len(different), 'class changes', 'classes change')} between layers{named}"
    elif len(read) == 1:
        end = f"wherever they can, a class looks like {phrases.betti(read.pop())}"
    else:
        end = "no class changes between layers where it can be read"
    end += _chance(facts, range(1, len(groups) + 1)).replace(", no null", "; no null")
    return Sentence(f"Betti numbers of {count} can be read for {listed(parts)}; {end}.", "observed")
